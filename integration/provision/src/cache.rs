//! The folder for everything fetched or built once and used by every clone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// `$COUPLET_CACHE`, else `~/.cache/couplet`; created when missing.
pub fn folder() -> Result<PathBuf> {
    let folder = match std::env::var_os("COUPLET_CACHE") {
        Some(set) => PathBuf::from(set),
        None => PathBuf::from(std::env::var_os("HOME").context("neither COUPLET_CACHE nor HOME is set")?)
            .join(".cache/couplet"),
    };
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The root of this repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate is two folders deep").to_owned()
}

/// Fills `folder` by `fill` unless a mark there says that this very `recipe` filled it before. Processes that want the same
/// folder wait for each other.
pub fn filled(folder: &Path, recipe: &str, fill: impl FnOnce() -> Result<()>) -> Result<()> {
    let parent = folder.parent().context("a cache folder has a parent")?;
    fs::create_dir_all(parent)?;
    let name = folder.file_name().context("a cache folder has a name")?.to_string_lossy();
    let lock = File::create(parent.join(format!(".{name}.lock")))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    let mark = parent.join(format!(".{name}.recipe"));
    if fs::read_to_string(&mark).is_ok_and(|seen| seen == recipe) && folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    fill()?;
    fs::write(mark, recipe)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_per_recipe() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("jars");
        let mut fills = 0;
        for recipe in ["a", "a", "b", "b"] {
            filled(&folder, recipe, || {
                fills += 1;
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(fills, 2);
        assert!(filled(&folder, "c", || anyhow::bail!("no network")).is_err());
        filled(&folder, "c", || {
            fills += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(fills, 3, "a failed fill is tried again");
    }

    #[test]
    fn the_repository_is_found() {
        assert!(repository().join("integration/jvm/settings.xml").is_file());
    }
}
