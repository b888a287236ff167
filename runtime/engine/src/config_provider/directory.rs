//! `DirectoryConfigProvider`: each file of a folder is a value, as Kubernetes mounts secrets; the path is the folder's.

use std::collections::{BTreeMap, BTreeSet};

use couplet_api::config::Props;
use couplet_api::{Error, Result};

use super::ConfigProvider;
use super::allowed_paths::AllowedPaths;
use super::file::read_text;

pub(super) struct DirectoryProvider {
    allowed: AllowedPaths,
}

impl DirectoryProvider {
    pub(super) fn new(params: &Props) -> Result<Self> {
        Ok(DirectoryProvider { allowed: AllowedPaths::new(params)? })
    }
}

impl ConfigProvider for DirectoryProvider {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>> {
        let Some(folder) = Some(path).filter(|path| !path.is_empty()).and_then(|path| self.allowed.permit(path)) else {
            return Ok(BTreeMap::new());
        };
        if !folder.is_dir() {
            tracing::warn!("The path {path} is not a directory");
            return Ok(BTreeMap::new());
        }
        let unlisted = |error: std::io::Error| {
            tracing::error!("Could not list directory {}: {error}", folder.display());
            Error::config(format!("Could not list directory {}", folder.display()))
        };
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&folder).map_err(unlisted)? {
            let file = entry.map_err(unlisted)?.path();
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
            if !keys.contains(name) || !file.is_file() {
                continue;
            }
            let text = read_text(&file).map_err(|why| {
                tracing::error!("Could not read file {} for property {name}: {why}", file.display());
                Error::config(format!("Could not read file {} for property {name}", file.display()))
            })?;
            found.insert(name.to_owned(), text);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_a_value_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("password"), "s3cret\n").expect("a file");
        std::fs::create_dir(folder.path().join("deeper")).expect("a folder");
        std::fs::write(folder.path().join("deeper/password"), "no").expect("a file");
        let provider = DirectoryProvider::new(&Props::new()).expect("valid");
        let path = folder.path().display().to_string();
        let keys = BTreeSet::from(["password", "deeper", "deeper/password", "..", "none"]);
        let found = provider.get(&path, &keys).expect("read");
        assert_eq!(found, BTreeMap::from([("password".to_owned(), "s3cret\n".to_owned())]));
        assert!(provider.get("/no/such/folder", &keys).expect("a warning").is_empty());
        assert!(provider.get("", &keys).expect("no path").is_empty());
        let elsewhere = tempfile::tempdir().expect("a folder");
        let params = Props::from_iter([("allowed.paths", elsewhere.path().display().to_string())]);
        assert!(DirectoryProvider::new(&params).expect("valid").get(&path, &keys).expect("a warning").is_empty());
    }
}
