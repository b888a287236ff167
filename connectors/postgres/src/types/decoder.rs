//! How the text of a value becomes a Connect value, chosen once per column.

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::data::{SchemaRef, Utf8, Value};
use couplet_api::error::Error;
use couplet_cdc::time::Fraction;
use couplet_cdc::{BinaryMode, DecimalMode};

use super::temporal::Unit;
use super::{array, binary, geometry, hstore, interval, number, temporal};
use crate::config::HstoreMode;

/// Which of Debezium's two readers is imitated where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Rows read by SQL.
    Snapshot,
    /// Changes from pgoutput.
    Stream,
}

/// Reads the text form of one type.
#[derive(Debug, Clone)]
pub(crate) enum Decoder {
    /// `t` or `f`.
    Bool,
    /// INT16.
    Int16,
    /// INT32.
    Int32,
    /// INT64.
    Int64,
    /// FLOAT32.
    Float32,
    /// FLOAT64.
    Float64,
    /// The text itself, no copy.
    Text,
    /// `numeric` with the column's scale.
    Numeric { scale: Option<i32>, mode: DecimalMode },
    /// `numeric` without precision, as a struct.
    VariableNumeric(SchemaRef),
    /// `money`.
    Money { digits: i32, mode: DecimalMode },
    /// `bytea`.
    Bytea(BinaryMode),
    /// The text as bytes: a type nothing is known of.
    Opaque(BinaryMode),
    /// The same, with numbers as Java writes them.
    Geometric(BinaryMode),
    /// `bit(1)`.
    Bit,
    /// `bit(n)`, `varbit`.
    Bits,
    /// `date`.
    Date(Unit),
    /// `time`.
    Time(Unit),
    /// `timestamp`.
    Timestamp(Unit),
    /// `timestamptz`.
    TimestampTz(Fraction),
    /// `timetz`.
    TimeTz,
    /// `interval`.
    Interval { iso: bool },
    /// `hstore`.
    Hstore(HstoreMode),
    /// `point`.
    Point(SchemaRef),
    /// PostGIS.
    Ewkb(SchemaRef),
    /// pgvector.
    Vector { doubles: bool },
    /// An array; without `nulls` an array that holds one is null as a whole.
    Array { element: Box<Decoder>, nulls: bool },
    /// Right in a snapshot and null in the stream.
    SnapshotOnly(Box<Decoder>),
    /// Always null: Debezium has a schema for the type and no way to read it.
    Null,
}

impl Decoder {
    /// Reads `text`, a part of `source`: texts and bytes are kept as slices of it.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when it does not have the type's form.
    pub(crate) fn decode(&self, text: &[u8], source: &Bytes, phase: Phase) -> Result<Value> {
        match self {
            Decoder::Text => Utf8::new(source.slice_ref(text)).map(Value::Str),
            Decoder::Opaque(mode) => Ok(binary::represented(source.slice_ref(text), *mode)),
            Decoder::Array { element, nulls } => {
                // The JDBC driver reads elements of arrays in both phases.
                let value = array::array(text, source, |item, source| element.decode(item, source, Phase::Snapshot))?;
                let holds_null = matches!(&value, Value::Array(items) if items.iter().any(Value::is_null));
                Ok(if holds_null && !nulls { Value::Null } else { value })
            }
            Decoder::SnapshotOnly(_) if phase == Phase::Stream => Ok(Value::Null),
            Decoder::SnapshotOnly(inner) => inner.decode(text, source, phase),
            Decoder::Null => Ok(Value::Null),
            other => {
                let text = std::str::from_utf8(text).map_err(|_| Error::data("a value is not UTF-8"))?;
                other.decode_str(text, phase)
            }
        }
    }

    /// Reads a text that is no part of anything.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub(crate) fn decode_text(&self, text: impl Into<Bytes>, phase: Phase) -> Result<Value> {
        let text = text.into();
        self.decode(&text, &text, phase)
    }

    fn decode_str(&self, text: &str, phase: Phase) -> Result<Value> {
        match self {
            Decoder::Bool => Ok(Value::Bool(text == "t" || text == "true")),
            Decoder::Int16 => number::parse(text, "smallint").map(Value::Int16),
            Decoder::Int32 => number::parse(text, "integer").map(Value::Int32),
            Decoder::Int64 => number::parse(text, "bigint").map(Value::Int64),
            Decoder::Float32 => number::parse(text, "real").map(Value::Float32),
            Decoder::Float64 => number::parse(text, "double precision").map(Value::Float64),
            Decoder::Numeric { scale, mode } => number::numeric(text, *scale, *mode),
            Decoder::VariableNumeric(schema) => number::variable_scale(text, schema),
            Decoder::Money { digits, mode } => number::money(text, *digits, *mode, phase),
            Decoder::Bytea(mode) => binary::bytea(text, *mode),
            Decoder::Geometric(mode) => {
                Ok(binary::represented(Bytes::from(geometry::java_numbers(text).into_bytes()), *mode))
            }
            Decoder::Bit => Ok(Value::Bool(text == "1" || text == "true")),
            Decoder::Bits => Ok(binary::bits(text)),
            Decoder::Date(unit) => temporal::date(text, *unit, phase),
            Decoder::Time(unit) => temporal::time(text, *unit),
            Decoder::Timestamp(unit) => temporal::timestamp(text, *unit, phase),
            Decoder::TimestampTz(fraction) => temporal::timestamp_tz(text, *fraction, phase),
            Decoder::TimeTz => temporal::time_tz(text),
            Decoder::Interval { iso } => interval::interval(text, *iso),
            Decoder::Hstore(mode) => hstore::hstore(text, *mode),
            Decoder::Point(schema) => geometry::point(text, schema),
            Decoder::Ewkb(schema) => geometry::ewkb(text, schema),
            Decoder::Vector { doubles } => geometry::vector(text, *doubles),
            Decoder::Text | Decoder::Opaque(_) | Decoder::Array { .. } | Decoder::SnapshotOnly(_) | Decoder::Null => {
                Err(Error::bug("decode() handles this type itself"))
            }
        }
    }
}
