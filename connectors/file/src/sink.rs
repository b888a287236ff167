//! The sink task: appends one line per record.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_api::data::SinkRecord;
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::{Error, Result};

use crate::config::SinkConfig;
use crate::text::append_text;

/// `org.apache.kafka.connect.file.FileStreamSinkTask`.
#[derive(Default)]
pub struct FileStreamSinkTask {
    output: Option<Output>,
}

/// Where lines go.
#[derive(Clone)]
enum Output {
    File(Arc<File>),
    Stdout,
}

impl Output {
    fn write(&self, lines: &[u8]) -> std::io::Result<()> {
        match self {
            Output::File(file) => (&**file).write_all(lines),
            Output::Stdout => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
        }
    }
}

#[async_trait]
impl SinkTask for FileStreamSinkTask {
    async fn start(&mut self, props: &Props, _context: SinkTaskContext) -> Result<()> {
        let config = SinkConfig::parse(props)?;
        self.output = Some(match config.file.filter(|file| !file.is_empty()) {
            None => Output::Stdout,
            Some(path) => {
                let mut options = tokio::fs::OpenOptions::new();
                let file = options.create(true).append(true).open(&path).await.map_err(|error| {
                    Error::fatal(format!("Couldn't find or create file '{path}' for FileStreamSinkTask: {error}"))
                })?;
                Output::File(Arc::new(file.into_std().await))
            }
        });
        Ok(())
    }

    async fn put(&mut self, batch: &[SinkRecord]) -> Result<()> {
        let Some(output) = self.output.clone() else { return Err(Error::bug("put before start")) };
        if batch.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::with_capacity(batch.iter().map(|r| r.record.value.value.size()).sum());
        for record in batch {
            append_text(&mut lines, &record.record.value.value);
            lines.push(b'\n');
        }
        let written = tokio::task::spawn_blocking(move || output.write(&lines)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Error::remote(format!("write of {} lines failed: {error}", batch.len()))),
            Err(_) => Err(Error::bug("file access panicked")),
        }
    }

    /// Lines are with the operating system once `put` returns, as with the original's flush.
    async fn pre_commit(&mut self, seen: &Offsets) -> Result<Offsets> {
        Ok(seen.clone())
    }

    async fn stop(&mut self) -> Result<()> {
        self.output = None;
        Ok(())
    }
}
