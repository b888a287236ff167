//! The file channel of signals: a file with one JSON object a line, emptied whenever it was read.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::signal::Signal;

/// A longer file is no list of signals.
const BYTES_MAX: u64 = 1 << 20;

/// Reads signals out of the file of `signal.file`.
#[derive(Debug)]
pub struct SignalFile {
    path: PathBuf,
}

impl SignalFile {
    /// Reads from `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SignalFile { path: path.into() }
    }

    /// Takes all signals out of the file. What is none, and a file that cannot be read, is logged.
    pub async fn take(&self) -> Vec<Signal> {
        let path = self.path.display();
        let text = match self.read().await {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                tracing::error!(%path, %error, "the file of signals (signal.file) cannot be read");
                return Vec::new();
            }
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let signal = |line: &str| match Signal::from_json(line) {
            Ok(signal) => Some(signal),
            Err(problem) => {
                tracing::warn!(%path, problem, "a line of the file of signals is skipped");
                None
            }
        };
        lines.filter_map(signal).collect()
    }

    async fn read(&self) -> std::io::Result<String> {
        let about = tokio::fs::metadata(&self.path).await?;
        match about.len() {
            _ if !about.is_file() => return Err(ErrorKind::NotFound.into()),
            0 => return Ok(String::new()),
            1..=BYTES_MAX => {}
            length => return Err(std::io::Error::other(format!("{length} bytes; at most {BYTES_MAX} are read"))),
        }
        let text = tokio::fs::read_to_string(&self.path).await?;
        // Emptied first: a signal that is lost in a crash can be given again, one that comes twice does harm.
        tokio::fs::OpenOptions::new().write(true).truncate(true).open(&self.path).await?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_taken_once() {
        let path = std::env::temp_dir().join(format!("couplet-signals-{}", uuid::Uuid::new_v4()));
        let channel = SignalFile::new(&path);
        assert!(channel.take().await.is_empty(), "no file is no error");
        let lines =
            "{\"id\":\"1\",\"type\":\"log\",\"data\":{\"message\":\"m\"}}\n\nnot json\n{\"id\":\"2\",\"type\":\"x\"}\n";
        std::fs::write(&path, lines).expect("a file");
        let ids: Vec<String> = channel.take().await.into_iter().map(|signal| signal.id).collect();
        assert_eq!(ids, ["1", "2"]);
        assert!(channel.take().await.is_empty());
        std::fs::remove_file(&path).expect("the file is removed");
    }
}
