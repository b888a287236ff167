//! Converters: between Connect's data and the bytes of Kafka's keys, values and headers.

use bytes::{Bytes, BytesMut};

use crate::Result;
use crate::data::{Datum, Header};

/// Converts keys or values. One instance is shared by all records of a task; caches inside are its own affair.
#[allow(clippy::wrong_self_convention, reason = "fromConnectData is Connect's name")]
pub trait Converter: Send + Sync {
    /// Appends the bytes of `data` to `out`. `Ok(false)`: nothing was written, Kafka's null stands for the data.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when the data cannot be converted; `out` may then hold a part, which the caller cuts off.
    fn from_connect(&self, topic: &str, headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool>;

    /// The data of `bytes` (`None`: Kafka's null).
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when the bytes cannot be read.
    fn to_connect(&self, topic: &str, bytes: Option<&Bytes>) -> Result<Datum>;

    /// Whether both directions hand bytes through untouched.
    fn is_pass_through(&self) -> bool {
        false
    }
}

/// Converts header values.
#[allow(clippy::wrong_self_convention, reason = "fromConnectHeader is Connect's name")]
pub trait HeaderConverter: Send + Sync {
    /// The bytes of `data`, or `None` for Kafka's null.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when the data cannot be converted.
    fn from_connect_header(&self, topic: &str, key: &str, data: &Datum) -> Result<Option<Bytes>>;

    /// The data of `bytes`.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when the bytes cannot be read.
    fn to_connect_header(&self, topic: &str, key: &str, bytes: Option<&Bytes>) -> Result<Datum>;
}
