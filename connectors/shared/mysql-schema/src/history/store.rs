//! Where a schema history is kept.

use std::path::PathBuf;

use async_trait::async_trait;
use couplet_api::{Error, Result};

use super::HistoryRecord;

/// Takes the texts of records.
pub type OnRecord<'a> = &'a mut (dyn FnMut(&str) -> Result<()> + Send);

/// A place that keeps records in order. Kafka's topic is one; see the connector.
#[async_trait]
pub trait HistoryStore: Send {
    /// Whether it holds any record.
    ///
    /// # Errors
    /// `Kind::Remote` and others when it cannot be asked.
    async fn has_records(&mut self) -> Result<bool>;

    /// Makes the place if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    async fn initialize(&mut self) -> Result<()>;

    /// Gives the text of every record to `on_record`, oldest first, until that fails.
    ///
    /// # Errors
    /// What `on_record` returned, or that reading failed.
    async fn load(&mut self, on_record: OnRecord<'_>) -> Result<()>;

    /// Keeps `record` behind all others. It is durable when this returns.
    ///
    /// # Errors
    /// When it may not be durable.
    async fn append(&mut self, record: &HistoryRecord) -> Result<()>;
}

/// A history that lives as long as the task: Debezium's `MemorySchemaHistory`.
#[derive(Debug, Default)]
pub struct MemoryHistory {
    /// Texts of the records, as they would be in a topic.
    pub records: Vec<String>,
}

#[async_trait]
impl HistoryStore for MemoryHistory {
    async fn has_records(&mut self) -> Result<bool> {
        Ok(!self.records.is_empty())
    }

    async fn initialize(&mut self) -> Result<()> {
        Ok(())
    }

    async fn load(&mut self, on_record: OnRecord<'_>) -> Result<()> {
        self.records.iter().try_for_each(|text| on_record(text))
    }

    async fn append(&mut self, record: &HistoryRecord) -> Result<()> {
        self.records.push(record.to_topic_text()?);
        Ok(())
    }
}

/// A file with a record a line: Debezium's `FileSchemaHistory`.
#[derive(Debug)]
pub struct FileHistory {
    path: PathBuf,
}

impl FileHistory {
    /// The file `schema.history.internal.file.filename`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        FileHistory { path: path.into() }
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> Error {
        Error::fatal(format!("cannot {what} the schema history file {}: {error}", self.path.display()))
    }
}

#[async_trait]
impl HistoryStore for FileHistory {
    async fn has_records(&mut self) -> Result<bool> {
        let size = tokio::fs::metadata(&self.path).await.map_or(0, |metadata| metadata.len());
        Ok(size > 0)
    }

    async fn initialize(&mut self) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            tokio::fs::create_dir_all(folder).await.map_err(|error| self.failed("make the folder of", &error))?;
        }
        let opened = tokio::fs::OpenOptions::new().create(true).append(true).open(&self.path).await;
        opened.map(drop).map_err(|error| self.failed("make", &error))
    }

    async fn load(&mut self, on_record: OnRecord<'_>) -> Result<()> {
        let text = match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("read", &error)),
        };
        text.lines().filter(|line| !line.trim().is_empty()).try_for_each(on_record)
    }

    async fn append(&mut self, record: &HistoryRecord) -> Result<()> {
        use tokio::io::AsyncWriteExt;
        // The line break comes first: whatever an interrupted write left behind ends there.
        let line = format!("\n{}", record.to_file_line()?);
        let write = async {
            let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(&self.path).await?;
            file.write_all(line.as_bytes()).await?;
            file.sync_all().await
        };
        write.await.map_err(|error| self.failed("write", &error))
    }
}
