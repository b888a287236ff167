use bytes::BytesMut;
use couplet_api::data::{Datum, SinkRecord, TopicPartition};
use couplet_api::{Error, Result};
use couplet_storage::format::{Format, Part};

use crate::client::{Completed, Store};
use crate::config::Settings;
use crate::object::ObjectWriter;

/// The bytes of one record, by part; reused from record to record.
#[derive(Default)]
pub(crate) struct Encoded {
    values: BytesMut,
    keys: BytesMut,
    headers: BytesMut,
}

impl Encoded {
    /// Encodes `record` with `value` for its value; `tombstone`: it has none to write.
    ///
    /// All parts are encoded before any is written, so that the lines of values, keys and headers always match.
    ///
    /// # Errors
    /// `Kind::Data` when a part is missing or a format cannot hold it.
    pub(crate) fn encode(
        &mut self,
        settings: &Settings,
        record: &SinkRecord,
        value: &Datum,
        tombstone: bool,
    ) -> Result<()> {
        self.values.clear();
        self.keys.clear();
        self.headers.clear();
        let missing = |what: &str| {
            Error::data(format!(
                "{what} cannot be null for SinkRecord: SinkRecord{{kafkaOffset={}, topic='{}', kafkaPartition={}}} ",
                record.original_offset, record.record.topic, record.original.partition
            ))
        };
        if settings.keys.is_some() && record.record.key.is_null() {
            return Err(missing("Key"));
        }
        if settings.headers.is_some() && record.record.headers.is_empty() {
            return Err(missing("Headers"));
        }
        if !tombstone {
            settings.values.write(value, &mut self.values)?;
        }
        if let Some(keys) = &settings.keys {
            keys.write(&record.record.key, &mut self.keys)?;
        }
        match &settings.headers {
            Some(headers) => headers.write_headers(&record.record.headers, &mut self.headers),
            None => Ok(()),
        }
    }
}

/// The open file of a directory: an object of values, and of keys and headers where they are stored.
pub(crate) struct OpenFile {
    first_offset: i64,
    last_offset: i64,
    records: u64,
    values: Option<ObjectWriter>,
    keys: Option<ObjectWriter>,
    headers: Option<ObjectWriter>,
}

impl OpenFile {
    /// An empty file in `directory` that will start with the record at `offset` of `partition`.
    pub(crate) fn new(
        settings: &Settings,
        directory: &str,
        partition: &TopicPartition,
        offset: i64,
        tombstone: bool,
    ) -> Self {
        let stem = settings.naming.stem(directory, partition, offset);
        let object = |format: &Format, part: Part| {
            let key = format!("{stem}{}{}", part.suffix(), settings.extension(format));
            ObjectWriter::new(key, settings.part_bytes, settings.gzip_level)
        };
        OpenFile {
            first_offset: offset,
            last_offset: offset,
            records: 0,
            values: (!tombstone).then(|| object(&settings.values, Part::Values)),
            keys: settings.keys.as_ref().map(|format| object(format, Part::Keys)),
            headers: settings.headers.as_ref().map(|format| object(format, Part::Headers)),
        }
    }

    /// Offset of its first record.
    pub(crate) const fn first_offset(&self) -> i64 {
        self.first_offset
    }

    /// Appends the record at `offset`.
    ///
    /// # Errors
    /// When S3 fails; the file must then be aborted.
    pub(crate) async fn append(&mut self, store: &Store, offset: i64, encoded: &Encoded) -> Result<()> {
        let parts = [
            (&mut self.values, &encoded.values),
            (&mut self.keys, &encoded.keys),
            (&mut self.headers, &encoded.headers),
        ];
        for (object, bytes) in parts {
            if let Some(object) = object {
                object.write(store, bytes).await?;
            }
        }
        self.last_offset = offset;
        self.records += 1;
        Ok(())
    }

    /// Makes its objects visible, values first, and tags the object of values.
    ///
    /// # Errors
    /// When S3 fails; the file must then be aborted.
    pub(crate) async fn finish(&mut self, store: &Store, settings: &Settings) -> Result<Completed> {
        let only_new = settings.conditional.is_some();
        for object in [&mut self.values, &mut self.keys, &mut self.headers].into_iter().flatten() {
            if object.finish(store, only_new).await? == Completed::Exists {
                return Ok(Completed::Exists);
            }
        }
        self.tag(store, settings).await?;
        Ok(Completed::Stored)
    }

    async fn tag(&self, store: &Store, settings: &Settings) -> Result<()> {
        let (Some(tagging), Some(object)) = (&settings.tagging, &self.values) else { return Ok(()) };
        let own = [
            ("startOffset", self.first_offset.to_string()),
            ("endOffset", self.last_offset.to_string()),
            ("recordCount", self.records.to_string()),
        ];
        let mut tags: Vec<(String, String)> = own.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        tags.retain(|(name, _)| !tagging.pairs.iter().any(|(own, _)| own == name));
        tags.extend(tagging.pairs.iter().cloned());
        let Err(error) = store.tag(object.key(), &tags).await else { return Ok(()) };
        if tagging.fails_task {
            return Err(Error::fatal(format!("Unable to tag S3 object {}", object.key())).caused_by(error));
        }
        tracing::warn!(key = object.key(), %error, "the object is stored but could not be tagged");
        Ok(())
    }

    /// Gives up what was sent.
    pub(crate) async fn abort(&mut self, store: &Store) {
        for object in [&mut self.values, &mut self.keys, &mut self.headers].into_iter().flatten() {
            object.abort(store).await;
        }
    }
}
