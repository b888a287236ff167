//! Converters: between Connect's data and the bytes of Kafka's keys, values and headers.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};

use crate::data::{Datum, Header};
use crate::error::Lookup;
use crate::{Error, Result};

/// Converts keys or values. One instance is shared by all records of a task; caches inside are its own affair.
///
/// Conversions never wait. One that needs I/O first (a schema from a registry) fails with [`Error::lookup`]; the engine
/// awaits [`Converter::resolve`] and converts the same data again.
#[async_trait]
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

    /// Gets what a conversion asked for with [`Error::lookup`]. May be dropped at any await point.
    ///
    /// # Errors
    /// What the conversion would have failed with had it waited itself; [`crate::Kind::Remote`] is tried again as
    /// `errors.retry.timeout` says.
    async fn resolve(&self, lookup: &Lookup) -> Result<()> {
        let _ = lookup;
        Err(Error::bug("a lookup reached a converter that makes none"))
    }

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
