//! Which paths a provider may read: Kafka's `AllowedPaths` (`allowed.paths`).

use std::path::{Component, Path, PathBuf};

use couplet_api::config::Props;
use couplet_api::{Error, Result};

/// The setting.
pub(super) const ALLOWED_PATHS: &str = "allowed.paths";

/// The paths that may be read; `None`: all.
#[derive(Debug)]
pub(super) struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    /// Reads `allowed.paths`.
    ///
    /// # Errors
    /// `Kind::Config` for a path that is relative or not there.
    pub(super) fn new(params: &Props) -> Result<Self> {
        let Some(text) = params.get(ALLOWED_PATHS).filter(|text| !text.is_empty()) else {
            return Ok(AllowedPaths(None));
        };
        let mut parts: Vec<&str> = text.split(',').collect();
        // Java's `split` leaves out what is empty at the end.
        while parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
        let path = |part: &&str| {
            let path = normalized(Path::new(part));
            if !path.is_absolute() {
                return Err(Error::config(format!("Path {} is not absolute", path.display())));
            }
            if !path.exists() {
                return Err(Error::config(format!("Path {} does not exist", path.display())));
            }
            Ok(path)
        };
        Ok(AllowedPaths(Some(parts.iter().map(path).collect::<Result<_>>()?)))
    }

    /// `path` as it may be read; `None`: it may not. As in Java, links are followed when it is read.
    pub(super) fn permit(&self, path: &str) -> Option<PathBuf> {
        let Some(allowed) = &self.0 else { return Some(PathBuf::from(path)) };
        let path = normalized(Path::new(path));
        let inside = allowed.iter().any(|allowed| path.starts_with(allowed));
        if !inside {
            tracing::warn!("The path {} is not allowed to be accessed", path.display());
        }
        inside.then_some(path)
    }
}

/// `Path.normalize`: without `.`, and without `..` as far as there is something to leave.
fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_within_is_permitted() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("in");
        std::fs::create_dir(&inside).expect("a folder");
        let base = inside.display().to_string();
        let allowed = AllowedPaths::new(&Props::from_iter([(ALLOWED_PATHS, format!("{base},"))])).expect("valid");
        let rows = [
            (format!("{base}/f"), Some(format!("{base}/f"))),
            (format!("{base}/./x/../f"), Some(format!("{base}/f"))),
            (base.clone(), Some(base.clone())),
            (format!("{base}/../out"), None),
            (format!("{base}x"), None),
            ("/etc/passwd".to_owned(), None),
            ("relative".to_owned(), None),
        ];
        for (path, want) in rows {
            assert_eq!(allowed.permit(&path), want.map(PathBuf::from), "{path}");
        }
        let all = AllowedPaths::new(&Props::new()).expect("valid");
        assert_eq!(all.permit("a/../b"), Some(PathBuf::from("a/../b")), "without the setting nothing is looked at");
    }

    #[test]
    fn wrong_settings_are_worded_as_kafkas() {
        let rows =
            [("a/b", "Path a/b is not absolute"), ("/no/such/path", "Path /no/such/path does not exist"), ("/,", "")];
        for (text, want) in rows {
            let made = AllowedPaths::new(&Props::from_iter([(ALLOWED_PATHS, text)]));
            assert_eq!(made.err().map(|e| e.message().to_owned()).unwrap_or_default(), want, "{text}");
        }
    }
}
