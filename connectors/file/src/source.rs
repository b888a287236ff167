//! The source task: reads a file to its end, then follows it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couplet_api::clock::Clock;
use couplet_api::config::Props;
use couplet_api::connector::OffsetChanges;
use couplet_api::data::{Datum, OffsetMap, Position, Record, Schema, SourceRecord, Utf8, Value};
use couplet_api::source::{OffsetReader, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Error, Result};
use tokio::io::AsyncReadExt;

use crate::config::{SourceConfig, file_of};
use crate::lines::{Line, Lines};
use crate::watch::Watch;

const FILENAME: &str = "filename";
const POSITION: &str = "position";
/// Most bytes of one read.
const READ_BYTES_MAX: usize = 256 * 1024;

/// Where the task stands in its file: UTF-16 code units before the next line; `None` on standard input.
#[derive(Debug, Clone, Copy)]
struct FilePosition(Option<i64>);

impl Position for FilePosition {
    fn to_map(&self) -> OffsetMap {
        OffsetMap::new([(POSITION, Value::from(self.0))])
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `org.apache.kafka.connect.file.FileStreamSourceTask`.
#[derive(Default)]
pub struct FileStreamSourceTask {
    running: Option<Running>,
}

/// A started task.
struct Running {
    topic: Arc<str>,
    batch_size: usize,
    partition: OffsetMap,
    position: FilePosition,
    lines: Lines,
    input: Input,
    clock: Arc<dyn Clock>,
}

/// Where bytes come from.
enum Input {
    /// A file that was not there yet when last looked for.
    Awaited { path: PathBuf, watch: Option<Watch>, offsets: Arc<dyn OffsetReader> },
    /// An open file; `read_from` is the byte behind those in `lines`.
    File { file: Arc<File>, read_from: u64, watch: Watch },
    /// Standard input.
    Stdin(tokio::io::Stdin),
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()> {
        let config = SourceConfig::parse(props)?;
        let path = config.file.filter(|file| !file.is_empty());
        let input = match &path {
            Some(path) => Input::Awaited { path: path.into(), watch: None, offsets: context.offsets },
            None => Input::Stdin(tokio::io::stdin()),
        };
        self.running = Some(Running {
            topic: config.topic.into(),
            batch_size: usize::try_from(config.batch_size).unwrap_or(0).max(1),
            partition: OffsetMap::new([(FILENAME, Value::from(path))]),
            position: FilePosition(None),
            lines: Lines::default(),
            input,
            clock: context.clock,
        });
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        let Some(running) = &mut self.running else { return Err(Error::bug("poll before start")) };
        loop {
            let now = running.clock.now_ms();
            while batch.len() < running.batch_size && !batch.is_full() {
                let Some(line) = running.lines.next_line() else { break };
                running.push(line, now, batch);
            }
            if batch.len() >= running.batch_size || batch.is_full() {
                return Ok(());
            }
            if !running.read().await? {
                if !batch.is_empty() {
                    return Ok(());
                }
                running.wait().await;
            }
        }
    }

    async fn stop(&mut self) -> Result<()> {
        self.running = None;
        Ok(())
    }
}

impl Running {
    fn push(&mut self, line: Line, now_ms: i64, batch: &mut SourceBatch) {
        let position = FilePosition(self.position.0.map(|p| p + line.units));
        let size = line.bytes.len() + std::mem::size_of::<SourceRecord>();
        let mut record = Record::new(self.topic.clone(), Datum::NULL, Datum::new(Schema::string(), text(line.bytes)));
        record.timestamp = Some(now_ms);
        let source_partition = self.partition.clone();
        batch.push_sized(SourceRecord { record, source_partition, source_offset: Arc::new(position) }, size);
        self.position = position;
    }

    /// Reads what is there into `lines`. `false`: nothing new. Cancel-safe: state changes only behind the last await.
    async fn read(&mut self) -> Result<bool> {
        match &mut self.input {
            Input::Awaited { path, watch, offsets } => {
                let Some((file, new_watch)) = open(path, watch).await? else { return Ok(false) };
                let stored = offsets.offsets(std::slice::from_ref(&self.partition)).await?;
                let position = stored_position(stored.into_iter().flatten().next())?;
                // The original counts characters and skips bytes; its offsets mean what they mean.
                let read_from = u64::try_from(position).unwrap_or(0);
                self.position = FilePosition(Some(position));
                self.input = Input::File { file, read_from, watch: new_watch };
                Ok(true)
            }
            Input::File { file, read_from, .. } => {
                let (file, from, unfinished) = (file.clone(), *read_from, self.lines.unfinished().clone());
                let before = unfinished.len();
                let pending = blocking(move || read_behind(&file, from, &unfinished)).await?;
                let pending = pending.map_err(|e| Error::remote(format!("read of the file failed: {e}")))?;
                let read = pending.len() - before;
                *read_from += read as u64;
                self.lines.replace(pending);
                Ok(read > 0)
            }
            Input::Stdin(stdin) => {
                let mut pending = bytes::BytesMut::from(&self.lines.unfinished()[..]);
                let before = pending.len();
                let read = stdin.read_buf(&mut pending).await;
                read.map_err(|e| Error::remote(format!("read of standard input failed: {e}")))?;
                let read = pending.len() - before;
                self.lines.replace(pending.freeze());
                Ok(read > 0)
            }
        }
    }

    /// Waits until there may be something to read.
    async fn wait(&mut self) {
        match &mut self.input {
            Input::Awaited { watch: Some(watch), .. } | Input::File { watch, .. } => watch.changed().await,
            Input::Awaited { watch: None, .. } => {}
            // Behind its end there is nothing: the task rests until it is stopped.
            Input::Stdin(_) => std::future::pending().await,
        }
    }
}

/// Opens the file at `path`; `None`, and a watch on its folder in `watch`, when there is none.
async fn open(path: &Path, watch: &mut Option<Watch>) -> Result<Option<(Arc<File>, Watch)>> {
    if watch.is_none() {
        *watch = Some(Watch::on_folder_of(path));
        if !path.exists() {
            tracing::warn!(file = %path.display(), "file is not there, waiting for it to be created");
        }
    }
    let own = path.to_owned();
    match blocking(move || File::open(own)).await? {
        // The watch is older than the first read, so no byte appended behind that read is missed.
        Ok(file) => Ok(Some((Arc::new(file), Watch::on_file(path)))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::fatal(format!("Couldn't open file '{}': {error}", path.display()))),
    }
}

/// Runs file access off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::bug("file access panicked"))
}

/// `unfinished` and the bytes of `file` from `from` on: at most [`READ_BYTES_MAX`] of them.
fn read_behind(file: &File, from: u64, unfinished: &Bytes) -> std::io::Result<Bytes> {
    let there = file.metadata()?.len().saturating_sub(from);
    let wanted = usize::try_from(there).unwrap_or(READ_BYTES_MAX).min(READ_BYTES_MAX);
    if wanted == 0 {
        return Ok(unfinished.clone());
    }
    let kept = unfinished.len();
    let mut bytes = Vec::with_capacity(kept + wanted);
    bytes.extend_from_slice(unfinished);
    bytes.resize(kept + wanted, 0);
    let read = loop {
        match file.read_at(&mut bytes[kept..], from) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    bytes.truncate(kept + read);
    Ok(Bytes::from(bytes))
}

/// Text of a line; what is not UTF-8 becomes replacement characters, as Java decodes it.
fn text(bytes: Bytes) -> Utf8 {
    match std::str::from_utf8(&bytes) {
        Ok(_) => Utf8::new(bytes).unwrap_or_default(),
        Err(_) => Utf8::from(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// The position in a stored offset; 0 when there is none.
fn stored_position(offset: Option<OffsetMap>) -> Result<i64> {
    match offset.as_ref().and_then(|offset| offset.get(POSITION)) {
        None | Some(Value::Null) => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| Error::fatal("Offset position is the incorrect type")),
    }
}

/// Checks offsets a user wants to store, as `FileStreamSourceConnector.alterOffsets` does.
pub fn check_offsets(props: &Props, changes: &OffsetChanges) -> Result<()> {
    if file_of(props).is_none() {
        return Err(Error::fatal(
            "Offsets cannot be modified if the 'file' configuration is unspecified. \
             This is because stdin is used for input and offsets are not tracked.",
        ));
    }
    for (partition, offset) in changes {
        if partition.get(FILENAME).is_none() {
            return Err(Error::fatal("Partition objects should contain the key 'filename'"));
        }
        let Some(offset) = offset else { continue };
        let problem = match offset.get(POSITION) {
            None => "Offset objects should either be null or contain the key 'position'",
            Some(value) => match value.as_i64() {
                None => "The value for the 'position' key in the offset is expected to be a Long value",
                Some(..0) => "The value for the 'position' key in the offset should be a non-negative value",
                Some(_) => continue,
            },
        };
        return Err(Error::fatal(problem));
    }
    Ok(())
}
