use std::fmt;

use indexmap::IndexMap;

/// Settings as users write them: text by key, in the order given. A value may be null, as in Connect's JSON.
///
/// `Debug` prints keys only: values may be secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Props(IndexMap<String, Option<String>>);

impl Props {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text under `key`; `None` when absent or null.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Option::as_deref)
    }

    /// The value under `key`: `Some(None)` when it is there and null.
    pub fn get_nullable(&self, key: &str) -> Option<Option<&str>> {
        self.0.get(key).map(Option::as_deref)
    }

    /// Whether `key` is there, null or not.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Sets `key`; a new key goes to the end, an old one keeps its place.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), Some(value.into()));
    }

    /// Sets `key` to text or null.
    pub fn set_nullable(&mut self, key: impl Into<String>, value: Option<String>) {
        self.0.insert(key.into(), value);
    }

    /// Removes `key`, the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Option<String>> {
        self.0.shift_remove(key)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_deref()))
    }

    /// The settings whose key starts with `prefix`, with the prefix cut off.
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Props {
        let cut = |(k, v): (&String, &Option<String>)| k.strip_prefix(prefix).map(|k| (k.to_owned(), v.clone()));
        Props(self.0.iter().filter_map(cut).collect())
    }

    /// The settings under `prefix` without it, or all settings when there are none: Java's
    /// `AbstractConfig.valuesWithPrefixAllOrNothing`.
    #[must_use]
    pub fn with_prefix_or_all(&self, prefix: &str) -> Props {
        let prefixed = self.with_prefix(prefix);
        if prefixed.is_empty() { self.clone() } else { prefixed }
    }

    /// Number of settings.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no setting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Props {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Props(entries.into_iter().map(|(k, v)| (k.into(), Some(v.into()))).collect())
    }
}

impl fmt::Debug for Props {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
