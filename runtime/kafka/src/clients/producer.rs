//! Producers: records in, delivery reports out, in batches.
//!
//! A producer may be shared by tasks. Each registers a [`Delivery`] and gets the reports of its own records, by the
//! token it sent them with; no allocation and no channel per record.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use couplet_api::{Error, Result};
use rdkafka::bindings as native;
use rdkafka::types::RDKafkaRespErr as Code;
use tokio::sync::Notify;

use super::Failure;
use super::admin::Admin;
use super::native::{Callbacks, Client, ClientKind, LastError};
use super::native_config::NativeConfig;

/// Bits of librdkafka's opaque that hold the token; the rest says whose record it is.
const TOKEN_BITS: u32 = 40;
const TOKEN_MASK: u64 = (1 << TOKEN_BITS) - 1;
/// librdkafka's sign for a partition that its partitioner is to choose.
const PARTITION_BY_KEY: i32 = -1;
/// Nobody waits longer than this for librdkafka when it has nothing to say.
const POLL_MS: i32 = 60_000;

/// What became of one record.
#[derive(Debug)]
pub struct Report {
    /// The token it was sent with.
    pub token: u64,
    /// Why it was not delivered.
    pub failure: Option<Failure>,
}

/// Takes the reports of one task. Called on the producer's own thread; must not block.
pub trait Delivery: Send + Sync {
    /// Takes all of `reports` out, in the order the broker answered: per partition, the order of sending.
    fn delivered(&self, reports: &mut Vec<Report>);
}

/// Reports kept until a task takes them.
#[derive(Default)]
pub struct Reports {
    queue: Mutex<Vec<Report>>,
    arrived: Notify,
}

impl Delivery for Reports {
    fn delivered(&self, reports: &mut Vec<Report>) {
        lock(&self.queue).append(reports);
        self.arrived.notify_one();
    }
}

impl Reports {
    /// Waits until there are reports and swaps them with `into`, which is empty. Cancel-safe.
    pub async fn take(&self, into: &mut Vec<Report>) {
        loop {
            std::mem::swap(&mut *lock(&self.queue), into);
            if !into.is_empty() {
                return;
            }
            self.arrived.notified().await;
        }
    }
}

/// A record to send. Bytes are copied.
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: &'a Topic,
    /// Partition; `None`: by key as Java's default partitioner does.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// Headers.
    pub headers: &'a [(Arc<str>, Option<Bytes>)],
    /// Milliseconds since the epoch; `None`, and 0 likewise: now.
    pub timestamp: Option<i64>,
    /// Comes back with the report; below 2^40.
    pub token: u64,
}

/// How often records were delivered, at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deliveries(u64);

/// Why a record was not taken.
#[derive(Debug)]
pub enum SendError {
    /// The producer's queue is full: give this to [`Producer::room`] and try again.
    QueueFull(Deliveries),
    /// It cannot be sent, and waiting does not help.
    Failed(Failure),
}

/// A topic to send to; keeps its producer alive.
pub struct Topic {
    ptr: NonNull<native::rd_kafka_topic_t>,
    // Dropped after the topic, as librdkafka wants it.
    _client: Arc<Client>,
    name: Arc<str>,
}

// SAFETY: librdkafka's topics may be used from any thread at the same time.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Topic {
    /// A handle for `name`.
    ///
    /// # Errors
    /// `Kind::Data` when no topic can be called that.
    pub(super) fn new(client: &Arc<Client>, name: &str) -> Result<Topic> {
        let refused = || Error::data(format!("Invalid topic name: {name:?}"));
        let name_c = CString::new(name).map_err(|_| refused())?;
        // SAFETY: client and name are valid; no topic settings.
        let ptr = unsafe { native::rd_kafka_topic_new(client.as_ptr(), name_c.as_ptr(), ptr::null_mut()) };
        let ptr = NonNull::new(ptr).ok_or_else(refused)?;
        Ok(Topic { ptr, _client: client.clone(), name: name.into() })
    }

    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn as_ptr(&self) -> *mut native::rd_kafka_topic_t {
        self.ptr.as_ptr()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: owned; the client still lives.
        unsafe { native::rd_kafka_topic_destroy(self.ptr.as_ptr()) }
    }
}

/// A producer and the thread that serves its reports. Closes when dropped; records not yet delivered are given up.
pub struct Producer {
    client: Arc<Client>,
    shared: Arc<Shared>,
    topics: Mutex<HashMap<Arc<str>, Arc<Topic>>>,
    next_slot: AtomicU64,
    bootstrap_servers: String,
}

struct Shared {
    slots: RwLock<HashMap<u64, Arc<dyn Delivery>>>,
    pending: Mutex<Vec<(u64, Option<Failure>)>>,
    room: Notify,
    deliveries: AtomicU64,
    closed: AtomicBool,
    last_error: Arc<LastError>,
}

/// One task's place in a shared producer; reports stop when it is dropped.
pub struct Sender {
    producer: Arc<Producer>,
    slot: u64,
}

impl Producer {
    /// A producer with its own connections.
    ///
    /// # Errors
    /// `Kind::Config` that names the key whose value was refused.
    pub fn new(config: &NativeConfig) -> Result<Arc<Producer>> {
        let shared = Arc::new(Shared {
            slots: RwLock::default(),
            pending: Mutex::default(),
            room: Notify::new(),
            deliveries: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            last_error: Arc::default(),
        });
        let client = Client::new(ClientKind::Producer, config, shared.clone())?;
        let poller = (client.clone(), shared.clone());
        std::thread::Builder::new()
            .name("kafka-producer".into())
            .spawn(move || serve_reports(&poller.0, &poller.1))
            .map_err(|error| Error::fatal(format!("cannot start a thread for a producer: {error}")))?;
        Ok(Arc::new(Producer {
            client,
            shared,
            topics: Mutex::default(),
            next_slot: AtomicU64::new(1),
            bootstrap_servers: config.bootstrap_servers().to_owned(),
        }))
    }

    /// Takes a place: reports of records sent through it go to `delivery`.
    pub fn register(self: &Arc<Self>, delivery: Arc<dyn Delivery>) -> Sender {
        let slot = self.next_slot.fetch_add(1, Ordering::Relaxed);
        self.shared.slots.write().unwrap_or_else(PoisonError::into_inner).insert(slot, delivery);
        Sender { producer: self.clone(), slot }
    }

    /// The handle of topic `name`, shared by all who send to it.
    ///
    /// # Errors
    /// `Kind::Data` when no topic can be called that.
    pub fn topic(&self, name: &Arc<str>) -> Result<Arc<Topic>> {
        let mut topics = lock(&self.topics);
        if let Some(topic) = topics.get(name) {
            return Ok(topic.clone());
        }
        let topic = Arc::new(Topic::new(&self.client, name)?);
        topics.insert(name.clone(), topic.clone());
        Ok(topic)
    }

    /// Waits until records were delivered after `since`, so that a full queue has room again. Cancel-safe.
    pub async fn room(&self, since: Deliveries) {
        loop {
            let delivered = self.shared.room.notified();
            if self.shared.deliveries.load(Ordering::Acquire) != since.0 {
                return;
            }
            delivered.await;
        }
    }

    /// An admin client that shares this producer's connections.
    pub fn admin(&self) -> Admin {
        Admin::sharing(self.client.clone(), self.shared.last_error.clone(), &self.bootstrap_servers)
    }

    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Ends the wait of the thread that serves reports: some may be there that it did not gather itself.
    pub(super) fn wake(&self) {
        // SAFETY: the client is alive; the queue reference is given back at once.
        unsafe {
            let queue = native::rd_kafka_queue_get_main(self.client.as_ptr());
            native::rd_kafka_queue_yield(queue);
            native::rd_kafka_queue_destroy(queue);
        }
    }

    /// What is wrong with the connection, if anything was; for messages.
    pub fn last_error(&self) -> String {
        let servers = &self.bootstrap_servers;
        match self.shared.last_error.get() {
            Some(text) => format!("bootstrap.servers={servers}: {text}"),
            None => format!("bootstrap.servers={servers}"),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        let flags = native::RD_KAFKA_PURGE_F_QUEUE | native::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is alive.
        unsafe { native::rd_kafka_purge(self.client.as_ptr(), flags) };
        // The thread then lets go of its reference to the client.
        self.wake();
    }
}

impl Sender {
    /// The producer behind it.
    pub fn producer(&self) -> &Arc<Producer> {
        &self.producer
    }

    /// Hands a record to the producer; waits while its queue is full.
    ///
    /// # Errors
    /// It cannot be sent; no report follows.
    pub async fn send_when_room(&self, record: &Outgoing<'_>) -> Result<(), Failure> {
        loop {
            match self.send(record) {
                Ok(()) => return Ok(()),
                Err(SendError::QueueFull(since)) => self.producer.room(since).await,
                Err(SendError::Failed(failure)) => return Err(failure),
            }
        }
    }

    /// Hands a record to the producer, which copies its bytes.
    ///
    /// # Errors
    /// [`SendError`]; the record was then not taken, and no report follows.
    pub fn send(&self, record: &Outgoing<'_>) -> Result<(), SendError> {
        let opaque = (self.slot << TOKEN_BITS) | (record.token & TOKEN_MASK);
        let deliveries = Deliveries(self.producer.shared.deliveries.load(Ordering::Acquire));
        match produce(&self.producer.client, record, opaque) {
            Ok(()) => Ok(()),
            Err(failure) if failure.code == Code::RD_KAFKA_RESP_ERR__QUEUE_FULL => {
                Err(SendError::QueueFull(deliveries))
            }
            Err(failure) => Err(SendError::Failed(failure)),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.producer.shared.slots.write().unwrap_or_else(PoisonError::into_inner).remove(&self.slot);
    }
}

impl Callbacks for Shared {
    fn delivered(&self, token: u64, failure: Option<Failure>) {
        lock(&self.pending).push((token, failure));
    }

    fn error(&self, failure: &Failure) {
        tracing::debug!(%failure, "producer error");
        self.last_error.set(failure.message());
    }
}

impl Shared {
    /// Gives the gathered reports to their owners, one call per owner in a row.
    fn dispatch(&self, reports: &mut Vec<Report>) {
        let mut pending = std::mem::take(&mut *lock(&self.pending));
        if pending.is_empty() {
            return;
        }
        let mut rest = pending.drain(..).peekable();
        while let Some((first, _)) = rest.peek() {
            let slot = first >> TOKEN_BITS;
            while let Some((opaque, failure)) = rest.next_if(|(opaque, _)| opaque >> TOKEN_BITS == slot) {
                reports.push(Report { token: opaque & TOKEN_MASK, failure });
            }
            let delivery = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(&slot).cloned();
            match delivery {
                Some(delivery) => delivery.delivered(reports),
                None => reports.clear(),
            }
        }
        drop(rest);
        let mut current = lock(&self.pending);
        if current.is_empty() {
            // Keeps the allocation for the next round.
            *current = pending;
        }
        drop(current);
        self.deliveries.fetch_add(1, Ordering::Release);
        self.room.notify_waiters();
    }
}

/// The producer's thread: waits for reports and hands them on until the producer is dropped.
fn serve_reports(client: &Client, shared: &Shared) {
    let mut reports = Vec::new();
    while !shared.closed.load(Ordering::Acquire) {
        // SAFETY: the client is alive for as long as this thread holds it.
        unsafe { native::rd_kafka_poll(client.as_ptr(), POLL_MS) };
        shared.dispatch(&mut reports);
    }
}

fn produce(client: &Client, record: &Outgoing<'_>, opaque: u64) -> Result<(), Failure> {
    use native::rd_kafka_vtype_t as V;
    let flags = native::RD_KAFKA_MSG_F_COPY;
    let (key, value) = (record.key.unwrap_or(&[]), record.value.unwrap_or(&[]));
    let at =
        |bytes: &[u8], given: bool| if given { bytes.as_ptr().cast_mut().cast::<c_void>() } else { ptr::null_mut() };
    let (key_ptr, value_ptr) = (at(key, record.key.is_some()), at(value, record.value.is_some()));
    let partition = record.partition.unwrap_or(PARTITION_BY_KEY);
    let headers = Headers::new(record.headers);
    let part = |vtype: V, fill: &dyn Fn(&mut native::rd_kafka_vu_s__bindgen_ty_1)| {
        let mut vu = native::rd_kafka_vu_t { vtype, u: native::rd_kafka_vu_s__bindgen_ty_1 { ptr: ptr::null_mut() } };
        fill(&mut vu.u);
        vu
    };
    let memory = |ptr, size| native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr, size };
    let parts = [
        part(V::RD_KAFKA_VTYPE_RKT, &|u| u.rkt = record.topic.as_ptr()),
        part(V::RD_KAFKA_VTYPE_PARTITION, &|u| u.i32_ = partition),
        part(V::RD_KAFKA_VTYPE_MSGFLAGS, &|u| u.i = flags),
        part(V::RD_KAFKA_VTYPE_KEY, &|u| u.mem = memory(key_ptr, key.len())),
        part(V::RD_KAFKA_VTYPE_VALUE, &|u| u.mem = memory(value_ptr, value.len())),
        part(V::RD_KAFKA_VTYPE_OPAQUE, &|u| u.ptr = opaque as usize as *mut c_void),
        part(V::RD_KAFKA_VTYPE_TIMESTAMP, &|u| u.i64_ = record.timestamp.unwrap_or(0)),
        part(V::RD_KAFKA_VTYPE_HEADERS, &|u| u.headers = headers.0),
    ];
    let count = parts.len() - usize::from(headers.0.is_null());
    // SAFETY: every part points to memory that outlives the call, which copies key and value; headers are taken over
    // when the call succeeds.
    let code = unsafe {
        let error = native::rd_kafka_produceva(client.as_ptr(), parts.as_ptr(), count);
        let code = if error.is_null() { Code::RD_KAFKA_RESP_ERR_NO_ERROR } else { native::rd_kafka_error_code(error) };
        native::rd_kafka_error_destroy(error);
        code
    };
    match code {
        Code::RD_KAFKA_RESP_ERR_NO_ERROR => {
            std::mem::forget(headers);
            Ok(())
        }
        code => Err(Failure::of(code)),
    }
}

/// Owned librdkafka headers; null without any.
struct Headers(*mut native::rd_kafka_headers_t);

impl Headers {
    fn new(headers: &[(Arc<str>, Option<Bytes>)]) -> Self {
        if headers.is_empty() {
            return Headers(ptr::null_mut());
        }
        // SAFETY: no preconditions; names and values are copied with their lengths, null for a null value.
        unsafe {
            let list = native::rd_kafka_headers_new(headers.len());
            for (name, value) in headers {
                let (value_ptr, size) = match value {
                    Some(value) => (value.as_ptr().cast(), value.len().cast_signed()),
                    None => (ptr::null(), 0),
                };
                native::rd_kafka_header_add(list, name.as_ptr().cast(), name.len().cast_signed(), value_ptr, size);
            }
            Headers(list)
        }
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: owned unless forgotten after a successful call.
            unsafe { native::rd_kafka_headers_destroy(self.0) }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
