//! Names of Connect's logical types. Their in-memory forms: [`super::Value::Decimal`] for [`DECIMAL`],
//! [`super::Value::Date`] (milliseconds since the epoch, as `java.util.Date`) for the other three.

/// Exact decimal; base type BYTES, parameter [`DECIMAL_SCALE`].
pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
/// Parameter of [`DECIMAL`]: digits after the point.
pub const DECIMAL_SCALE: &str = "scale";
/// Calendar day; base type INT32, days since the epoch.
pub const DATE: &str = "org.apache.kafka.connect.data.Date";
/// Time of day; base type INT32, milliseconds since midnight.
pub const TIME: &str = "org.apache.kafka.connect.data.Time";
/// Instant; base type INT64, milliseconds since the epoch.
pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
