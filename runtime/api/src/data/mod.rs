//! Connect's data model: schemas, values, structs, records.
//!
//! Rows, not columns: a [`Struct`] is a boxed slice of values beside its shared schema, and text and bytes are slices
//! of the buffer they arrived in. Schemas are shared by pointer; "same schema" is pointer equality first.

mod decimal;
mod float_digits;
mod float_text;
mod logical;
mod offset;
mod projector;
mod record;
mod schema;
mod structure;
mod utf8;
mod value;

pub use decimal::Decimal;
pub use float_text::FloatText;
pub use logical::{DATE, DECIMAL, DECIMAL_SCALE, TIME, TIMESTAMP};
pub use offset::{OffsetMap, Position};
pub use projector::{Projector, SCHEMA_PROJECTOR_EXCEPTION, parameters_differ, parameters_text};
pub use record::{Datum, Header, Record, SinkRecord, SourceRecord, TimestampType, TopicPartition};
pub use schema::{Field, Schema, SchemaBuilder, SchemaRef, Type};
pub use structure::Struct;
pub use utf8::Utf8;
pub use value::Value;
