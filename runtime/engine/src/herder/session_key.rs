//! Keys that sign requests between workers (KIP-507): made by the leader, told through the config topic.

use std::time::Duration;

use bytes::Bytes;
use couplet_api::config::{Props, at_least};
use couplet_api::{Error, Result, config_def};

use crate::storage::config_store::SessionKey;

/// Bytes of a key when `inter.worker.key.size` does not say: what Java's `HmacSHA256` generator makes.
const KEY_BYTES: usize = 32;

config_def! {
    /// How session keys are made.
    struct SessionKeyConfig {
        /// Algorithm of the key.
        algorithm: Str = "inter.worker.key.generation.algorithm", Low, default "HmacSHA256";
        /// Bits of the key.
        size: Int = "inter.worker.key.size", Low, optional;
        /// Milliseconds a key is good for.
        ttl_ms: Int = "inter.worker.key.ttl.ms", Low, default "3600000", at_least(0);
    }
}

/// Makes keys and knows when.
pub struct SessionKeys {
    algorithm: String,
    bytes: usize,
    ttl_ms: i64,
}

impl SessionKeys {
    /// Reads the worker's settings.
    ///
    /// # Errors
    /// `Kind::Config`, one line per problem.
    pub fn new(props: &Props) -> Result<Self> {
        let config = SessionKeyConfig::parse(props)?;
        let bytes = config.size.and_then(|bits| usize::try_from(bits).ok()).map_or(KEY_BYTES, |bits| bits.div_ceil(8));
        Ok(SessionKeys { algorithm: config.algorithm, bytes, ttl_ms: config.ttl_ms.into() })
    }

    /// How long `current` is good for, seen from `now_ms`; zero when a new one is due, `None` when it is good for ever. A key
    /// of another kind than this worker makes is not good.
    pub fn due_in(&self, current: Option<&SessionKey>, now_ms: i64) -> Option<Duration> {
        let Some(key) = current.filter(|key| key.algorithm == self.algorithm && key.key.len() == self.bytes) else {
            return Some(Duration::ZERO);
        };
        let left = key.created_ms.saturating_add(self.ttl_ms).saturating_sub(now_ms);
        (self.ttl_ms > 0).then(|| Duration::from_millis(u64::try_from(left).unwrap_or(0)))
    }

    /// A new key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn make(&self, now_ms: i64) -> Result<SessionKey> {
        let mut key = vec![0; self.bytes];
        getrandom::fill(&mut key).map_err(|e| Error::fatal(format!("no randomness for a session key: {e}")))?;
        Ok(SessionKey { key: Bytes::from(key), algorithm: self.algorithm.clone(), created_ms: now_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_when_there_is_none_or_its_time_is_over() {
        let keys = SessionKeys::new(&Props::from_iter([("inter.worker.key.ttl.ms", "1000")])).expect("valid");
        assert_eq!(keys.due_in(None, 5), Some(Duration::ZERO));
        let key = keys.make(100).expect("random");
        assert_eq!((key.key.len(), key.algorithm.as_str()), (32, "HmacSHA256"));
        assert_eq!(keys.due_in(Some(&key), 100), Some(Duration::from_secs(1)));
        assert_eq!(keys.due_in(Some(&key), 1100), Some(Duration::ZERO));
        assert_eq!(keys.due_in(Some(&key), 9999), Some(Duration::ZERO));
        let other = SessionKeys::new(&Props::from_iter([("inter.worker.key.size", "512")])).expect("valid");
        assert_eq!(other.due_in(Some(&key), 100), Some(Duration::ZERO), "a key of another size");
        let for_ever = SessionKeys::new(&Props::from_iter([("inter.worker.key.ttl.ms", "0")])).expect("valid");
        assert_eq!(for_ever.due_in(Some(&key), 9999), None);
    }
}
