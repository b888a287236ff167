//! `FileConfigProvider`: values from properties files; the path is the file's.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use couplet_api::config::Props;
use couplet_api::{Error, Result};

use super::ConfigProvider;
use super::allowed_paths::AllowedPaths;
use crate::java_properties;

/// Longest file that is read, in bytes: a path may name anything the worker may read.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;

pub(super) struct FileProvider {
    allowed: AllowedPaths,
}

impl FileProvider {
    pub(super) fn new(params: &Props) -> Result<Self> {
        Ok(FileProvider { allowed: AllowedPaths::new(params)? })
    }
}

impl ConfigProvider for FileProvider {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>> {
        let Some(file) = Some(path).filter(|path| !path.is_empty()).and_then(|path| self.allowed.permit(path)) else {
            return Ok(BTreeMap::new());
        };
        let failed = |why: String| {
            // The reason is for the log: Kafka's answers do not say it either.
            tracing::error!("Could not read properties from file {path}: {why}");
            Error::config(format!("Could not read properties from file {path}"))
        };
        let text = read_text(&file).map_err(failed)?;
        let props = java_properties::parse(&text).map_err(failed)?;
        Ok(keys.iter().filter_map(|key| Some(((*key).to_owned(), props.get(key)?.to_owned()))).collect())
    }
}

/// The text of a regular file of a sensible size.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let reason = |error: std::io::Error| error.to_string();
    if !std::fs::metadata(path).map_err(reason)?.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(reason)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("longer than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_the_file_and_unknown_keys_are_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("s.properties");
        std::fs::write(&file, "# no\nuser = me\npassword=p\\u00e4ss word \n").expect("a file");
        let provider = FileProvider::new(&Props::new()).expect("valid");
        let keys = BTreeSet::from(["user", "password", "none"]);
        let found = provider.get(&file.display().to_string(), &keys).expect("read");
        let want = [("password".to_owned(), "päss word ".to_owned()), ("user".to_owned(), "me".to_owned())];
        assert_eq!(found, BTreeMap::from(want));
        assert!(provider.get("", &keys).expect("no path").is_empty());
        for path in ["/no/such/file", "/dev/zero", &folder.path().display().to_string()] {
            let error = provider.get(path, &keys).expect_err(path);
            assert_eq!(error.message(), format!("Could not read properties from file {path}"));
        }
        let params = Props::from_iter([("allowed.paths", folder.path().display().to_string())]);
        let provider = FileProvider::new(&params).expect("valid");
        assert!(provider.get("/etc/passwd", &keys).expect("refused in silence").is_empty());
    }
}
