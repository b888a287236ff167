//! Producers shared by tasks whose settings are the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use couplet_api::Result;
use couplet_kafka::clients::{NativeConfig, Producer};

/// One producer per distinct settings, for as long as a task uses it.
#[derive(Default)]
pub(super) struct Producers(Mutex<HashMap<NativeConfig, Weak<Producer>>>);

impl Producers {
    /// The producer for `config`.
    ///
    /// # Errors
    /// `Kind::Config` that names the key whose value was refused.
    pub(super) fn get(&self, config: &NativeConfig) -> Result<Arc<Producer>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(producer) = known.get(config).and_then(Weak::upgrade) {
            return Ok(producer);
        }
        known.retain(|_, producer| producer.strong_count() > 0);
        let producer = Producer::new(config)?;
        known.insert(config.clone(), Arc::downgrade(&producer));
        Ok(producer)
    }
}
