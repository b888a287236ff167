//! Transactions of a producer whose settings name a `transactional.id` (KIP-98).
//!
//! What a producer sends between [`Producer::begin_transaction`] and [`Producer::commit_transaction`] is seen by
//! `read_committed` consumers together or not at all. Another producer that initialises the same id fences this one.

#![allow(unsafe_code, reason = "calls librdkafka")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couplet_api::Result;
use rdkafka::bindings as native;

use super::Failure;
use super::native::Client;
use super::native_config::NativeConfig;
use super::producer::{Outgoing, Producer, Reports};

/// How long one attempt to initialise may take before it is seen whether anybody still wants it.
const INIT_ATTEMPT: Duration = Duration::from_secs(5);
/// The rest of the transaction's own time (`transaction.timeout.ms`).
const AS_LONG_AS_IT_LIVES: i32 = -1;

impl Producer {
    /// Takes over the transactional id: fences its earlier owner, whose open transaction is aborted. Waits for the
    /// brokers for as long as the caller does. To be called once, before the first transaction.
    ///
    /// # Errors
    /// When the brokers refuse.
    pub async fn init_transactions(&self) -> Result<(), Failure> {
        let attempt_ms = i32::try_from(INIT_ATTEMPT.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client is alive.
        self.transact(move |client| unsafe { native::rd_kafka_init_transactions(client.as_ptr(), attempt_ms) }).await
    }

    /// Begins a transaction; all that is sent from now on is part of it.
    ///
    /// # Errors
    /// When the producer was fenced, or a transaction is open.
    pub fn begin_transaction(&self) -> Result<(), Failure> {
        // SAFETY: the client is alive.
        check(unsafe { native::rd_kafka_begin_transaction(self.client().as_ptr()) }).map_err(|refused| refused.failure)
    }

    /// Commits the open transaction; durable on return. All of its records should be reported by now, or this waits for
    /// them in steps of 10 ms.
    ///
    /// # Errors
    /// The transaction is not committed and has to be aborted, or the producer was fenced.
    pub async fn commit_transaction(&self) -> Result<(), Failure> {
        let commit = |client: &Client| {
            // SAFETY: the client is alive.
            unsafe { native::rd_kafka_commit_transaction(client.as_ptr(), AS_LONG_AS_IT_LIVES) }
        };
        self.transact(commit).await
    }

    /// Gives up the open transaction: records not sent yet are dropped and reported as failed.
    ///
    /// # Errors
    /// When the producer was fenced, or no broker answers within `timeout`; the brokers abort it in their own time then.
    pub async fn abort_transaction(&self, timeout: Duration) -> Result<(), Failure> {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let abort = move |client: &Client| {
            // SAFETY: the client is alive.
            unsafe { native::rd_kafka_abort_transaction(client.as_ptr(), timeout_ms) }
        };
        let outcome = tokio::time::timeout(timeout, self.transact(abort)).await;
        outcome.unwrap_or_else(|_| Err(Failure::of(native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__TIMED_OUT)))
    }

    /// Writes `records`, key and value each, to `topic` in one transaction.
    ///
    /// # Errors
    /// None of them will be read by `read_committed` consumers.
    pub async fn write_transaction(
        self: &Arc<Self>,
        topic: &Arc<str>,
        records: &[(Option<Bytes>, Option<Bytes>)],
    ) -> Result<()> {
        let failed = |failure: Failure| failure.into_error(format!("cannot write to topic {topic}"));
        let (sender, handle) = (self.register(Arc::new(Reports::default())), self.topic(topic)?);
        self.begin_transaction().map_err(failed)?;
        let written = async {
            for (key, value) in records {
                let (key, value) = (key.as_deref(), value.as_deref());
                let record =
                    Outgoing { topic: &handle, partition: None, key, value, headers: &[], timestamp: None, token: 0 };
                sender.send_when_room(&record).await?;
            }
            self.commit_transaction().await
        };
        let Err(failure) = written.await else { return Ok(()) };
        if let Err(failure) = self.abort_transaction(INIT_ATTEMPT).await {
            tracing::debug!(%topic, %failure, "a transaction was not aborted, the brokers will do it");
        }
        Err(failed(failure))
    }

    /// Why this producer can do nothing any more, if that is so: it was fenced, most often. What fails after that says
    /// only that it was given up.
    pub fn fatal_failure(&self) -> Option<Failure> {
        let mut text = [0 as std::ffi::c_char; 512];
        // SAFETY: the client is alive; librdkafka NUL-terminates the text.
        unsafe {
            match native::rd_kafka_fatal_error(self.client().as_ptr(), text.as_mut_ptr(), text.len()) {
                native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => None,
                code => {
                    let text = std::ffi::CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned();
                    Some(Failure::with_message(code, text))
                }
            }
        }
    }

    /// Runs a blocking request on a thread that may block, again and again while librdkafka says that it may be resumed.
    async fn transact(
        &self,
        request: impl Fn(&Client) -> *mut native::rd_kafka_error_t + Clone + Send + 'static,
    ) -> Result<(), Failure> {
        loop {
            let (client, request): (Arc<Client>, _) = (self.client().clone(), request.clone());
            let outcome = tokio::task::spawn_blocking(move || check(request(&client))).await;
            // Reports may have come in on that thread.
            self.wake();
            match outcome {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(refused)) if refused.resumable => {
                    tracing::debug!(failure = %refused.failure, "a transaction's request goes on");
                }
                Ok(Err(refused)) => return Err(refused.failure),
                Err(_) => return Err(Failure::of(native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FAIL)),
            }
        }
    }
}

/// Fences the earlier owner of `transactional_id`, as `Admin.fenceProducers`: its open transaction is aborted, and what it
/// sends from now on is refused. `config` names no `transactional.id` of its own.
///
/// # Errors
/// When the brokers refuse.
pub async fn fence_producer(config: &NativeConfig, transactional_id: &str) -> Result<()> {
    let mut config = config.clone();
    config.set("transactional.id", transactional_id, "transactional.id");
    let outcome = Producer::new(&config)?.init_transactions().await;
    outcome.map_err(|failure| {
        failure.into_error(format!("cannot fence producers with transactional id {transactional_id}"))
    })
}

struct Refused {
    failure: Failure,
    /// The request goes on in the background and may be made again to wait for it.
    resumable: bool,
}

/// Takes over the answer to a transaction's request.
fn check(error: *mut native::rd_kafka_error_t) -> Result<(), Refused> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, owned, and destroyed here after its text was copied.
    unsafe {
        let text = std::ffi::CStr::from_ptr(native::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        let refused = Refused {
            failure: Failure::with_message(native::rd_kafka_error_code(error), text),
            resumable: native::rd_kafka_error_is_retriable(error) != 0,
        };
        native::rd_kafka_error_destroy(error);
        Err(refused)
    }
}
