//! Settings in librdkafka's own terms.

use std::collections::BTreeMap;
use std::fmt;

/// Settings as librdkafka knows them, with the Java key each came from. Equal settings make equal clients, so this is
/// what shared producers are found by. `Debug` prints keys only: values may be secrets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NativeConfig {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    value: String,
    java_key: String,
}

impl NativeConfig {
    /// Sets librdkafka's `key`; `java_key` is named when librdkafka refuses the value.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>, java_key: &str) {
        self.entries.insert(key.to_owned(), Entry { value: value.into(), java_key: java_key.to_owned() });
    }

    /// Sets what is not set.
    pub(super) fn set_default(&mut self, key: &str, value: &str) {
        self.entries
            .entry(key.to_owned())
            .or_insert_with(|| Entry { value: value.to_owned(), java_key: key.to_owned() });
    }

    /// The value of librdkafka's `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(|entry| entry.value.as_str())
    }

    /// `(librdkafka's key, value, Java key)` in the order of the keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.entries.iter().map(|(k, e)| (k.as_str(), e.value.as_str(), e.java_key.as_str()))
    }

    /// The brokers to begin with, for messages.
    pub fn bootstrap_servers(&self) -> &str {
        self.get("bootstrap.servers").unwrap_or_default()
    }
}

impl fmt::Debug for NativeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
