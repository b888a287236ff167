mod rules;
mod zone;

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Field, Record, Struct, TIMESTAMP, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::checks::{debezium_error, required};
use super::event::{AFTER, BEFORE, SOURCE, change_event, get_string, get_struct};
use crate::first_problem;
use crate::transforms::Class;
use crate::transforms::row::or_default;
use rules::{Fields, Rules};
use zone::Zone;

pub(super) const TIMEZONE_CONVERTER: Class =
    Class { name: "io.debezium.transforms.TimezoneConverter", config_def: TimezoneConverterConfig::config_def, create };

config_def! {
    /// Settings of TimezoneConverter.
    struct TimezoneConverterConfig {
        /// The time zone to convert to: a name such as America/Los_Angeles, or an offset such as +08:00. Required.
        zone: Str = "converted.timezone", High, optional
            => { order: 1, width: Medium, display: "Converted Timezone" };
        /// What to convert; everything without rules. A rule is source:table, source:table:field, topic:topic,
        /// topic:topic:field, or name:field, where the name is a table or a topic.
        include: List = "include.list", High, optional => { order: 1, width: Medium, display: "Include List" };
        /// What not to convert, by the same kinds of rules.
        exclude: List = "exclude.list", High, optional => { order: 1, width: Medium, display: "Exclude List" };
    }
}

/// Converts points in time to another time zone.
struct TimezoneConverter {
    zone: Zone,
    rules: Rules,
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(TimezoneConverterConfig::parse, TimezoneConverterConfig::config_def, props)?;
    let name = required("converted.timezone", config.zone.as_ref())?;
    let (include, exclude) = (config.include.as_deref(), config.exclude.as_deref());
    let rules = Rules::new(include, exclude)?;
    let zone = Zone::named(name).ok_or_else(|| {
        debezium_error(
            "Invalid timezone format. Please specify either a geographic timezone (e.g. America/Los_Angeles) or a UTC \
             offset in the format of +/-hh:mm, (e.g. +08:00).",
        )
    })?;
    if include.is_some() && exclude.is_some() {
        return Err(debezium_error("Both include and exclude lists are specified. Please specify only one."));
    }
    Ok(Arc::new(TimezoneConverter { zone, rules }))
}

impl Transform for TimezoneConverter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let Some(event) = change_event(&record, "time zone conversion")? else { return Ok(Some(record)) };
        let table = match get_struct(event, SOURCE) {
            Ok(Some(source)) => get_string(&source, "table").ok().flatten(),
            _ => None,
        };
        let Some(fields) = self.rules.fields(table.as_deref(), &record.topic) else { return Ok(Some(record)) };
        let mut converted = Struct::clone(event);
        for part in [BEFORE, AFTER, SOURCE] {
            let Ok(Some(row)) = get_struct(event, part) else { continue };
            let fields = fields.of(part);
            // The source is only converted where rules name fields of it.
            if part == SOURCE && fields.is_unnamed() {
                continue;
            }
            if let Some(row) = self.converted(&row, &fields)? {
                converted.set(part, row)?;
            }
        }
        record.value.value = Value::Struct(Arc::new(converted));
        Ok(Some(record))
    }
}

impl TimezoneConverter {
    /// The row with its fields converted; `None` when that changes nothing.
    fn converted(&self, row: &Struct, fields: &Fields<'_>) -> Result<Option<Struct>> {
        let mut changed: Option<Struct> = None;
        for (field, value) in row.schema().fields().iter().zip(row.values()) {
            let value = or_default(value, field.schema(), true);
            if value.is_null() || !fields.includes(field.name()) {
                continue;
            }
            if let Some(value) = self.convert(field, &value)? {
                changed.get_or_insert_with(|| row.clone()).set(field.name(), value)?;
            }
        }
        Ok(changed)
    }

    /// The value in the other time zone; `None` when it is no point in time.
    fn convert(&self, field: &Field, value: &Value) -> Result<Option<Value>> {
        let Some(name) = field.schema().name() else { return Ok(None) };
        let shifted = |units_per_second: i64, value: &Value| -> Result<i64> {
            let stored = value.as_i64().ok_or_else(|| unreadable(field))?;
            let offset = self.zone.offset_at_local(stored.div_euclid(units_per_second));
            Ok(stored.wrapping_sub(i64::from(offset).wrapping_mul(units_per_second)))
        };
        let text = |convert: &dyn Fn(&str) -> Option<String>| -> Result<Option<Value>> {
            let converted = value.as_str().and_then(convert).ok_or_else(|| unreadable(field))?;
            Ok(Some(Value::str(converted)))
        };
        match (name, value) {
            ("io.debezium.time.ZonedTimestamp", _) => text(&|text| self.zone.timestamp(text)),
            ("io.debezium.time.ZonedTime", _) => text(&|text| self.zone.time(text)),
            ("io.debezium.time.Timestamp", _) => shifted(1_000, value).map(|ms| Some(Value::Int64(ms))),
            ("io.debezium.time.MicroTimestamp", _) => shifted(1_000_000, value).map(|us| Some(Value::Int64(us))),
            ("io.debezium.time.NanoTimestamp", _) => shifted(1_000_000_000, value).map(|ns| Some(Value::Int64(ns))),
            (TIMESTAMP, Value::Date(ms)) => shifted(1_000, &Value::Int64(*ms)).map(|ms| Some(Value::Date(ms))),
            _ => {
                if is_date_or_time(name) {
                    tracing::warn!(
                        field = field.name(),
                        schema = name,
                        "Skipping conversion for unsupported logical type"
                    );
                }
                Ok(None)
            }
        }
    }
}

fn is_date_or_time(name: &str) -> bool {
    let part = name.strip_prefix("io.debezium.time.").or_else(|| name.strip_prefix("org.apache.kafka.connect.data."));
    matches!(part, Some("Date" | "Time" | "MicroTime" | "NanoTime"))
}

fn unreadable(field: &Field) -> Error {
    Error::data(format!("The field {} holds no point in time", field.name()))
        .with_class("java.time.format.DateTimeParseException")
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema, SchemaBuilder, SchemaRef, Type};

    use super::*;

    fn named(kind: Type, name: &str) -> SchemaRef {
        SchemaBuilder::new(kind).name(name).optional().build()
    }

    fn event() -> Record {
        let row = SchemaBuilder::structure()
            .field("zoned", named(Type::String, "io.debezium.time.ZonedTimestamp"))
            .field("ms", named(Type::Int64, "io.debezium.time.Timestamp"))
            .field("us", named(Type::Int64, "io.debezium.time.MicroTimestamp"))
            .field("day", named(Type::Int32, "io.debezium.time.Date"))
            .optional()
            .build();
        let source = SchemaBuilder::structure()
            .field("table", Schema::string())
            .field("at", named(Type::Int64, "io.debezium.time.Timestamp"))
            .build();
        let schema = SchemaBuilder::structure()
            .name("t.Envelope")
            .field("before", row.clone())
            .field("after", row.clone())
            .field("source", source.clone())
            .build();
        let row = Struct::new(
            row,
            vec![
                Value::str("2024-01-01T10:00:00Z"),
                Value::Int64(1_704_103_200_000),
                Value::Int64(-1),
                Value::Int32(5),
            ],
        );
        let source = Struct::new(source, vec![Value::str("orders"), Value::Int64(0)]);
        let value = Struct::new(schema.clone(), vec![Value::Null, row.into(), source.into()]);
        Record::new("p.orders", Datum::NULL, Datum::new(schema, value))
    }

    const AFTER_ALL: &str = "after=Struct{zoned=2024-01-01T15:30:00+05:30,ms=1704083400000,us=-19800000001,day=5}";
    const AFTER_NONE: &str = "after=Struct{zoned=2024-01-01T10:00:00Z,ms=1704103200000,us=-1,day=5}";
    const AFTER_MS: &str = "after=Struct{zoned=2024-01-01T10:00:00Z,ms=1704083400000,us=-1,day=5}";

    #[test]
    fn rules_say_what_is_converted() {
        let rows = [
            (None, AFTER_ALL, 0),
            (Some(("include.list", "source:orders")), AFTER_ALL, 0),
            (Some(("include.list", "source:other")), AFTER_NONE, 0),
            (Some(("include.list", "topic:p.orders:ms")), AFTER_MS, 0),
            (Some(("include.list", "orders:after.ms")), AFTER_MS, 0),
            (Some(("include.list", "orders:before.ms")), AFTER_NONE, 0),
            (Some(("include.list", "source:orders:ms, orders:source.at")), AFTER_MS, -19_800_000),
            (Some(("exclude.list", "source:orders")), AFTER_NONE, 0),
            (Some(("exclude.list", "source:other")), AFTER_ALL, 0),
            (Some(("exclude.list", "source:orders:zoned, orders:us")), AFTER_MS, 0),
        ];
        for (rule, after, at) in rows {
            let props = [("converted.timezone", "+05:30")].into_iter().chain(rule).collect();
            let record = create(&props).expect("settings").apply(event()).expect("applied").expect("kept");
            let want = format!("Struct{{{after},source=Struct{{table=orders,at={at}}}}}");
            assert_eq!(crate::java::to_string(&record.value.value), want, "{rule:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
        let rows: [(&[(&str, &str)], &str); 5] = [
            (&[], "The 'converted.timezone' value is invalid: A value is required"),
            (&[("converted.timezone", "Mars/Olympus")], "Invalid timezone format."),
            (&[("converted.timezone", "UTC"), ("include.list", "orders")], "Invalid include list format."),
            (&[("converted.timezone", "UTC"), ("exclude.list", "a:b:c:d")], "Invalid exclude list format."),
            (
                &[("converted.timezone", "UTC"), ("include.list", "source:a"), ("exclude.list", "source:b")],
                "Both include and exclude lists are specified.",
            ),
        ];
        for (props, want) in rows {
            let problem = create(&props.iter().copied().collect()).err().expect("refused");
            assert!(problem.message().contains(want), "{problem}");
        }
    }
}
