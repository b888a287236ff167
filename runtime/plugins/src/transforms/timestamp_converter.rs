use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, one_of};
use couplet_api::data::{DATE, Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, TIME, TIMESTAMP, Type, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, copy_basics, fields_of, require_map, require_struct, values};
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;
use crate::java::{DateFormat, HashMapOrder, class_of};

config_def! {
    /// Settings of TimestampConverter.
    struct TimestampConverterConfig {
        /// The field to convert; the whole key or value when empty.
        field: Str = "field", High, default "";
        /// What timestamps become: string, unix, Date, Time or Timestamp.
        target_type: Str = "target.type", High, required, one_of(&["string", "unix", "Date", "Time", "Timestamp"]);
        /// Pattern of timestamps in text, as Java's SimpleDateFormat reads it; the time zone is UTC.
        format: Str = "format", Medium, default "";
        /// Unit of unix timestamps: seconds, milliseconds, microseconds or nanoseconds. Parts of a millisecond are lost.
        unix_precision: Str = "unix.precision", Low, default "milliseconds",
            one_of(&["nanoseconds", "microseconds", "milliseconds", "seconds"]);
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    TimestampConverterConfig::config_def()
}

const PURPOSE: &str = "converting timestamp formats";
const DAY_MS: i64 = 86_400_000;

/// Forms that a timestamp has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    String,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl Form {
    fn named(name: &str) -> Self {
        match name {
            "string" => Form::String,
            "unix" => Form::Unix,
            "Date" => Form::Date,
            "Time" => Form::Time,
            _ => Form::Timestamp,
        }
    }

    /// The form of values of `schema`.
    fn of_schema(schema: &Schema) -> Result<Self> {
        Ok(match (schema.name(), schema.kind()) {
            (Some(TIMESTAMP), _) => Form::Timestamp,
            (Some(DATE), _) => Form::Date,
            (Some(TIME), _) => Form::Time,
            (_, Type::String) => Form::String,
            (_, Type::Int64) => Form::Unix,
            _ => {
                return Err(Error::data(format!(
                    "Schema {schema} does not correspond to a known timestamp type format"
                ))
                .with_class("org.apache.kafka.connect.errors.ConnectException"));
            }
        })
    }

    /// The form of a value without a schema.
    fn of_value(value: &Value) -> Result<Self> {
        Ok(match value {
            Value::Date(_) => Form::Timestamp,
            Value::Int64(_) => Form::Unix,
            Value::Str(_) => Form::String,
            other => {
                let class = class_of(other);
                return Err(Error::data(format!(
                    "TimestampConverter does not support class {class} objects as timestamps"
                )));
            }
        })
    }

    fn schema(self, optional: bool) -> SchemaRef {
        let builder = match self {
            Form::String => SchemaBuilder::new(Type::String),
            Form::Unix => SchemaBuilder::new(Type::Int64),
            Form::Date => SchemaBuilder::date(),
            Form::Time => SchemaBuilder::time(),
            Form::Timestamp => SchemaBuilder::timestamp(),
        };
        builder.optional_if(optional).build()
    }
}

/// Changes the form of timestamps.
struct TimestampConverter {
    side: Side,
    field: String,
    target: Form,
    format: Option<DateFormat>,
    /// How many of the unit make a second.
    unix_per_second: i64,
    replace_null_with_default: bool,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(TimestampConverterConfig::parse, TimestampConverterConfig::config_def, props)?;
    let target = Form::named(&config.target_type);
    let has_format = !config.format.trim().is_empty();
    if target == Form::String && !has_format {
        return Err(Error::config(
            "TimestampConverter requires format option to be specified when using string timestamps",
        ));
    }
    let bad_format = |problem: String| {
        Error::config(format!(
            "Invalid value java.lang.IllegalArgumentException: {problem} for configuration TimestampConverter requires a \
             SimpleDateFormat-compatible pattern for string timestamps: {}",
            config.format
        ))
    };
    let format = if has_format { Some(DateFormat::new(&config.format).map_err(bad_format)?) } else { None };
    let unix_per_second = match &*config.unix_precision {
        "seconds" => 1,
        "microseconds" => 1_000_000,
        "nanoseconds" => 1_000_000_000,
        _ => 1000,
    };
    Ok(Arc::new(TimestampConverter {
        side,
        field: config.field,
        target,
        format,
        unix_per_second,
        replace_null_with_default: config.replace_null_with_default,
        schemas: SchemaCache::new(),
    }))
}

impl Transform for TimestampConverter {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        let converted = match &datum.schema {
            Some(schema) => self.with_schema(schema, &datum.value)?,
            None => self.schemaless(&datum.value)?,
        };
        Ok(Some(self.side.with(record, converted)))
    }
}

impl TimestampConverter {
    fn schemaless(&self, value: &Value) -> Result<Datum> {
        let convert = |value: &Value| match value {
            Value::Null => Ok(Value::Null),
            value => self.convert(value, Form::of_value(value)?),
        };
        if value.is_null() || self.field.is_empty() {
            return Ok(Datum::schemaless(convert(value)?));
        }
        let mut map = HashMapOrder::copy_of(require_map(value, PURPOSE)?);
        map.put(self.field.as_str(), convert(value.get(&self.field).unwrap_or(&Value::Null))?);
        Ok(Datum::schemaless(map.into_value()))
    }

    fn with_schema(&self, schema: &SchemaRef, value: &Value) -> Result<Datum> {
        if self.field.is_empty() {
            let form = Form::of_schema(schema)?;
            return Ok(Datum::new(self.target.schema(schema.is_optional()), self.convert(value, form)?));
        }
        let row = if value.is_null() { None } else { Some(require_struct(value, PURPOSE)?) };
        let updated = self.schemas.get(schema, || self.schema(schema))?;
        let value = row.map_or(Ok(Value::Null), |row| self.row(row, &updated))?;
        Ok(Datum::new(updated, value))
    }

    fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let field_schema = |field: &couplet_api::data::Field| match field.name() == self.field {
            true => self.target.schema(field.schema().is_optional()),
            false => field.schema().clone(),
        };
        let fields = fields_of(schema)?.iter();
        let builder = fields.fold(copy_basics(schema), |b, f| b.field(f.name(), field_schema(f)));
        let builder = builder.optional_if(schema.is_optional());
        match schema.default().and_then(Value::as_struct) {
            None => Ok(builder.build()),
            Some(row) => {
                let default = self.row(row, &builder.clone().build())?;
                Ok(builder.default(default).build())
            }
        }
    }

    fn row(&self, row: &Struct, schema: &SchemaRef) -> Result<Value> {
        let converted = values(row, self.replace_null_with_default).map(|(field, value)| {
            if field.name() == self.field { self.convert(&value, Form::of_schema(field.schema())?) } else { Ok(value) }
        });
        build(schema, converted.collect::<Result<Vec<_>>>()?)
    }

    fn convert(&self, value: &Value, form: Form) -> Result<Value> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let ms = self.to_ms(value, form)?;
        Ok(match self.target {
            Form::String => Value::from(self.format.as_ref().map(|f| f.format(ms)).unwrap_or_default()),
            Form::Unix => Value::Int64(self.to_unix(ms)),
            Form::Date => Value::Date(ms.wrapping_sub(ms.rem_euclid(DAY_MS))),
            Form::Time => Value::Date(ms.rem_euclid(DAY_MS)),
            Form::Timestamp => Value::Date(ms),
        })
    }

    /// Units are cut off towards zero and stop at the ends of the range, as Java's `TimeUnit` does.
    fn to_unix(&self, ms: i64) -> i64 {
        match self.unix_per_second {
            1 => ms / 1000,
            units => ms.saturating_mul(units / 1000),
        }
    }

    fn to_ms(&self, value: &Value, form: Form) -> Result<i64> {
        let class = class_of(value);
        match (form, value) {
            (Form::String, Value::Str(text)) => self.parse(text),
            (Form::Unix, Value::Int64(units)) => Ok(match self.unix_per_second {
                1 => units.saturating_mul(1000),
                per_second => units / (per_second / 1000),
            }),
            (Form::Date | Form::Time | Form::Timestamp, Value::Date(ms)) => Ok(*ms),
            (Form::String, _) => {
                Err(Error::data(format!("Expected string timestamp to be a String, but found class {class}")))
            }
            (Form::Unix, _) => {
                Err(Error::data(format!("Expected Unix timestamp to be a Long, but found class {class}")))
            }
            (form, _) => Err(Error::data(format!("Expected {form:?} to be a java.util.Date, but found class {class}"))),
        }
    }

    fn parse(&self, text: &str) -> Result<i64> {
        let Some(format) = &self.format else {
            return Err(Error::data(
                "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \
                 \"config.format\" is null",
            )
            .with_class("java.lang.NullPointerException"));
        };
        format.parse(text).map_err(|problem| {
            let pattern = format.pattern();
            Error::data(format!("Could not parse timestamp: value ({text}) does not match pattern ({pattern})"))
                .caused_by(Error::data(problem).with_class("java.text.ParseException"))
        })
    }
}
