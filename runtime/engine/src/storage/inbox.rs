//! What a store's reader has not taken yet.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// Items on their way to one reader, in order. Holds what the reader has not taken yet; its writers are logs, whose
/// readers keep up, and the tasks of this worker.
#[derive(Debug)]
pub struct Inbox<T> {
    items: Mutex<VecDeque<T>>,
    arrived: Notify,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Inbox { items: Mutex::default(), arrived: Notify::new() }
    }
}

impl<T> Inbox<T> {
    /// Appends `item`; never waits, so it may be called from any thread.
    pub fn push(&self, item: T) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push_back(item);
        self.arrived.notify_one();
    }

    /// Takes the oldest item, if there is one.
    pub fn try_next(&self) -> Option<T> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Waits for the oldest item. Cancel-safe.
    pub async fn next(&self) -> T {
        loop {
            if let Some(item) = self.try_next() {
                return item;
            }
            self.arrived.notified().await;
        }
    }
}
