use couplet_api::data::{SinkRecord, TIMESTAMP, Type, Value};
use couplet_api::{Error, Result};

use super::nested::{schema_at, value_at};
use super::unplaced;
use crate::joda::{Zone, parse_millis};

/// Where the time of a record comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimestampExtractor {
    /// The clock when the batch is written. Not a function of the record: no exactly-once.
    Wallclock,
    /// The record's Kafka timestamp.
    Record,
    /// A field of the value, named by its path.
    RecordField(String),
}

/// How Java names the nested classes of the built-in extractors.
const CLASS_PREFIX: &str = "io.confluent.connect.storage.partitioner.TimeBasedPartitioner$";

impl TimestampExtractor {
    /// The extractor called `name` (short name or class); `field` is for `RecordField`.
    pub fn from_name(name: &str, field: &str) -> Option<Self> {
        let short = name.strip_prefix(CLASS_PREFIX).and_then(|n| n.strip_suffix("TimestampExtractor")).unwrap_or(name);
        match short {
            "Wallclock" => Some(TimestampExtractor::Wallclock),
            "Record" => Some(TimestampExtractor::Record),
            "RecordField" => Some(TimestampExtractor::RecordField(field.to_owned())),
            _ => None,
        }
    }

    /// Milliseconds since the epoch; `None` for a record without a timestamp.
    ///
    /// # Errors
    /// `Kind::Data` when the field is missing or holds no time.
    pub fn extract(&self, record: &SinkRecord, now_ms: i64) -> Result<Option<i64>> {
        match self {
            TimestampExtractor::Wallclock => Ok(Some(now_ms)),
            TimestampExtractor::Record => Ok(record.record.timestamp),
            TimestampExtractor::RecordField(path) => field_time(record, path).map(Some),
        }
    }
}

fn field_time(record: &SinkRecord, path: &str) -> Result<i64> {
    let datum = &record.record.value;
    let unusable = || unplaced(format!("Error extracting timestamp from record field: {path}"));
    match (&datum.value, &datum.schema) {
        (Value::Struct(_), Some(schema)) => {
            let value = value_at(&datum.value, path)?;
            let field = schema_at(schema, path).ok_or_else(unusable)?.schema();
            match (field.kind(), value) {
                (_, Value::Date(ms)) if field.name() == Some(TIMESTAMP) => Ok(*ms),
                (Type::Int32 | Type::Int64, _) => value.as_i64().ok_or_else(unusable),
                (Type::String, Value::Str(text)) => text_time(text),
                _ => Err(unusable()),
            }
        }
        (Value::Map(_), _) => match value_at(&datum.value, path)? {
            Value::Str(text) => text_time(text),
            Value::Date(ms) => Ok(*ms),
            // Java's `Number.longValue` cuts the fraction off.
            Value::Float32(n) => Ok(f64::from(*n) as i64),
            Value::Float64(n) => Ok(*n as i64),
            value => value.as_i64().ok_or_else(unusable),
        },
        _ => Err(unplaced("Error encoding partition.")),
    }
}

fn text_time(text: &str) -> Result<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if (1..=19).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && let Ok(ms) = text.parse()
    {
        return Ok(ms);
    }
    parse_millis(text, &Zone::system())
        .map_err(|problem| Error::data(problem).with_class("java.lang.IllegalArgumentException"))
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema, SchemaBuilder, Struct};

    use super::*;
    use crate::partition::partitioner::tests::record;

    #[test]
    fn fields_of_several_types_hold_times() {
        let rows = [
            (Schema::int64(), Value::Int64(5), Ok(5)),
            (Schema::int32(), Value::Int32(-5), Ok(-5)),
            (SchemaBuilder::timestamp().build(), Value::Date(7), Ok(7)),
            (Schema::string(), Value::str("1767225600000"), Ok(1_767_225_600_000)),
            (Schema::string(), Value::str("2026-01-01T00:00:00Z"), Ok(1_767_225_600_000)),
            (Schema::string(), Value::str("n0"), Err("Invalid format: \"n0\"")),
            (Schema::boolean(), Value::Bool(true), Err("Error extracting timestamp from record field: ts")),
            (Schema::optional_int64(), Value::Null, Err("The field 'ts' does not exist.")),
        ];
        for (schema, value, want) in rows {
            let schema = SchemaBuilder::structure().field("ts", schema).build();
            let row = Struct::new(schema.clone(), vec![value.clone()]);
            let got = TimestampExtractor::RecordField("ts".to_owned()).extract(&record(Datum::new(schema, row)), 0);
            assert_eq!(got.as_ref().map(|t| t.unwrap_or_default()).map_err(Error::message), want, "{value:?}");
        }
    }

    #[test]
    fn maps_and_clocks() {
        let map = Value::Map(vec![(Value::str("ts"), Value::Float64(5.9))].into());
        let record = record(Datum::schemaless(map));
        let field = TimestampExtractor::from_name("RecordField", "ts").expect("known");
        assert_eq!(field.extract(&record, 1).expect("a number"), Some(5));
        let class = format!("{CLASS_PREFIX}WallclockTimestampExtractor");
        let wallclock = TimestampExtractor::from_name(&class, "").expect("known by class");
        assert_eq!(wallclock.extract(&record, 1).expect("always"), Some(1));
        assert_eq!(TimestampExtractor::Record.extract(&record, 1).expect("always"), record.record.timestamp);
        assert_eq!(TimestampExtractor::from_name("com.acme.Mine", ""), None);
    }
}
