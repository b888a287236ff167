//! An internal topic of one compacted partition that the coordinator alone writes to.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use crate::clock;
use crate::log::batch::BatchHeader;
use crate::log::producers::Marker;
use crate::log::record::{self, BatchBuilder, NewRecord};
use crate::log::{Isolation, Partition};
use crate::topic_config::TopicConfig;
use crate::topics::{Topic, Topics};

/// Read at once while loading.
const READ_BYTES: usize = 1 << 20;

/// Key, and value unless it is a tombstone.
pub(crate) type KeyValue = (Bytes, Option<Bytes>);

/// Something that stands in the topic.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A record; in a transaction when `producer_id` is there.
    Record { producer_id: Option<i64>, key: Bytes, value: Option<Bytes> },
    /// The end of a producer's transaction.
    End { producer_id: i64, marker: Marker },
}

/// The topic, made when it is first written to.
#[derive(Debug)]
pub(crate) struct OwnedTopic {
    topics: Arc<Topics>,
    name: &'static str,
}

impl OwnedTopic {
    pub(crate) fn new(topics: Arc<Topics>, name: &'static str) -> OwnedTopic {
        OwnedTopic { topics, name }
    }

    /// Shows every entry from the start to `on_entry`.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn load(&self, mut on_entry: impl FnMut(Entry)) -> io::Result<()> {
        let Some(partition) = self.topics.get(self.name).and_then(|topic| topic.partition(0)) else { return Ok(()) };
        let mut from = partition.log().log_start();
        loop {
            let fetched = partition.fetch(from, READ_BYTES, true, Isolation::ReadUncommitted);
            let mut rest = fetched.map_err(|error| io::Error::other(error.to_string()))?.read()?;
            if rest.is_empty() {
                return Ok(());
            }
            while let Ok(header) = BatchHeader::parse(&rest) {
                let batch = rest.split_to(header.batch_bytes);
                show(&header, &batch, &mut on_entry)?;
                from = header.next_offset();
            }
        }
    }

    /// Appends records that hold at once.
    ///
    /// # Errors
    /// Of [`Partition::append`] and [`Topics::create`].
    pub(crate) fn append(&self, records: &[KeyValue]) -> Result<(), ResponseError> {
        self.write(BatchBuilder::new(clock::now_ms()), records)
    }

    /// Appends records of a transaction, which hold after [`OwnedTopic::end_transaction`].
    ///
    /// # Errors
    /// As [`OwnedTopic::append`].
    pub(crate) fn append_transactional(
        &self,
        producer_id: i64,
        epoch: i16,
        records: &[KeyValue],
    ) -> Result<(), ResponseError> {
        let attributes = crate::log::batch::TRANSACTIONAL;
        self.write(BatchBuilder::new(clock::now_ms()).producer(producer_id, epoch, attributes), records)
    }

    fn write(&self, mut batch: BatchBuilder, records: &[KeyValue]) -> Result<(), ResponseError> {
        for (key, value) in records {
            batch.push(NewRecord { key: Some(key), value: value.as_deref() });
        }
        if batch.is_empty() {
            return Ok(());
        }
        let (topic, partition) = self.partition()?;
        partition.append_own(&batch.build(), &topic.config(), clock::now_ms())?;
        Ok(())
    }

    /// Writes the end of a producer's transaction.
    ///
    /// # Errors
    /// As [`OwnedTopic::append`].
    pub(crate) fn end_transaction(&self, marker: Marker, producer_id: i64, epoch: i16) -> Result<(), ResponseError> {
        let (topic, partition) = self.partition()?;
        partition.append_marker(marker, producer_id, epoch, &topic.config(), clock::now_ms())
    }

    fn partition(&self) -> Result<(Arc<Topic>, Arc<Partition>), ResponseError> {
        let topic = match self.topics.get(self.name) {
            Some(topic) => topic,
            None => self.create()?,
        };
        let partition = topic.partition(0).ok_or(ResponseError::CoordinatorNotAvailable)?;
        Ok((topic, partition))
    }

    fn create(&self) -> Result<Arc<Topic>, ResponseError> {
        let overrides = BTreeMap::from([
            ("cleanup.policy".to_owned(), "compact".to_owned()),
            ("compression.type".to_owned(), "producer".to_owned()),
            ("segment.bytes".to_owned(), "104857600".to_owned()),
        ]);
        let config = TopicConfig::new(overrides).map_err(|_| ResponseError::CoordinatorNotAvailable)?;
        let name = StrBytes::from_static_str(self.name);
        self.topics.create(&name, 1, config, false).map_err(|_| ResponseError::CoordinatorNotAvailable)
    }
}

fn show(header: &BatchHeader, batch: &Bytes, on_entry: &mut impl FnMut(Entry)) -> io::Result<()> {
    let producer_id = header.is_transactional().then_some(header.producer_id);
    if header.is_control() {
        if let (Some(producer_id), Some(marker)) = (producer_id, Marker::read(header, batch)) {
            on_entry(Entry::End { producer_id, marker });
        }
        return Ok(());
    }
    let records =
        record::records(header, batch).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.0))?;
    for record in records {
        if let Some(key) = record.key {
            on_entry(Entry::Record { producer_id, key, value: record.value });
        }
    }
    Ok(())
}
