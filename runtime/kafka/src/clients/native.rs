//! One librdkafka client: made from settings, destroyed when the last owner lets go.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::{Error, Result};
use rdkafka::bindings as native;
use rdkafka::types::RDKafkaRespErr as Code;

use super::Failure;
use super::native_config::NativeConfig;
use super::partition_list::PartitionList;

/// What librdkafka calls back. All but `error` are called on the thread that polls the client.
pub(super) trait Callbacks: Send + Sync {
    /// A record was delivered (`None`) or not; `token` is what the record was sent with.
    fn delivered(&self, token: u64, failure: Option<Failure>) {
        let _ = (token, failure);
    }

    /// The group wants to give or take partitions; the consumer answers by assigning or unassigning.
    fn rebalance(&self, assigned: bool, partitions: &PartitionList) {
        let _ = (assigned, partitions);
    }

    /// Something is wrong with the connection to the cluster.
    fn error(&self, failure: &Failure) {
        let _ = failure;
    }
}

/// Remembers the last trouble, to explain a timeout.
#[derive(Default)]
pub(super) struct LastError(Mutex<Option<String>>);

impl LastError {
    /// Notes `text`.
    pub(super) fn set(&self, text: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
    }

    /// What was noted last.
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Callbacks for LastError {
    fn error(&self, failure: &Failure) {
        self.set(failure.message());
    }
}

/// The two kinds of client there are in librdkafka; an admin client is a producer that never produces.
#[derive(Clone, Copy)]
pub(super) enum ClientKind {
    Producer,
    Consumer,
}

/// An owned `rd_kafka_t` and what it calls back.
pub(super) struct Client {
    ptr: NonNull<native::rd_kafka_t>,
    // The callbacks' address is librdkafka's opaque: boxed twice so that it is thin and does not move.
    callbacks: *mut Arc<dyn Callbacks>,
}

// SAFETY: librdkafka clients may be used from any thread at the same time; the callbacks are Send + Sync.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// A client of `kind`.
    ///
    /// # Errors
    /// `Kind::Config` that names the Java key whose value was refused.
    pub(super) fn new(kind: ClientKind, config: &NativeConfig, callbacks: Arc<dyn Callbacks>) -> Result<Arc<Client>> {
        let conf = Conf::new();
        for (key, value, java_key) in config.iter() {
            conf.set(key, value, java_key)?;
        }
        let callbacks = Box::into_raw(Box::new(callbacks));
        let (kind, is_consumer) = match kind {
            ClientKind::Producer => (native::rd_kafka_type_t::RD_KAFKA_PRODUCER, false),
            ClientKind::Consumer => (native::rd_kafka_type_t::RD_KAFKA_CONSUMER, true),
        };
        let mut message = [0 as c_char; 512];
        // SAFETY: conf is valid; the opaque outlives the client (freed in Drop after destroy); rd_kafka_new takes conf
        // over when it succeeds and leaves it to us when it fails.
        let ptr = unsafe {
            native::rd_kafka_conf_set_opaque(conf.0.as_ptr(), callbacks.cast());
            native::rd_kafka_conf_set_log_cb(conf.0.as_ptr(), Some(on_log));
            native::rd_kafka_conf_set_error_cb(conf.0.as_ptr(), Some(on_error));
            if is_consumer {
                native::rd_kafka_conf_set_rebalance_cb(conf.0.as_ptr(), Some(on_rebalance));
            } else {
                native::rd_kafka_conf_set_dr_msg_cb(conf.0.as_ptr(), Some(on_delivery));
            }
            native::rd_kafka_new(kind, conf.0.as_ptr(), message.as_mut_ptr(), message.len())
        };
        match NonNull::new(ptr) {
            Some(ptr) => {
                std::mem::forget(conf);
                Ok(Arc::new(Client { ptr, callbacks }))
            }
            None => {
                // SAFETY: nobody else has the box; the message is NUL-terminated.
                let text = unsafe {
                    drop(Box::from_raw(callbacks));
                    CStr::from_ptr(message.as_ptr()).to_string_lossy().into_owned()
                };
                Err(Error::config(format!("cannot make a Kafka client: {text}")))
            }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut native::rd_kafka_t {
        self.ptr.as_ptr()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let (client, callbacks) = (Owned(self.ptr.as_ptr()), Owned(self.callbacks));
        // Destroying waits for librdkafka's threads, which an async task must not.
        let destroy = move || {
            let (client, callbacks) = (client, callbacks);
            // SAFETY: this is the last owner; callbacks are not called after destroy has returned.
            unsafe {
                native::rd_kafka_destroy(client.0);
                drop(Box::from_raw(callbacks.0));
            }
        };
        if let Err(error) = std::thread::Builder::new().name("kafka-destroy".into()).spawn(destroy) {
            tracing::warn!(%error, "a Kafka client could not be closed and stays open");
        }
    }
}

/// A pointer on its way to the thread that frees what it points to.
struct Owned<T>(*mut T);

// SAFETY: only used to move sole ownership to another thread.
unsafe impl<T> Send for Owned<T> {}

/// An owned `rd_kafka_conf_t`.
struct Conf(NonNull<native::rd_kafka_conf_t>);

impl Conf {
    fn new() -> Self {
        // SAFETY: no preconditions; allocation failure aborts inside librdkafka.
        let conf = unsafe { native::rd_kafka_conf_new() };
        Conf(NonNull::new(conf).expect("rd_kafka_conf_new never returns null"))
    }

    fn set(&self, key: &str, value: &str, java_key: &str) -> Result<()> {
        let nul = |_| Error::config(format!("Invalid value for configuration {java_key}: contains a NUL character"));
        let (key_c, value_c) = (CString::new(key).map_err(nul)?, CString::new(value).map_err(nul)?);
        let mut message = [0 as c_char; 512];
        // SAFETY: all pointers are valid for the call.
        let outcome = unsafe {
            let (key, value) = (key_c.as_ptr(), value_c.as_ptr());
            native::rd_kafka_conf_set(self.0.as_ptr(), key, value, message.as_mut_ptr(), message.len())
        };
        if outcome == native::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        // SAFETY: librdkafka NUL-terminates the message.
        let text = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy();
        let secret = key.contains("password") || key.contains("pem");
        let problem = if secret { "refused by the Kafka client" } else { &*text };
        Err(Error::config(format!("Invalid value for configuration {java_key}: {problem}")))
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: owned, and not taken over by a client.
        unsafe { native::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}

/// # Safety
/// `opaque` is the pointer that [`Client::new`] gave to librdkafka.
unsafe fn callbacks<'a>(opaque: *mut c_void) -> &'a dyn Callbacks {
    // SAFETY: the caller's promise; the box lives until the client is destroyed.
    unsafe { &**opaque.cast::<Arc<dyn Callbacks>>() }
}

unsafe extern "C" fn on_delivery(
    _client: *mut native::rd_kafka_t,
    message: *const native::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a valid message and our opaque.
    let (callbacks, message) = unsafe { (callbacks(opaque), &*message) };
    let failure = Failure::check(message.err).err().map(|failure| {
        // SAFETY: a message keeps its topic alive; names are NUL-terminated.
        let topic = unsafe { CStr::from_ptr(native::rd_kafka_topic_name(message.rkt)) }.to_string_lossy();
        Failure::with_message(message.err, format!("topic {topic}, partition {}: {failure}", message.partition))
    });
    callbacks.delivered(message._private as usize as u64, failure);
}

unsafe extern "C" fn on_rebalance(
    client: *mut native::rd_kafka_t,
    code: native::rd_kafka_resp_err_t,
    partitions: *mut native::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    use native::rd_kafka_resp_err_t::{
        RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS as ASSIGN, RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS as REVOKE,
    };
    // SAFETY: librdkafka passes a valid list, which we copy, and our opaque.
    let (callbacks, partitions) = unsafe { (callbacks(opaque), PartitionList::copy_of(partitions)) };
    match code {
        ASSIGN | REVOKE => callbacks.rebalance(code == ASSIGN, &partitions),
        _ => {
            callbacks.error(&Failure::of(code));
            // SAFETY: the client is alive during its callback; a failed rebalance is answered by giving all up.
            unsafe { native::rd_kafka_assign(client, std::ptr::null()) };
        }
    }
}

unsafe extern "C" fn on_error(
    _client: *mut native::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: librdkafka passes a NUL-terminated reason and our opaque.
    let (callbacks, reason) = unsafe { (callbacks(opaque), CStr::from_ptr(reason).to_string_lossy()) };
    callbacks.error(&Failure::with_message(known_code(code), reason));
}

/// The codes of client-wide errors that make a difference; all others mean that something failed.
fn known_code(code: c_int) -> Code {
    [
        Code::RD_KAFKA_RESP_ERR__AUTHENTICATION,
        Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN,
        Code::RD_KAFKA_RESP_ERR__TRANSPORT,
        Code::RD_KAFKA_RESP_ERR__RESOLVE,
        Code::RD_KAFKA_RESP_ERR__FATAL,
    ]
    .into_iter()
    .find(|known| *known as c_int == code)
    .unwrap_or(Code::RD_KAFKA_RESP_ERR__FAIL)
}

unsafe extern "C" fn on_log(
    client: *const native::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    // SAFETY: librdkafka passes NUL-terminated strings and a live (or null) client.
    let (name, facility, text) = unsafe {
        let name = if client.is_null() { c"" } else { CStr::from_ptr(native::rd_kafka_name(client)) };
        (name.to_string_lossy(), CStr::from_ptr(facility).to_string_lossy(), CStr::from_ptr(text).to_string_lossy())
    };
    match level {
        ..=2 => tracing::error!(target: "couplet_kafka", %name, %facility, "{text}"),
        3..=4 => tracing::warn!(target: "couplet_kafka", %name, %facility, "{text}"),
        5..=6 => tracing::info!(target: "couplet_kafka", %name, %facility, "{text}"),
        _ => tracing::debug!(target: "couplet_kafka", %name, %facility, "{text}"),
    }
}
