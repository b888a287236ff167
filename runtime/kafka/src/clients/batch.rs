//! Messages of librdkafka as batches of records: one buffer per batch, each key and value a slice of it.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::data::{TimestampType, TopicPartition};
use rdkafka::bindings as native;

use super::Failure;
use super::native::Client;

/// A record as it was read.
#[derive(Debug, Clone)]
pub struct ConsumedRecord {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Key.
    pub key: Option<Bytes>,
    /// Value.
    pub value: Option<Bytes>,
    /// Headers in order; names may repeat.
    pub headers: Vec<(Arc<str>, Option<Bytes>)>,
}

impl ConsumedRecord {
    /// Where it was read.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition::new(self.topic.clone(), self.partition)
    }
}

/// Records read together, in order per partition.
#[derive(Debug, Default)]
pub struct RecordBatch {
    /// The records.
    pub records: Vec<ConsumedRecord>,
    /// Bytes of keys and values.
    pub bytes: usize,
}

/// An event that came between records.
pub(super) enum Notice {
    /// The end of a partition was reached; `offset` is the next one to come.
    End { topic: Arc<str>, partition: i32, offset: i64 },
    /// Something is wrong, with one partition or with the whole client.
    Failed(Failure),
}

/// An owned `rd_kafka_queue_t` that records are read from.
pub(super) struct Queue {
    ptr: *mut native::rd_kafka_queue_t,
    client: Arc<Client>,
}

// SAFETY: librdkafka's queues may be used from any thread at the same time.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// The queue of the consumer's assigned partitions and callbacks; `None` for a client without a group.
    pub(super) fn of_consumer(client: &Arc<Client>) -> Option<Queue> {
        // SAFETY: the client is alive.
        let ptr = unsafe { native::rd_kafka_queue_get_consumer(client.as_ptr()) };
        (!ptr.is_null()).then(|| Queue { ptr, client: client.clone() })
    }

    /// A new, empty queue.
    pub(super) fn new(client: &Arc<Client>) -> Queue {
        // SAFETY: the client is alive.
        Queue { ptr: unsafe { native::rd_kafka_queue_new(client.as_ptr()) }, client: client.clone() }
    }

    pub(super) fn as_ptr(&self) -> *mut native::rd_kafka_queue_t {
        self.ptr
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Ends the wait of the thread that reads this queue.
    pub(super) fn wake(&self) {
        // SAFETY: the queue is alive.
        unsafe { native::rd_kafka_queue_yield(self.ptr) }
    }

    /// Takes up to `into.len()` messages; waits up to `timeout_ms` for as many as that. Returns their number.
    fn take(&self, timeout_ms: i32, into: &mut [*mut native::rd_kafka_message_t]) -> usize {
        // SAFETY: the queue is alive and `into` has room for its own length.
        let taken =
            unsafe { native::rd_kafka_consume_batch_queue(self.ptr, timeout_ms, into.as_mut_ptr(), into.len()) };
        usize::try_from(taken).unwrap_or(0)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { native::rd_kafka_queue_destroy(self.ptr) }
    }
}

/// Reads a queue batch by batch; keeps what is reused between batches.
pub(super) struct BatchReader {
    messages: Vec<*mut native::rd_kafka_message_t>,
    topics: HashMap<usize, Arc<str>>,
    header_names: HashMap<Box<[u8]>, Arc<str>>,
}

/// Names of headers that are kept; a source of ever new names starts over.
const HEADER_NAMES_MAX: usize = 1024;

impl BatchReader {
    /// Reads at most `records_max` at a time.
    pub(super) fn new(records_max: usize) -> Self {
        BatchReader {
            messages: vec![ptr::null_mut(); records_max.max(1)],
            topics: HashMap::new(),
            header_names: HashMap::new(),
        }
    }

    /// Waits up to `timeout_ms` for one record and takes what else is there. Callbacks run meanwhile, on this thread.
    ///
    /// librdkafka's batch call waits until the batch is full, hence two calls: one that waits for one record, one that
    /// does not wait.
    pub(super) fn read(&mut self, queue: &Queue, timeout_ms: i32, notices: &mut Vec<Notice>) -> RecordBatch {
        let mut count = queue.take(timeout_ms, &mut self.messages[..1]);
        if count == 1 && self.messages.len() > 1 {
            count += queue.take(0, &mut self.messages[1..]);
        }
        let mut taken = std::mem::take(&mut self.messages);
        // SAFETY: the first `count` pointers are messages that librdkafka gave us to keep until destroyed.
        let messages: Vec<&native::rd_kafka_message_t> = taken[..count].iter().map(|m| unsafe { &**m }).collect();
        let batch = self.convert(&messages, notices);
        drop(messages);
        for message in &mut taken[..count] {
            // SAFETY: owned, and nothing points into it any more.
            unsafe { native::rd_kafka_message_destroy(*message) };
            *message = ptr::null_mut();
        }
        self.messages = taken;
        batch
    }

    fn convert(&mut self, messages: &[&native::rd_kafka_message_t], notices: &mut Vec<Notice>) -> RecordBatch {
        let bytes = messages.iter().map(|m| if is_record(m) { m.len + m.key_len } else { 0 }).sum();
        let mut buffer = BytesMut::with_capacity(bytes);
        let mut records = Vec::with_capacity(messages.len());
        for message in messages {
            if is_record(message) {
                records.push(self.record(message, &mut buffer));
            } else {
                notices.push(self.notice(message));
            }
        }
        RecordBatch { records, bytes }
    }

    fn record(&mut self, message: &native::rd_kafka_message_t, buffer: &mut BytesMut) -> ConsumedRecord {
        let (timestamp, timestamp_type) = timestamp_of(message);
        // SAFETY: a record's payload and key point to len and key_len bytes, or are null.
        let (key, value) =
            unsafe { (copy(buffer, message.key, message.key_len), copy(buffer, message.payload, message.len)) };
        ConsumedRecord {
            topic: self.topic_of(message),
            partition: message.partition,
            offset: message.offset,
            timestamp,
            timestamp_type,
            key,
            value,
            headers: self.headers_of(message),
        }
    }

    fn notice(&mut self, message: &native::rd_kafka_message_t) -> Notice {
        use native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF as END;
        if message.err == END {
            return Notice::End { topic: self.topic_of(message), partition: message.partition, offset: message.offset };
        }
        // SAFETY: the message is valid; its error text is NUL-terminated or null.
        let text = unsafe { native::rd_kafka_message_errstr(message) };
        Notice::Failed(match text.is_null() {
            true => Failure::of(message.err),
            // SAFETY: not null, see above.
            false => Failure::with_message(message.err, unsafe { CStr::from_ptr(text) }.to_string_lossy()),
        })
    }

    fn topic_of(&mut self, message: &native::rd_kafka_message_t) -> Arc<str> {
        // One topic object lives as long as its client, so that its address stands for the name.
        let name = || -> Arc<str> {
            if message.rkt.is_null() {
                return "".into();
            }
            // SAFETY: a message keeps its topic alive; names are NUL-terminated.
            unsafe { CStr::from_ptr(native::rd_kafka_topic_name(message.rkt)) }.to_string_lossy().into()
        };
        let known = self.topics.entry(message.rkt as usize).or_insert_with(name);
        known.clone()
    }

    fn headers_of(&mut self, message: &native::rd_kafka_message_t) -> Vec<(Arc<str>, Option<Bytes>)> {
        let mut list = ptr::null_mut();
        // SAFETY: the message is valid; the headers stay its own.
        let code = unsafe { native::rd_kafka_message_headers(message, &mut list) };
        if Failure::check(code).is_err() {
            return Vec::new();
        }
        let mut headers = Vec::new();
        let (mut name, mut value, mut size): (*const c_char, *const c_void, usize) = (ptr::null(), ptr::null(), 0);
        // SAFETY: librdkafka fills in pointers into the message, which is alive, or ends the loop.
        unsafe {
            while Failure::check(native::rd_kafka_header_get_all(list, headers.len(), &mut name, &mut value, &mut size))
                .is_ok()
            {
                let value =
                    (!value.is_null()).then(|| Bytes::copy_from_slice(std::slice::from_raw_parts(value.cast(), size)));
                headers.push((self.header_name(CStr::from_ptr(name)), value));
            }
        }
        headers
    }

    fn header_name(&mut self, name: &CStr) -> Arc<str> {
        if let Some(known) = self.header_names.get(name.to_bytes()) {
            return known.clone();
        }
        if self.header_names.len() >= HEADER_NAMES_MAX {
            self.header_names.clear();
        }
        let text: Arc<str> = name.to_string_lossy().into();
        self.header_names.insert(name.to_bytes().into(), text.clone());
        text
    }
}

fn is_record(message: &native::rd_kafka_message_t) -> bool {
    message.err == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}

fn timestamp_of(message: &native::rd_kafka_message_t) -> (Option<i64>, TimestampType) {
    use native::rd_kafka_timestamp_type_t as T;
    let mut kind = T::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is valid.
    let timestamp = unsafe { native::rd_kafka_message_timestamp(message, &mut kind) };
    match kind {
        T::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => (None, TimestampType::None),
        T::RD_KAFKA_TIMESTAMP_CREATE_TIME => (Some(timestamp), TimestampType::CreateTime),
        T::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => (Some(timestamp), TimestampType::LogAppendTime),
    }
}

/// Appends `len` bytes at `ptr` to `buffer`, which has room for them, and splits them off; null stays null.
///
/// # Safety
/// `ptr` is null or points to `len` bytes.
unsafe fn copy(buffer: &mut BytesMut, ptr: *const c_void, len: usize) -> Option<Bytes> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    buffer.extend_from_slice(unsafe { std::slice::from_raw_parts(ptr.cast(), len) });
    Some(buffer.split().freeze())
}
