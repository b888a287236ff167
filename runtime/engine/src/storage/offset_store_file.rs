//! Offsets in the file of a standalone worker, in the format the JVM reads and writes.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couplet_api::data::OffsetMap;
use couplet_api::{Error, Result};
use tokio::sync::Mutex;

use super::offset_store_table::OffsetTable;
use super::{OffsetChange, OffsetStore, java_map};

/// Offsets in `offset.storage.file.filename`. Each change writes a new file beside it and renames it, so that a crash
/// leaves the old or the new one.
pub struct FileOffsetStore {
    path: Arc<Path>,
    state: Mutex<State>,
}

struct State {
    table: OffsetTable,
    entries: java_map::Entries,
}

impl FileOffsetStore {
    /// Reads the file; a missing or empty one holds no offsets.
    ///
    /// # Errors
    /// `Kind::Config` when it cannot be read or is no offsets file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path: PathBuf = path.into();
        let refused = |problem: String| {
            let shown = path.display();
            Error::config(format!("Invalid value {shown} for configuration offset.storage.file.filename: {problem}"))
        };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(refused(error.to_string())),
        };
        let entries = match bytes.is_empty() {
            true => java_map::Entries::new(),
            false => java_map::read(&Bytes::from(bytes)).map_err(refused)?,
        };
        let mut table = OffsetTable::default();
        for (key, value) in &entries {
            table.apply(key, value.as_ref());
        }
        Ok(FileOffsetStore { path: path.into(), state: Mutex::new(State { table, entries }) })
    }
}

#[async_trait]
impl OffsetStore for FileOffsetStore {
    async fn get(&self, connector: &str, partitions: &[OffsetMap]) -> Result<Vec<Option<OffsetMap>>> {
        let state = self.state.lock().await;
        Ok(partitions.iter().map(|partition| state.table.get(connector, partition)).collect())
    }

    async fn list(&self, connector: &str) -> Result<Vec<(OffsetMap, OffsetMap)>> {
        Ok(self.state.lock().await.table.list(connector))
    }

    async fn put(&self, connector: &str, changes: Vec<OffsetChange>) -> Result<()> {
        let mut state = self.state.lock().await;
        let mut entries = state.entries.clone();
        let mut records = Vec::with_capacity(changes.len());
        for change in &changes {
            let (key, value) = state.table.encode(connector, change)?;
            entries.insert(key.clone(), value.clone());
            records.push((key, value));
        }
        let (path, bytes) = (self.path.clone(), java_map::write(&entries));
        let written = tokio::task::spawn_blocking(move || replace(&path, &bytes)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(Error::fatal(format!("cannot write offsets to {}: {error}", self.path.display())));
            }
            Err(_) => return Err(Error::bug("writing the offsets file panicked")),
        }
        for (key, value) in records {
            state.table.apply(&key, value.as_ref());
        }
        state.entries = entries;
        Ok(())
    }
}

/// Puts `bytes` in the place of the file, all or nothing, on disk on return.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = PathBuf::from(name);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Value;

    use super::*;

    #[tokio::test]
    async fn offsets_survive_and_a_forgotten_partition_stays_forgotten() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("offsets");
        let partition = |n: i64| OffsetMap::new([("p", Value::Int64(n))]);
        let offset = |n: i64| Some(OffsetMap::new([("o", Value::Int64(n))]));
        let store = FileOffsetStore::open(&path).expect("no file yet");
        store.put("c", vec![(partition(1), offset(10)), (partition(2), offset(20))]).await.expect("stored");
        store.put("c", vec![(partition(1), None)]).await.expect("stored");
        let again = FileOffsetStore::open(&path).expect("readable");
        assert_eq!(again.get("c", &[partition(1), partition(2)]).await.expect("read"), [None, offset(20)]);
        assert_eq!(again.list("c").await.expect("read").len(), 1);
        assert!(again.list("other").await.expect("read").is_empty());
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_is_no_offsets_file_is_refused_by_key() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("offsets");
        fs::write(&path, b"hello").expect("written");
        let error = FileOffsetStore::open(&path).err().expect("not a map");
        assert!(error.message().contains("offset.storage.file.filename"), "{error}");
        assert!(FileOffsetStore::open(folder.path()).is_err(), "a folder is no file");
    }
}
