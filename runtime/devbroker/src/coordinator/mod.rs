//! The coordinator of groups and transactions: drives their state machines and writes what must outlive a restart.
//!
//! All of it lies behind one lock, held for short work only; requests that wait get a channel. Time is the business of
//! one task, [`keep_time`], which sleeps until the next deadline.

mod groups;
mod owned_topic;
mod producer_ids;
mod transactions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use groups::{Groups, OffsetsToCommit};
pub(crate) use producer_ids::ProducerIds;
pub(crate) use transactions::{ProducerIdentity, Transactions};

use crate::topics::Topics;

/// Groups and transactions of the broker.
#[derive(Debug)]
pub(crate) struct Coordinator {
    state: Mutex<Coordinated>,
    /// Something changed that may bring the next deadline nearer.
    changed: Notify,
    started: Instant,
}

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct Coordinated {
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
}

impl Coordinator {
    /// Reads the state of the last run out of the internal topics and finishes transactions that were ending.
    ///
    /// # Errors
    /// When the internal topics cannot be read.
    pub(crate) fn open(topics: &Arc<Topics>, producer_ids: ProducerIds) -> std::io::Result<Coordinator> {
        let mut groups = Groups::load(topics.clone())?;
        let transactions = Transactions::load(topics.clone(), producer_ids, &mut groups)?;
        let state = Mutex::new(Coordinated { groups, transactions });
        Ok(Coordinator { state, changed: Notify::new(), started: Instant::now() })
    }

    /// Does something with the coordinator's state. `now_ms` counts from the broker's start.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Coordinated, u64) -> T) -> T {
        let result = f(&mut self.lock(), self.now_ms());
        self.changed.notify_one();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Coordinated> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn tick(&self) -> Option<u64> {
        let mut state = self.lock();
        let Coordinated { groups, transactions } = &mut *state;
        let now_ms = self.now_ms();
        groups.tick(now_ms);
        transactions.tick(groups);
        let transaction_ms = transactions.deadline_ms().map(|at_ms| {
            let wait_ms = at_ms.saturating_sub(crate::clock::now_ms()).max(0) as u64;
            now_ms + wait_ms
        });
        groups.deadline_ms().into_iter().chain(transaction_ms).min()
    }
}

/// Ends sessions, rebalances and transactions when their time is over.
pub(crate) async fn keep_time(coordinator: Arc<Coordinator>, stop: CancellationToken) {
    loop {
        let deadline_ms = coordinator.tick();
        let deadline = async {
            match deadline_ms {
                // The deadline's millisecond has to be over, or the tick would come too early and often.
                Some(at_ms) => {
                    tokio::time::sleep_until((coordinator.started + Duration::from_millis(at_ms + 1)).into()).await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = coordinator.changed.notified() => {}
            () = deadline => {}
        }
    }
}
