use std::fmt::Debug;
use std::sync::Arc;

use super::Value;

/// A source partition or a source offset: text keys to primitive values, in the order they will be written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OffsetMap(Arc<[(Value, Value)]>);

impl OffsetMap {
    /// From keys and values in order.
    pub fn new<K: Into<Value>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        OffsetMap(entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// Keys and values in order.
    pub fn entries(&self) -> &[(Value, Value)] {
        &self.0
    }

    /// As a MAP value.
    pub fn to_value(&self) -> Value {
        Value::Map(self.0.clone())
    }

    /// From a MAP value; `None` for any other.
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Map(entries) => Some(OffsetMap(entries.clone())),
            _ => None,
        }
    }
}

/// Where a source stands after a record. Tasks keep it in their own compact form; the map is made only
/// for the position that is stored.
pub trait Position: Debug + Send + Sync {
    /// The offset as Connect stores it.
    fn to_map(&self) -> OffsetMap;

    /// When the change was committed at the source, in milliseconds since the epoch, if the position tells.
    fn committed_ms(&self) -> Option<i64> {
        None
    }

    /// For a task that wants its own form back in `commit`.
    fn as_any(&self) -> &dyn std::any::Any;
}

impl Position for OffsetMap {
    fn to_map(&self) -> OffsetMap {
        self.clone()
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
