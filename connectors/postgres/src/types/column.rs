//! Which schema, decoder, and stand-in values a column gets from its type and the user's settings.

use bytes::Bytes;
use couplet_api::data::{Schema, SchemaBuilder, SchemaRef, Type, Value};
use couplet_cdc as cdc;
use couplet_cdc::time::Fraction;
use couplet_cdc::{BinaryMode, DecimalMode};
use md5::{Digest, Md5};

use super::temporal::Unit;
use super::{Decoder, PgType, Phase, TypeRegistry, binary, geometry, hstore, oid};
use crate::config::{HstoreMode, ValueConfig};

/// Length of a `numeric` without precision, as the driver reports it.
const UNLIMITED_NUMERIC: i32 = 131_089;

/// How values of a column are represented.
#[derive(Debug, Clone)]
pub(crate) struct ColumnType {
    /// Schema, not yet optional, without default.
    pub(crate) schema: SchemaBuilder,
    /// Reader of the text form.
    pub(crate) decoder: Decoder,
    /// Stands for a missing value of a required column.
    pub(crate) fallback: Value,
}

impl ColumnType {
    /// The representation of a column whose root type is `root`; `None` when it is left out of events.
    pub(crate) fn new(
        types: &TypeRegistry,
        root: &PgType,
        length: i32,
        scale: i32,
        config: &ValueConfig,
    ) -> Option<Self> {
        if let Some(element) = root.element {
            return array(types, element, length, scale, config);
        }
        scalar(root, length, scale, config).or_else(|| config.unknown.then(|| unknown(root.oid, config)))
    }
}

fn column(schema: SchemaBuilder, decoder: Decoder, fallback: impl Into<Value>) -> ColumnType {
    ColumnType { schema, decoder, fallback: fallback.into() }
}

fn plain(kind: Type) -> SchemaBuilder {
    SchemaBuilder::new(kind)
}

fn text(schema: SchemaBuilder) -> ColumnType {
    column(schema, Decoder::Text, "")
}

fn scalar(root: &PgType, length: i32, scale: i32, config: &ValueConfig) -> Option<ColumnType> {
    Some(match root.oid {
        oid::BOOL => column(plain(Type::Boolean), Decoder::Bool, false),
        oid::INT2 => column(plain(Type::Int16), Decoder::Int16, 0_i16),
        oid::INT4 => column(plain(Type::Int32), Decoder::Int32, 0_i32),
        oid::INT8 | oid::OID => column(plain(Type::Int64), Decoder::Int64, 0_i64),
        oid::FLOAT4 => column(plain(Type::Float32), Decoder::Float32, 0_f32),
        oid::FLOAT8 => column(plain(Type::Float64), Decoder::Float64, 0_f64),
        oid::NUMERIC => numeric(length, scale, config.decimal),
        oid::MONEY => money(config),
        oid::BYTEA => column(
            binary_schema(config.binary),
            Decoder::Bytea(config.binary),
            binary::represented(Bytes::new(), config.binary),
        ),
        oid::BIT | oid::VARBIT if length > 1 => column(cdc::bits(length), Decoder::Bits, Bytes::new()),
        oid::BIT | oid::VARBIT => column(plain(Type::Boolean), Decoder::Bit, false),
        oid::DATE => temporal(Decoder::Date(Unit::of_date(config.time)), Unit::of_date(config.time)),
        oid::TIME => temporal(Decoder::Time(Unit::of_time(config.time, scale)), Unit::of_time(config.time, scale)),
        oid::TIMESTAMP => {
            let unit = Unit::of_timestamp(config.time, scale);
            temporal(Decoder::Timestamp(unit), unit)
        }
        oid::TIMESTAMPTZ => {
            let fraction = usize::try_from(scale).ok().filter(|s| (1..=9).contains(s));
            let fraction = fraction.map_or(Fraction::Shortest, Fraction::Fixed);
            column(cdc::zoned_timestamp(), Decoder::TimestampTz(fraction), "1970-01-01T00:00:00Z")
        }
        oid::TIMETZ => column(cdc::zoned_time(), Decoder::TimeTz, "00:00:00Z"),
        oid::INTERVAL if config.interval_text => {
            column(cdc::interval(), Decoder::Interval { iso: true }, "P0Y0M0DT0H0M0S")
        }
        oid::INTERVAL => column(cdc::micro_duration(), Decoder::Interval { iso: false }, 0_i64),
        oid::JSON | oid::JSONB => text(cdc::json()),
        oid::XML => text(cdc::xml()),
        oid::UUID => text(cdc::uuid()),
        oid::TSVECTOR => text(cdc::tsvector()),
        oid::POINT => {
            let schema = cdc::point().build();
            let fallback = geometry::point_value(0.0, 0.0, &schema);
            column(cdc::point(), Decoder::Point(cdc::point().optional().build()), fallback)
        }
        oid::NAME => ColumnType {
            decoder: if config.unknown { Decoder::Text } else { Decoder::SnapshotOnly(Box::new(Decoder::Text)) },
            ..text(plain(Type::String))
        },
        _ if is_text(root.oid) => text(plain(Type::String)),
        _ => return named(root, config),
    })
}

const fn is_text(type_oid: u32) -> bool {
    matches!(
        type_oid,
        oid::CHAR
            | oid::TEXT
            | oid::BPCHAR
            | oid::VARCHAR
            | oid::INET
            | oid::CIDR
            | oid::MACADDR
            | oid::MACADDR8
            | oid::INT4RANGE
            | oid::INT8RANGE
            | oid::NUMRANGE
            | oid::TSRANGE
            | oid::TSTZRANGE
            | oid::DATERANGE
    )
}

/// Types of extensions and of users: known by name.
fn named(root: &PgType, config: &ValueConfig) -> Option<ColumnType> {
    if let Some(labels) = &root.labels {
        return Some(text(cdc::enumeration(labels)));
    }
    Some(match &*root.name {
        "citext" | "isbn" => text(plain(Type::String)),
        "ltree" => text(cdc::ltree()),
        "hstore" if config.hstore == HstoreMode::Json => column(cdc::json(), Decoder::Hstore(HstoreMode::Json), "{}"),
        "hstore" => {
            let map = SchemaBuilder::map(Schema::string(), Schema::optional_string());
            column(map, Decoder::Hstore(HstoreMode::Map), Value::Map([].into()))
        }
        "geometry" => ewkb(cdc::geometry),
        "geography" => ewkb(cdc::geography),
        "vector" => vector("io.debezium.data.DoubleVector", Schema::float64(), true),
        "halfvec" => vector("io.debezium.data.FloatVector", Schema::float32(), false),
        _ => return None,
    })
}

fn ewkb(schema: fn() -> SchemaBuilder) -> ColumnType {
    column(schema(), Decoder::Ewkb(schema().optional().build()), Value::Null)
}

fn vector(name: &str, item: SchemaRef, doubles: bool) -> ColumnType {
    let schema = SchemaBuilder::array(item).name(name).version(1);
    column(schema, Decoder::Vector { doubles }, Value::Array([].into()))
}

fn numeric(length: i32, scale: i32, mode: DecimalMode) -> ColumnType {
    let unlimited = matches!(length, 0 | UNLIMITED_NUMERIC) && scale == 0;
    if mode == DecimalMode::Precise && unlimited {
        let schema = cdc::variable_scale_decimal().optional().build();
        let decoder = Decoder::VariableNumeric(schema);
        let fallback = decoder.decode_text("0", Phase::Stream).unwrap_or_default();
        return column(cdc::variable_scale_decimal(), decoder, fallback);
    }
    let schema = match mode {
        DecimalMode::Precise => cdc::decimal(length, scale),
        DecimalMode::String => plain(Type::String),
        DecimalMode::Double => plain(Type::Float64),
    };
    let decoder = Decoder::Numeric { scale: (length != UNLIMITED_NUMERIC).then_some(scale), mode };
    let fallback = decoder.decode_text("0", Phase::Stream).unwrap_or_default();
    column(schema, decoder, fallback)
}

fn money(config: &ValueConfig) -> ColumnType {
    let schema = match config.decimal {
        DecimalMode::Precise => SchemaBuilder::decimal(config.money_digits),
        DecimalMode::String => plain(Type::String),
        DecimalMode::Double => plain(Type::Float64),
    };
    let decoder = Decoder::Money { digits: config.money_digits, mode: config.decimal };
    let zero = match config.money_digits {
        digits @ 1.. => format!("0.{:0>width$}", "", width = digits.unsigned_abs() as usize),
        _ => "0".to_owned(),
    };
    let fallback = decoder.decode_text(zero, Phase::Stream).unwrap_or_default();
    column(schema, decoder, fallback)
}

fn temporal(decoder: Decoder, unit: Unit) -> ColumnType {
    let (schema, fallback): (SchemaBuilder, Value) = match (&decoder, unit) {
        (Decoder::Date(_), Unit::Connect) => (SchemaBuilder::date(), Value::Date(0)),
        (Decoder::Date(_), Unit::Iso) => (cdc::iso_date(), Value::str("1970-01-01Z")),
        (Decoder::Date(_), _) => (cdc::date(), Value::Int32(0)),
        (Decoder::Time(_), Unit::Connect) => (SchemaBuilder::time(), Value::Date(0)),
        (Decoder::Time(_), Unit::Iso) => (cdc::iso_time(), Value::str("00:00:00Z")),
        (Decoder::Time(_), Unit::Millis) => (cdc::time(), Value::Int32(0)),
        (Decoder::Time(_), Unit::Micros) => (cdc::micro_time(), Value::Int64(0)),
        (Decoder::Time(_), Unit::Nanos) => (cdc::nano_time(), Value::Int64(0)),
        (_, Unit::Connect) => (SchemaBuilder::timestamp(), Value::Date(0)),
        (_, Unit::Iso) => (cdc::iso_timestamp(), Value::str("1970-01-01T00:00:00Z")),
        (_, Unit::Millis) => (cdc::timestamp(), Value::Int64(0)),
        (_, Unit::Micros) => (cdc::micro_timestamp(), Value::Int64(0)),
        (_, Unit::Nanos) => (cdc::nano_timestamp(), Value::Int64(0)),
    };
    column(schema, decoder, fallback)
}

fn binary_schema(mode: BinaryMode) -> SchemaBuilder {
    plain(if mode == BinaryMode::Bytes { Type::Bytes } else { Type::String })
}

fn unknown(type_oid: u32, config: &ValueConfig) -> ColumnType {
    let geometric = matches!(type_oid, oid::BOX | oid::LINE | oid::LSEG | oid::PATH | oid::POLYGON | oid::CIRCLE);
    let decoder = if geometric { Decoder::Geometric(config.binary) } else { Decoder::Opaque(config.binary) };
    column(binary_schema(config.binary), decoder, binary::represented(Bytes::new(), config.binary))
}

fn array(types: &TypeRegistry, element_oid: u32, length: i32, scale: i32, config: &ValueConfig) -> Option<ColumnType> {
    let nothing = || Value::Array([].into());
    match element_oid {
        // Debezium has a schema for bit[] and nothing that reads it.
        oid::BIT => {
            let schema = if length > 1 { cdc::bits(length) } else { plain(Type::Boolean) };
            return Some(column(schema, Decoder::Null, Value::Null));
        }
        oid::MONEY | oid::NAME | oid::INTERVAL | oid::VARBIT | oid::XML | oid::POINT | oid::REFCURSOR => return None,
        _ => {}
    }
    let element_type = types.get(element_oid);
    let known = scalar(&element_type, length, scale, config);
    let built_in = known.is_some() && element_type.labels.is_none();
    let element = known.or_else(|| config.unknown.then(|| unknown(element_oid, config)))?;
    // Elements of enums and unknown types are required, so a null among them spoils the whole array.
    let item = element.schema.optional_if(built_in).build();
    let decoder = Decoder::Array { element: Box::new(element.decoder), nulls: built_in };
    Some(column(SchemaBuilder::array(item), decoder, nothing()))
}

impl ColumnType {
    /// What stands for a large value that did not change and was not sent; `type_name`: the column's declared type.
    pub(crate) fn placeholder(&self, type_name: &str, config: &ValueConfig) -> Value {
        let bytes = || Bytes::from(config.placeholder.clone());
        let string = || Value::str(String::from_utf8_lossy(&config.placeholder).into_owned());
        let list = |value: Value| Value::Array([value].into());
        let numbers = |number: fn(u8) -> Value| Value::Array(config.placeholder.iter().map(|b| number(*b)).collect());
        match (&self.decoder, type_name) {
            (Decoder::Array { .. }, "_text" | "_varchar" | "_bpchar" | "_json" | "_jsonb") => list(string()),
            (Decoder::Array { .. }, "_bytea") => list(binary::represented(bytes(), config.binary)),
            (Decoder::Array { .. }, "_int4" | "_date") => numbers(|b| Value::Int32(i32::from(b.cast_signed()))),
            (Decoder::Array { .. }, "_int8") => numbers(|b| Value::Int64(i64::from(b.cast_signed()))),
            (Decoder::Array { .. }, "_uuid") => list(Value::str(name_uuid(&config.placeholder))),
            (Decoder::Hstore(mode), _) => hstore::placeholder(&String::from_utf8_lossy(&config.placeholder), *mode),
            (Decoder::Bytea(BinaryMode::Bytes) | Decoder::Opaque(BinaryMode::Bytes), _) => Value::Bytes(bytes()),
            (Decoder::Text | Decoder::Bytea(_) | Decoder::Opaque(_), _) => string(),
            _ => self.fallback.clone(),
        }
    }
}

/// `UUID.nameUUIDFromBytes`: the MD5 of the name with version 3 and the RFC's variant.
fn name_uuid(name: &[u8]) -> String {
    let mut digest: [u8; 16] = Md5::digest(name).into();
    digest[6] = digest[6] & 0x0f | 0x30;
    digest[8] = digest[8] & 0x3f | 0x80;
    let hex = hex::encode(digest);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use couplet_cdc::TimeMode;

    use super::*;

    fn config() -> ValueConfig {
        ValueConfig {
            decimal: DecimalMode::Precise,
            time: TimeMode::Adaptive,
            binary: BinaryMode::Bytes,
            hstore: HstoreMode::Json,
            interval_text: false,
            unknown: false,
            money_digits: 2,
            placeholder: b"__x".to_vec(),
        }
    }

    fn pg(oid: u32, name: &str, element: Option<u32>, labels: Option<&str>) -> PgType {
        PgType { oid, name: name.into(), element, base: None, modifier: -1, labels: labels.map(str::to_owned) }
    }

    #[test]
    fn types_become_the_schemas_of_debezium() {
        let types = TypeRegistry::of([pg(oid::INT4, "int4", None, None), pg(9000, "mood", None, Some("a,b"))]);
        let rows = [
            (pg(oid::INT8, "int8", None, None), 19, 0, Some((Type::Int64, None))),
            (
                pg(oid::NUMERIC, "numeric", None, None),
                10,
                2,
                Some((Type::Bytes, Some("org.apache.kafka.connect.data.Decimal"))),
            ),
            (
                pg(oid::NUMERIC, "numeric", None, None),
                131_089,
                0,
                Some((Type::Struct, Some("io.debezium.data.VariableScaleDecimal"))),
            ),
            (
                pg(oid::TIMESTAMP, "timestamp", None, None),
                26,
                3,
                Some((Type::Int64, Some("io.debezium.time.Timestamp"))),
            ),
            (
                pg(oid::TIMESTAMP, "timestamp", None, None),
                29,
                6,
                Some((Type::Int64, Some("io.debezium.time.MicroTimestamp"))),
            ),
            (pg(1007, "_int4", Some(oid::INT4), None), 10, 0, Some((Type::Array, None))),
            (pg(791, "_money", Some(oid::MONEY), None), 0, 0, None),
            (pg(9000, "mood", None, Some("a,b")), 0, 0, Some((Type::String, Some("io.debezium.data.Enum")))),
            (pg(oid::BOX, "box", None, None), 0, 0, None),
        ];
        for (root, length, scale, want) in rows {
            let got = ColumnType::new(&types, &root, length, scale, &config()).map(|c| c.schema.build());
            let got = got.as_ref().map(|s| (s.kind(), s.name()));
            assert_eq!(got, want, "{}", root.name);
        }
    }

    #[test]
    fn placeholders_have_the_form_of_their_type() {
        let types = TypeRegistry::of([pg(oid::INT4, "int4", None, None), pg(oid::TEXT, "text", None, None)]);
        let of = |root: PgType| {
            let column = ColumnType::new(&types, &root, 0, 0, &config()).expect("known");
            column.placeholder(&root.name, &config())
        };
        assert_eq!(of(pg(oid::TEXT, "text", None, None)), Value::str("__x"));
        assert_eq!(of(pg(oid::BYTEA, "bytea", None, None)), Value::Bytes(Bytes::from_static(b"__x")));
        assert_eq!(of(pg(1009, "_text", Some(oid::TEXT), None)), Value::Array([Value::str("__x")].into()));
        let codes = Value::Array([95, 95, 120].map(Value::Int32).into());
        assert_eq!(of(pg(1007, "_int4", Some(oid::INT4), None)), codes);
    }
}
