//! Opening a partition's folder after any end of the last run, kill -9 included.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::partition_log::PartitionLog;
use super::producers::{Marker, Producers};
use super::segment::{self, Segment};
use crate::clock;

/// Holds the log start after records were deleted by request; written atomically.
const LOG_START_FILE: &str = "log-start-offset";

impl PartitionLog {
    /// Opens the log in `folder`: drops unfinished files of compaction, cuts a torn tail, and rebuilds the state of
    /// producers from the batches.
    ///
    /// # Errors
    /// When the folder cannot be read or repaired.
    pub(crate) fn open(folder: &Path) -> io::Result<PartitionLog> {
        let mut paths = segment_files(folder)?;
        let Some(last) = paths.pop() else { return PartitionLog::create(Some(folder)) };
        let mut producers = Producers::default();
        let mut closed: Vec<Arc<Segment>> = Vec::new();
        for (base_offset, path) in paths {
            if closed.last().is_some_and(|previous| previous.next_offset > base_offset) {
                // Compaction merged this file into the one before it and was stopped before deleting it.
                fs::remove_file(&path)?;
                continue;
            }
            let segment = recover(path, base_offset, false, &mut producers)?;
            closed.push(Arc::new(segment));
        }
        let (base_offset, path) = last;
        let active = recover(path, base_offset, true, &mut producers)?;
        let first = closed.first().map_or(active.base_offset, |segment| segment.base_offset);
        let log_start = read_log_start(folder)?.unwrap_or(first).clamp(first, active.next_offset);
        Ok(PartitionLog::over(Some(folder), closed, active, log_start, producers))
    }
}

/// Segment files in order of their offsets. Leftovers of compaction are deleted.
fn segment_files(folder: &Path) -> io::Result<Vec<(i64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match segment::base_offset_of_file(&path) {
            Some(base_offset) => files.push((base_offset, path)),
            None if path.extension().is_some_and(|extension| extension == "cleaned") => fs::remove_file(&path)?,
            None => {}
        }
    }
    files.sort();
    Ok(files)
}

fn recover(path: PathBuf, base_offset: i64, checksums: bool, producers: &mut Producers) -> io::Result<Segment> {
    let (shown, now_ms) = (path.display().to_string(), clock::now_ms());
    let (segment, torn_bytes) = Segment::recover(path, base_offset, checksums, &mut |header, control| {
        let marker = control.and_then(|batch| Marker::read(header, &batch));
        producers.note(header, marker, now_ms);
    })?;
    if torn_bytes > 0 {
        tracing::warn!(file = shown, torn_bytes, "cut off the unfinished end of a log file");
    }
    Ok(segment)
}

fn read_log_start(folder: &Path) -> io::Result<Option<i64>> {
    match fs::read_to_string(folder.join(LOG_START_FILE)) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a log start that lies inside a segment outlive a restart.
pub(super) fn write_log_start(folder: &Path, log_start: i64) -> io::Result<()> {
    crate::files::write_atomically(&folder.join(LOG_START_FILE), log_start.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch;
    use crate::log::partition_log::Isolation;
    use crate::log::record::{BatchBuilder, NewRecord};
    use crate::topic_config::TopicConfig;
    use std::io::Write as _;

    fn append(log: &mut PartitionLog, sequence: i32) -> bool {
        let mut builder = BatchBuilder::new(5).producer(7, 0, 0).sequence(sequence);
        builder.push(NewRecord { key: Some(b"k"), value: Some(&[b'v'; 100]) });
        let bytes = builder.build();
        let config = TopicConfig { segment_bytes: 400, ..TopicConfig::default() };
        log.append(&bytes, &batch::validate(&bytes).unwrap(), &config, 10).unwrap().duplicate
    }

    #[test]
    fn reopening_keeps_records_and_producers() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::create(Some(folder.path())).unwrap();
        for sequence in 0..6 {
            append(&mut log, sequence);
        }
        drop(log); // as kill -9 would: nothing is flushed or closed by us
        let mut log = PartitionLog::open(folder.path()).unwrap();
        assert_eq!((log.end_offset(), log.log_start()), (6, 0));
        assert!(append(&mut log, 5), "the last batch is still known");
        assert!(!append(&mut log, 6));
        assert!(!log.fetch(0, 1_000, true, Isolation::ReadUncommitted).unwrap().read().unwrap().is_empty());
    }

    #[test]
    fn a_torn_tail_and_leftovers_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::create(Some(folder.path())).unwrap();
        for sequence in 0..5 {
            append(&mut log, sequence);
        }
        let active = log.active.path().unwrap().to_owned();
        drop(log);
        fs::File::options().append(true).open(&active).unwrap().write_all(&[0, 0, 0, 0, 0, 0, 0, 5, 0, 0]).unwrap();
        fs::write(folder.path().join("00000000000000000000.cleaned"), b"half").unwrap();
        let log = PartitionLog::open(folder.path()).unwrap();
        assert_eq!(log.end_offset(), 5);
        assert!(!folder.path().join("00000000000000000000.cleaned").exists());
    }

    #[test]
    fn a_deleted_start_outlives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = PartitionLog::create(Some(folder.path())).unwrap();
        for sequence in 0..5 {
            append(&mut log, sequence);
        }
        log.delete_before(3).unwrap();
        drop(log);
        let log = PartitionLog::open(folder.path()).unwrap();
        assert_eq!((log.log_start(), log.end_offset()), (3, 5));
    }
}
