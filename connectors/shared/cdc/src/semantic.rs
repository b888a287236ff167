//! Builders of Debezium's semantic types: a Connect type with a name that says how to read the value.

use couplet_api::data::{Schema, SchemaBuilder, Type};

fn named(kind: Type, name: &str) -> SchemaBuilder {
    SchemaBuilder::new(kind).name(name).version(1)
}

/// Days since the epoch.
pub fn date() -> SchemaBuilder {
    named(Type::Int32, "io.debezium.time.Date")
}

/// Milliseconds past midnight.
pub fn time() -> SchemaBuilder {
    named(Type::Int32, "io.debezium.time.Time")
}

/// Microseconds past midnight.
pub fn micro_time() -> SchemaBuilder {
    named(Type::Int64, "io.debezium.time.MicroTime")
}

/// Nanoseconds past midnight.
pub fn nano_time() -> SchemaBuilder {
    named(Type::Int64, "io.debezium.time.NanoTime")
}

/// Milliseconds since the epoch, without a time zone.
pub fn timestamp() -> SchemaBuilder {
    named(Type::Int64, "io.debezium.time.Timestamp")
}

/// Microseconds since the epoch, without a time zone.
pub fn micro_timestamp() -> SchemaBuilder {
    named(Type::Int64, "io.debezium.time.MicroTimestamp")
}

/// Nanoseconds since the epoch, without a time zone.
pub fn nano_timestamp() -> SchemaBuilder {
    named(Type::Int64, "io.debezium.time.NanoTimestamp")
}

/// ISO 8601 date with `Z`.
pub fn iso_date() -> SchemaBuilder {
    named(Type::String, "io.debezium.time.IsoDate")
}

/// ISO 8601 time of day with `Z`.
pub fn iso_time() -> SchemaBuilder {
    named(Type::String, "io.debezium.time.IsoTime")
}

/// ISO 8601 date and time with `Z`.
pub fn iso_timestamp() -> SchemaBuilder {
    named(Type::String, "io.debezium.time.IsoTimestamp")
}

/// ISO 8601 date and time in UTC.
pub fn zoned_timestamp() -> SchemaBuilder {
    named(Type::String, "io.debezium.time.ZonedTimestamp")
}

/// ISO 8601 time of day in UTC.
pub fn zoned_time() -> SchemaBuilder {
    named(Type::String, "io.debezium.time.ZonedTime")
}

/// Approximate length in microseconds.
pub fn micro_duration() -> SchemaBuilder {
    named(Type::Int64, "io.debezium.time.MicroDuration")
}

/// ISO 8601 duration.
pub fn interval() -> SchemaBuilder {
    named(Type::String, "io.debezium.time.Interval")
}

/// JSON text.
pub fn json() -> SchemaBuilder {
    named(Type::String, "io.debezium.data.Json")
}

/// XML text.
pub fn xml() -> SchemaBuilder {
    named(Type::String, "io.debezium.data.Xml")
}

/// UUID text.
pub fn uuid() -> SchemaBuilder {
    named(Type::String, "io.debezium.data.Uuid")
}

/// Text of a text-search vector.
pub fn tsvector() -> SchemaBuilder {
    named(Type::String, "io.debezium.data.Tsvector")
}

/// Path of a label tree.
pub fn ltree() -> SchemaBuilder {
    named(Type::String, "io.debezium.data.Ltree")
}

/// One of `allowed`, a comma-separated list.
pub fn enumeration(allowed: &str) -> SchemaBuilder {
    named(Type::String, "io.debezium.data.Enum").parameter("allowed", allowed)
}

/// `length` bits, little-endian.
pub fn bits(length: i32) -> SchemaBuilder {
    named(Type::Bytes, "io.debezium.data.Bits").parameter("length", length.to_string())
}

/// Connect's Decimal with the column's precision.
pub fn decimal(precision: i32, scale: i32) -> SchemaBuilder {
    SchemaBuilder::decimal(scale).parameter("connect.decimal.precision", precision.to_string())
}

/// A decimal with its own scale.
pub fn variable_scale_decimal() -> SchemaBuilder {
    named(Type::Struct, "io.debezium.data.VariableScaleDecimal")
        .doc("Variable scaled decimal")
        .field("scale", Schema::int32())
        .field("value", Schema::bytes())
}

/// A point with coordinates and well-known binary.
pub fn point() -> SchemaBuilder {
    named(Type::Struct, "io.debezium.data.geometry.Point")
        .doc("Geometry (POINT)")
        .field("x", Schema::float64())
        .field("y", Schema::float64())
        .field("wkb", Schema::optional_bytes())
        .field("srid", Schema::optional_int32())
}

/// A geometry in well-known binary.
pub fn geometry() -> SchemaBuilder {
    named(Type::Struct, "io.debezium.data.geometry.Geometry")
        .doc("Geometry")
        .field("wkb", Schema::bytes())
        .field("srid", Schema::optional_int32())
}

/// A geography in well-known binary.
pub fn geography() -> SchemaBuilder {
    named(Type::Struct, "io.debezium.data.geometry.Geography")
        .doc("Geography")
        .field("wkb", Schema::bytes())
        .field("srid", Schema::optional_int32())
}
