use std::sync::Arc;

use bytes::Bytes;

use super::{Decimal, Struct, Utf8};

/// A value of any Connect type. Cloning is a reference count, never a copy of the payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Java's `null`.
    #[default]
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// INT8.
    Int8(i8),
    /// INT16.
    Int16(i16),
    /// INT32.
    Int32(i32),
    /// INT64.
    Int64(i64),
    /// FLOAT32.
    Float32(f32),
    /// FLOAT64.
    Float64(f64),
    /// STRING.
    Str(Utf8),
    /// BYTES.
    Bytes(Bytes),
    /// The Decimal logical type.
    Decimal(Arc<Decimal>),
    /// The Date, Time and Timestamp logical types (`java.util.Date`): milliseconds since the epoch.
    Date(i64),
    /// ARRAY.
    Array(Arc<[Value]>),
    /// MAP, in insertion order.
    Map(Arc<[(Value, Value)]>),
    /// STRUCT.
    Struct(Arc<Struct>),
}

impl Value {
    /// Text from any string.
    pub fn str(text: impl Into<Utf8>) -> Self {
        Value::Str(text.into())
    }

    /// Whether this is `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a STRING.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Any integer type, widened.
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int8(n) => Some(*n as i64),
            Value::Int16(n) => Some(*n as i64),
            Value::Int32(n) => Some(*n as i64),
            Value::Int64(n) => Some(*n),
            _ => None,
        }
    }

    /// The truth value of a BOOLEAN.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The struct of a STRUCT.
    pub const fn as_struct(&self) -> Option<&Arc<Struct>> {
        match self {
            Value::Struct(s) => Some(s),
            _ => None,
        }
    }

    /// The entries of a MAP.
    pub fn as_map(&self) -> Option<&[(Value, Value)]> {
        match self {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value under the text key `key` of a MAP.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v)
    }

    /// Rough size in memory, in bytes: what the byte budgets count.
    pub fn size(&self) -> usize {
        let own = std::mem::size_of::<Value>();
        own + match self {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Array(items) => items.iter().map(Value::size).sum(),
            Value::Map(entries) => entries.iter().map(|(k, v)| k.size() + v.size()).sum(),
            Value::Struct(s) => s.values().iter().map(Value::size).sum(),
            Value::Decimal(d) => d.unscaled().bits() as usize / 8 + 8,
            _ => 0,
        }
    }
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Value::$variant(value.into())
            }
        }
    )*};
}

value_from!(bool => Bool, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, f32 => Float32, f64 => Float64,
    &str => Str, String => Str, Utf8 => Str, Bytes => Bytes, Struct => Struct);

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
