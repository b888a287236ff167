//! A column's representation: its schema, and what is needed to read its values.

use couplet_api::data::{Schema, SchemaBuilder, Struct, Type, Value};
use couplet_cdc::{self as cdc, BinaryMode, DecimalMode};
use couplet_mysql_schema::{Column, jdbc};

use super::charset::Charset;
use super::custom::Custom;
use super::native::Native;
use super::temporal::Unit;
use crate::config::ValueConfig;

/// What kind of value a column has.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A whole number of so many bits in the table, with or without sign.
    Int {
        /// Bits in the table.
        bits: u32,
        /// Without sign.
        unsigned: bool,
        /// How it is sent.
        target: Type,
    },
    /// BIGINT UNSIGNED as a decimal.
    BigDecimal,
    /// Sent as float.
    Float,
    /// FLOAT that is sent as double.
    FloatAsDouble,
    /// DOUBLE.
    Double,
    /// DECIMAL.
    Decimal(DecimalMode, i32),
    /// Text.
    Text(Charset),
    /// Bytes; short values are filled up to the length.
    Binary(BinaryMode, usize),
    /// One bit.
    Flag,
    /// Several bits.
    Bits,
    /// One of these.
    Enum(Vec<String>),
    /// Some of these.
    Set(Vec<String>),
    /// YEAR.
    Year,
    /// DATE.
    Date(Unit),
    /// TIME.
    Time(Unit),
    /// DATETIME.
    DateTime(Unit),
    /// TIMESTAMP with so many digits of a fraction.
    Timestamp(i32),
    /// JSON.
    Json,
    /// UUID and addresses of MariaDB.
    Native(Native),
    /// POINT.
    Point,
    /// Any other shape.
    Geometry,
}

/// Schema, way to read, and what stands for null where there must be a value.
#[derive(Debug, Clone)]
pub(crate) struct ColumnType {
    /// Kind.
    pub(crate) kind: Kind,
    /// Schema, not yet optional or with default.
    pub(crate) schema: SchemaBuilder,
    /// For null in a required column without default.
    pub(crate) fallback: Value,
    /// Whether two-digit years are completed.
    pub(crate) adjust_years: bool,
    /// What a custom converter makes of values.
    pub(super) custom: Option<Custom>,
}

/// Well-known binary of an empty collection of shapes.
const EMPTY_GEOMETRY: [u8; 9] = [1, 7, 0, 0, 0, 0, 0, 0, 0];

impl ColumnType {
    /// For `column`; `None`: columns of its type are left out.
    pub(crate) fn new(column: &Column, config: &ValueConfig) -> Option<Self> {
        let (kind, schema, fallback) = parts(column, config)?;
        Some(ColumnType { kind, schema, fallback, adjust_years: config.adjust_years, custom: None })
    }

    /// The same with values as `custom` makes them. Shapes stay what they are: no converter knows them.
    pub(crate) fn converted_by(self, custom: Custom, column: &Column) -> Self {
        if matches!(self.kind, Kind::Point | Kind::Geometry) {
            return self;
        }
        ColumnType { schema: custom.schema(column), fallback: custom.fallback(), custom: Some(custom), ..self }
    }
}

type Parts = (Kind, SchemaBuilder, Value);

fn parts(column: &Column, config: &ValueConfig) -> Option<Parts> {
    let name = column.type_name.to_uppercase();
    let base = name.split([' ', '(']).next().unwrap_or_default();
    if let Some(shape) = spatial(base) {
        return Some(shape);
    }
    if let Some(native) = Native::named(base) {
        return Some((Kind::Native(native), SchemaBuilder::new(Type::String), Value::str("")));
    }
    Some(match base {
        "JSON" => (Kind::Json, cdc::json(), Value::str("{}")),
        "YEAR" => {
            let schema = SchemaBuilder::new(Type::Int32).name("io.debezium.time.Year").version(1);
            (Kind::Year, schema, Value::Int32(0))
        }
        "ENUM" => {
            let options = options(column);
            (Kind::Enum(options.clone()), cdc::enumeration(&options.join(",")), Value::str(""))
        }
        "SET" => {
            let options = options(column);
            let schema = SchemaBuilder::new(Type::String).name("io.debezium.data.EnumSet").version(1);
            (Kind::Set(options.clone()), schema.parameter("allowed", options.join(",")), Value::str(""))
        }
        _ if column.jdbc_type == jdbc::FLOAT && column.scale.is_none() && column.length.is_none_or(|l| l <= 24) => {
            (Kind::Float, SchemaBuilder::new(Type::Float32), Value::Float32(0.0))
        }
        _ => match integer(base, &name, config) {
            Some(parts) => parts,
            None => by_jdbc_type(column, config)?,
        },
    })
}

/// Options without quotes, a comma inside one with a backslash, as Debezium names them.
fn options(column: &Column) -> Vec<String> {
    let bare = |text: &String| {
        let inner = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).unwrap_or(text);
        inner.replace("''", "'").replace(',', "\\,")
    };
    column.enum_values.iter().map(bare).collect()
}

fn integer(base: &str, name: &str, config: &ValueConfig) -> Option<Parts> {
    let unsigned = name.contains("UNSIGNED") || name.contains("ZEROFILL");
    let (bits, target) = match base {
        "TINYINT" | "INT1" => (8, Type::Int16),
        "SMALLINT" | "INT2" => (16, if unsigned { Type::Int32 } else { Type::Int16 }),
        "MEDIUMINT" | "INT3" | "MIDDLEINT" => (24, Type::Int32),
        "INT" | "INTEGER" | "INT4" => (32, if unsigned { Type::Int64 } else { Type::Int32 }),
        "BIGINT" | "INT8" | "SERIAL" if unsigned && config.bigint_unsigned_precise => {
            let zero = couplet_api::data::Decimal::new(0.into(), 0);
            return Some((Kind::BigDecimal, cdc::decimal(20, 0), Value::Decimal(zero.into())));
        }
        "BIGINT" | "INT8" | "SERIAL" => (64, Type::Int64),
        _ => return None,
    };
    let zero = match target {
        Type::Int16 => Value::Int16(0),
        Type::Int32 => Value::Int32(0),
        _ => Value::Int64(0),
    };
    Some((Kind::Int { bits, unsigned, target }, SchemaBuilder::new(target), zero))
}

fn spatial(base: &str) -> Option<Parts> {
    let (kind, schema) = match base {
        "POINT" => (Kind::Point, cdc::point()),
        "GEOMETRY" | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING" | "MULTIPOLYGON"
        | "GEOMETRYCOLLECTION" | "GEOMCOLLECTION" => (Kind::Geometry, cdc::geometry()),
        _ => return None,
    };
    let built = schema.clone().build();
    let empty = Value::Bytes(EMPTY_GEOMETRY.to_vec().into());
    let fields: Vec<Value> = built
        .fields()
        .iter()
        .map(|field| match field.name() {
            "wkb" => empty.clone(),
            "x" | "y" => Value::Float64(0.0),
            _ => Value::Null,
        })
        .collect();
    Some((kind, schema, Struct::new(built, fields).into()))
}

fn by_jdbc_type(column: &Column, config: &ValueConfig) -> Option<Parts> {
    let length = column.length.unwrap_or(-1);
    Some(match column.jdbc_type {
        jdbc::BIT if length > 1 => {
            (Kind::Bits, cdc::bits(length), Value::Bytes(vec![0; usize::try_from(length).ok()?.div_ceil(8)].into()))
        }
        jdbc::BIT | jdbc::BOOLEAN => (Kind::Flag, SchemaBuilder::new(Type::Boolean), Value::Bool(false)),
        jdbc::BLOB | jdbc::BINARY | jdbc::VARBINARY => {
            let fill = if column.jdbc_type == jdbc::BINARY { usize::try_from(length).unwrap_or(0) } else { 0 };
            let (schema, fallback) = match config.binary {
                BinaryMode::Bytes => (SchemaBuilder::new(Type::Bytes), Value::Bytes(bytes::Bytes::new())),
                _ => (SchemaBuilder::new(Type::String), Value::str("")),
            };
            (Kind::Binary(config.binary, fill), schema, fallback)
        }
        jdbc::SMALLINT => integer("SMALLINT", "", config)?,
        jdbc::INTEGER => integer("INT", "", config)?,
        jdbc::BIGINT => integer("BIGINT", "", config)?,
        jdbc::REAL => (Kind::Float, SchemaBuilder::new(Type::Float32), Value::Float32(0.0)),
        jdbc::FLOAT => (Kind::FloatAsDouble, SchemaBuilder::new(Type::Float64), Value::Float64(0.0)),
        jdbc::DOUBLE => (Kind::Double, SchemaBuilder::new(Type::Float64), Value::Float64(0.0)),
        jdbc::NUMERIC | jdbc::DECIMAL => {
            let (precision, scale) = (column.length.unwrap_or(10), column.scale.unwrap_or(0));
            decimal(config.decimal, precision, scale)
        }
        jdbc::CHAR | jdbc::VARCHAR | jdbc::NCHAR | jdbc::NVARCHAR => {
            let charset = Charset::named(column.charset.as_deref());
            (Kind::Text(charset), SchemaBuilder::new(Schema::string().kind()), Value::str(""))
        }
        jdbc::DATE => {
            let unit = Unit::of_date(config.time);
            (Kind::Date(unit), unit.date_schema(), unit.date(0))
        }
        jdbc::TIME => {
            let unit = Unit::of_time(config.time);
            (Kind::Time(unit), unit.time_schema(), unit.time(0))
        }
        jdbc::TIMESTAMP => {
            let unit = Unit::of_datetime(config.time, length);
            (Kind::DateTime(unit), unit.datetime_schema(), unit.datetime(0, 0))
        }
        jdbc::TIMESTAMP_WITH_TIMEZONE => {
            (Kind::Timestamp(length.max(0)), cdc::zoned_timestamp(), Value::str("1970-01-01T00:00:00Z"))
        }
        _ => return None,
    })
}

fn decimal(mode: DecimalMode, precision: i32, scale: i32) -> Parts {
    let kind = Kind::Decimal(mode, scale);
    match mode {
        DecimalMode::Precise => {
            let zero = couplet_api::data::Decimal::new(0.into(), scale);
            (kind, cdc::decimal(precision, scale), Value::Decimal(zero.into()))
        }
        DecimalMode::String => (kind, SchemaBuilder::new(Type::String), Value::str("0")),
        DecimalMode::Double => (kind, SchemaBuilder::new(Type::Float64), Value::Float64(0.0)),
    }
}
