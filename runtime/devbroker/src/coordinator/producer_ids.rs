//! Producer ids: never given out twice, not even after kill -9.

use std::fs;
use std::io;
use std::path::PathBuf;

use kafka_protocol::ResponseError;

/// Ids reserved on disk at once.
const BLOCK: i64 = 1_000;

/// The source of producer ids.
#[derive(Debug)]
pub(crate) struct ProducerIds {
    next: i64,
    /// Ids below this are reserved on disk.
    reserved_to: i64,
    /// Holds the first id that is not reserved; `None` in memory.
    file: Option<PathBuf>,
}

impl ProducerIds {
    /// Goes on behind every id that may have been given out before.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub(crate) fn open(file: Option<PathBuf>) -> io::Result<ProducerIds> {
        let next = match &file {
            None => 0,
            Some(path) => match fs::read_to_string(path) {
                Ok(text) => text.trim().parse().map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                Err(error) => return Err(error),
            },
        };
        Ok(ProducerIds { next, reserved_to: next, file })
    }

    /// A new id.
    ///
    /// # Errors
    /// `KafkaStorageError` when a new block cannot be reserved.
    pub(crate) fn next(&mut self) -> Result<i64, ResponseError> {
        if self.next >= self.reserved_to {
            let reserved_to = self.next + BLOCK;
            if let Some(file) = &self.file {
                crate::files::write_atomically(file, reserved_to.to_string().as_bytes())
                    .map_err(|_| ResponseError::KafkaStorageError)?;
            }
            self.reserved_to = reserved_to;
        }
        self.next += 1;
        Ok(self.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_not_repeated_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = Some(folder.path().join("producer-ids"));
        let mut last = -1;
        for _ in 0..3 {
            let mut ids = ProducerIds::open(file.clone()).unwrap();
            for _ in 0..BLOCK + 5 {
                let id = ids.next().unwrap();
                assert!(id > last);
                last = id;
            }
        }
    }
}
