use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Record, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::checks::required;
use super::event::{get, get_string};
use crate::first_problem;
use crate::transforms::Class;
use crate::transforms::row::require_struct;

pub(super) const SCHEMA_CHANGE_EVENT_FILTER: Class = Class {
    name: "io.debezium.transforms.SchemaChangeEventFilter",
    config_def: SchemaChangeEventFilterConfig::config_def,
    create,
};

const EXCLUDE: &str = "schema.change.event.exclude.list";
const TYPES: [&str; 5] = ["CREATE", "ALTER", "DROP", "TRUNCATE", "DATABASE"];
/// What the names of the schemas of schema changes end with.
const SUFFIXES: [&str; 2] = [".SchemaChangeValue", ".SchemaChangeKey"];

config_def! {
    /// Settings of SchemaChangeEventFilter.
    struct SchemaChangeEventFilterConfig {
        /// Kinds of schema changes to drop, separated by commas: CREATE, ALTER, DROP, TRUNCATE, DATABASE. Required.
        exclude: Str = "schema.change.event.exclude.list", High, optional
            => { order: 1, width: Short, display: "Schema change event exclude list" };
    }
}

/// Drops records about some kinds of schema changes.
struct SchemaChangeEventFilter {
    excluded: Vec<&'static str>,
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(SchemaChangeEventFilterConfig::parse, SchemaChangeEventFilterConfig::config_def, props)?;
    let list = required(EXCLUDE, config.exclude.as_ref())?;
    // As Java splits: empty parts at the end do not count.
    let names = list.trim_end_matches(',').split(',').map(str::trim);
    let excluded = names.map(|name| change_type(name).map_err(Error::config).map_err(illegal));
    Ok(Arc::new(SchemaChangeEventFilter { excluded: excluded.collect::<Result<_>>()? }))
}

fn illegal(error: Error) -> Error {
    error.with_class("java.lang.IllegalArgumentException")
}

/// The kind of that exact name.
fn change_type(name: &str) -> Result<&'static str, String> {
    TYPES
        .into_iter()
        .find(|known| *known == name)
        .ok_or_else(|| format!("No enum constant io.debezium.schema.SchemaChangeEvent.SchemaChangeEventType.{name}"))
}

impl Transform for SchemaChangeEventFilter {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let name = record.value.schema.as_ref().and_then(|schema| schema.name());
        if record.value.is_null() || !name.is_some_and(|name| SUFFIXES.iter().any(|suffix| name.ends_with(suffix))) {
            return Ok(Some(record));
        }
        let change = require_struct(&record.value.value, "Read schema change event to filter")?;
        let kind = match get(change, "tableChanges")? {
            Value::Null => return Ok(None),
            Value::Array(tables) => match tables.first() {
                None => "DATABASE",
                Some(table) => {
                    let name = get_string(require_struct(table, "Read schema change event to filter")?, "type")?;
                    change_type(name.as_deref().unwrap_or_default()).map_err(Error::data).map_err(illegal)?
                }
            },
            _ => return Err(super::event::wrong_type("tableChanges", "ARRAY")),
        };
        Ok(Some(record).filter(|_| !self.excluded.contains(&kind)))
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema, SchemaBuilder, Struct};

    use super::*;

    fn change(types: Option<&[&str]>) -> Record {
        let table = SchemaBuilder::structure().field("type", Schema::string()).build();
        let schema = SchemaBuilder::structure()
            .name("io.debezium.connector.mysql.SchemaChangeValue")
            .field("tableChanges", SchemaBuilder::array(table.clone()).optional().build())
            .build();
        let row = |name: &&str| Value::from(Struct::new(table.clone(), vec![Value::str(*name)]));
        let tables = types.map_or(Value::Null, |names| Value::Array(names.iter().map(row).collect()));
        let value = Struct::new(schema.clone(), vec![tables]);
        Record::new("s", Datum::NULL, Datum::new(schema, value))
    }

    #[test]
    fn listed_kinds_are_dropped() {
        let props = [(EXCLUDE, "DROP, DATABASE,")].into_iter().collect();
        let transform = create(&props).expect("settings");
        let rows: [(Option<&[&str]>, bool); 5] = [
            (Some(&["DROP"]), false),
            (Some(&["CREATE", "DROP"]), true),
            (Some(&["ALTER"]), true),
            (Some(&[]), false),
            (None, false),
        ];
        for (types, kept) in rows {
            assert_eq!(transform.apply(change(types)).expect("applied").is_some(), kept, "{types:?}");
        }
        let other = Record::new("s", Datum::NULL, Datum::new(Schema::string(), "x"));
        assert!(transform.apply(other).expect("applied").is_some());
        assert!(transform.apply(change(Some(&["NEW"]))).is_err());
    }

    #[test]
    fn settings_are_checked() {
        let rows = [
            (
                None,
                "Invalid value null for configuration schema.change.event.exclude.list: The \
                    'schema.change.event.exclude.list' value is invalid: A value is required",
            ),
            (Some("drop"), "No enum constant io.debezium.schema.SchemaChangeEvent.SchemaChangeEventType.drop"),
        ];
        for (value, want) in rows {
            let problem = create(&value.map(|v| (EXCLUDE, v)).into_iter().collect()).err().expect("refused");
            assert_eq!(problem.message(), want);
        }
    }
}
