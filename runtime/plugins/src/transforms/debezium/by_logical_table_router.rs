use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::checks::{pattern, refused, required};
use super::event::{AFTER, BEFORE, ENVELOPE_SUFFIX, change_event};
use super::name_adjuster::NameAdjuster;
use crate::first_problem;
use crate::java::JavaRegex;
use crate::transforms::Class;
use crate::transforms::row::{build, copy_basics, require_struct, values};
use crate::transforms::schema_cache::SchemaCache;
use crate::value_check::add_field;

pub(super) const BY_LOGICAL_TABLE_ROUTER: Class = Class {
    name: "io.debezium.transforms.ByLogicalTableRouter",
    config_def: ByLogicalTableRouterConfig::config_def,
    create,
};

config_def! {
    /// Settings of ByLogicalTableRouter.
    struct ByLogicalTableRouterConfig {
        /// Java regular expression that the whole topic of a table must match. Required.
        topic_regex: Str = "topic.regex", Low, optional, pattern()
            => { order: 1, width: Long, display: "Topic regex" };
        /// What replaces the match in the topic; $1 and so on stand for groups. Required.
        topic_replacement: Str = "topic.replacement", Low, optional
            => { order: 1, width: Long, display: "Topic replacement" };
        /// Whether keys get a field that tells the tables apart whose records end up in one topic.
        key_enforce_uniqueness: Bool = "key.enforce.uniqueness", Low, default "true"
            => { order: 1, width: Short, display: "Add source topic name into key" };
        /// Java regular expression on the old topic that finds what that field is to hold; without it the old topic.
        key_field_regex: Str = "key.field.regex", Low, optional, pattern()
            => { order: 1, width: Long, display: "Key field regex" };
        /// What replaces that match; $1 and so on stand for groups.
        key_field_replacement: Str = "key.field.replacement", Low, optional
            => { order: 1, width: Long, display: "Key field replacement" };
        /// How many schemas the original remembers; memory is bounded without it here.
        cache_size: Int = "logical.table.cache.size", Low, default "16"
            => { order: 1, width: Long, display: "Logical table cache size" };
        /// Name of the field that keys get.
        key_field_name: Str = "key.field.name", Low, default "__dbz__physicalTableIdentifier"
            => { width: Long, display: "Key field name", internal: true };
        /// How schema names are made fit for Avro: none, avro or avro_unicode.
        adjustment: Str = "schema.name.adjustment.mode", Low, default "none"
            => { width: Medium, display: "Schema Name Adjustment", internal: true };
    }
}

const PURPOSE: &str = "Updating schema";

/// Gives the records of tables of the same kind one topic and one schema.
struct ByLogicalTableRouter {
    topic: Rewrite,
    /// The field that keys get.
    key_field: Option<String>,
    /// What the field holds instead of the old topic.
    key_value: Option<Rewrite>,
    names: NameAdjuster,
    key_schemas: SchemaCache,
    envelope_schemas: SchemaCache,
}

/// What becomes of a text that matches.
struct Rewrite {
    regex: JavaRegex,
    replacement: String,
}

impl Rewrite {
    fn new(regex: &str, replacement: &str) -> Result<Self> {
        let regex = JavaRegex::new(regex).map_err(Error::config)?;
        Ok(Rewrite { regex, replacement: replacement.to_owned() })
    }

    /// The new text; `None` when the old one does not match as a whole.
    fn apply(&self, text: &str) -> Result<Option<String>> {
        match self.regex.matches(text)? {
            true => self.regex.replace_first(text, &self.replacement).map(Some),
            false => Ok(None),
        }
    }
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(ByLogicalTableRouterConfig::parse, ByLogicalTableRouterConfig::config_def, props)?;
    // The original writes the problems into its log and says only that there are some.
    router(&config).map(|router| Arc::new(router) as Arc<dyn Transform>).map_err(|problem| {
        Error::config("Unable to validate config.")
            .with_class("org.apache.kafka.connect.errors.ConnectException")
            .caused_by(problem)
    })
}

fn router(config: &ByLogicalTableRouterConfig) -> Result<ByLogicalTableRouter> {
    let regex = required("topic.regex", config.topic_regex.as_ref())?;
    let replacement = required("topic.replacement", config.topic_replacement.as_ref())?;
    let names = NameAdjuster::named(&config.adjustment).ok_or_else(|| {
        let problem = "Value must be one of none, avro, avro_unicode";
        refused("schema.name.adjustment.mode", Some(&config.adjustment), problem)
    })?;
    let key_regex = config.key_field_regex.as_deref().filter(|regex| !regex.trim().is_empty());
    let key_replacement = config.key_field_replacement.as_deref().filter(|text| !text.trim().is_empty());
    let key_value = match (key_regex, key_replacement) {
        (Some(regex), Some(replacement)) => Some(Rewrite::new(regex, replacement)?),
        (Some(_), None) => {
            let problem = "key.field.replacement must be non-empty if key.field.regex is set.";
            return Err(refused("key.field.replacement", None, problem));
        }
        (None, _) => None,
    };
    Ok(ByLogicalTableRouter {
        topic: Rewrite::new(regex, replacement)?,
        key_field: config.key_enforce_uniqueness.then(|| config.key_field_name.clone()),
        key_value,
        names,
        key_schemas: SchemaCache::new(),
        envelope_schemas: SchemaCache::new(),
    })
}

impl Transform for ByLogicalTableRouter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let topic = match self.topic.apply(&record.topic)? {
            Some(topic) if !topic.is_empty() => topic,
            Some(_) => {
                tracing::warn!("Routing regex returned an empty topic name, propagating original record");
                return Ok(Some(record));
            }
            None => return Ok(Some(record)),
        };
        // A table without a primary key has no keys.
        record.key = if record.key.is_null() { Datum::NULL } else { self.key(&record, &topic)? };
        if let Some(event) = change_event(&record, PURPOSE)?.cloned() {
            let schema = self.envelope_schemas.get(event.schema(), || self.envelope_schema(event.schema(), &topic))?;
            record.value = Datum::new(schema.clone(), renamed(&event, &schema)?);
        }
        record.topic = topic.into();
        Ok(Some(record))
    }
}

impl ByLogicalTableRouter {
    fn key(&self, record: &Record, topic: &str) -> Result<Datum> {
        let key = require_struct(&record.key.value, PURPOSE)?;
        let schema = self.key_schemas.get(key.schema(), || {
            let builder = copy(key.schema()).name(self.names.schema_name(&format!("{topic}.Key")));
            match &self.key_field {
                Some(field) => Ok(add_field(builder, field, Schema::string())?.build()),
                None => Ok(builder.build()),
            }
        })?;
        let mut updated: Vec<Value> = values(key, true).map(|(_, value)| value).collect();
        if self.key_field.is_some() {
            let table = self.key_value.as_ref().map_or(Ok(None), |rewrite| rewrite.apply(&record.topic))?;
            updated.push(Value::str(table.unwrap_or_else(|| record.topic.to_string())));
        }
        Ok(Datum::new(schema.clone(), build(&schema, updated)?))
    }

    fn envelope_schema(&self, envelope: &SchemaRef, topic: &str) -> Result<SchemaRef> {
        let row = envelope.field(BEFORE).ok_or_else(|| Error::data("The change event has no field before"))?.schema();
        let row = copy(row).name(self.names.schema_name(&format!("{topic}.Value"))).build();
        let builder = copy_basics(envelope).optional_if(envelope.is_optional());
        let builder = envelope.fields().iter().fold(builder, |builder, field| {
            let schema = if is_row(field.name()) { &row } else { field.schema() };
            builder.field(field.name(), schema.clone())
        });
        Ok(builder.name(self.names.schema_name(&format!("{topic}{ENVELOPE_SUFFIX}"))).build())
    }
}

fn is_row(field: &str) -> bool {
    field == BEFORE || field == AFTER
}

/// A builder with everything the schema of a struct has but its default.
fn copy(schema: &Schema) -> SchemaBuilder {
    let builder = copy_basics(schema).optional_if(schema.is_optional());
    schema.fields().iter().fold(builder, |builder, field| builder.field(field.name(), field.schema().clone()))
}

/// The event under its new schema.
fn renamed(event: &Struct, schema: &SchemaRef) -> Result<Value> {
    let mut updated = Vec::with_capacity(schema.fields().len());
    for ((field, value), new) in values(event, true).zip(schema.fields()) {
        updated.push(match value {
            Value::Null => value,
            row if is_row(field.name()) => {
                let row = require_struct(&row, PURPOSE)?;
                build(new.schema(), values(row, true).map(|(_, value)| value))?
            }
            other => other,
        });
    }
    build(schema, updated)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Settings = &'static [(&'static str, &'static str)];

    const BY_NUMBER: Settings =
        &[("key.field.name", "n"), ("key.field.regex", r"(.*)shard_(\d+)"), ("key.field.replacement", "$2")];
    const UNMATCHED: Settings = &[("key.field.name", "n"), ("key.field.regex", "x"), ("key.field.replacement", "y")];

    fn settings(more: &[(&str, &str)]) -> Props {
        let base = [("topic.regex", r"(.*)shard_(\d+)"), ("topic.replacement", "$1shards")];
        base.iter().chain(more).copied().collect()
    }

    fn record(topic: &str) -> Record {
        let key = SchemaBuilder::structure().name(format!("{topic}.Key")).field("id", Schema::int32()).build();
        let value = Struct::new(key.clone(), vec![Value::Int32(1)]);
        Record::new(topic, Datum::new(key, value), Datum::NULL)
    }

    fn key(more: &[(&str, &str)], topic: &str) -> (String, String, String) {
        let transform = create(&settings(more)).expect("settings");
        let record = transform.apply(record(topic)).expect("applied").expect("kept");
        let schema = record.key.schema.expect("schema");
        (
            record.topic.to_string(),
            schema.name().unwrap_or_default().to_owned(),
            crate::java::to_string(&record.key.value),
        )
    }

    #[test]
    fn topics_and_keys_are_rewritten() {
        let rows: [(Settings, &str, &str, &str, &str); 6] = [
            (
                &[],
                "a-b.shard_1",
                "a-b.shards",
                "a-b.shards.Key",
                "Struct{id=1,__dbz__physicalTableIdentifier=a-b.shard_1}",
            ),
            (&[("key.enforce.uniqueness", "false")], "a.shard_1", "a.shards", "a.shards.Key", "Struct{id=1}"),
            (BY_NUMBER, "a.shard_7", "a.shards", "a.shards.Key", "Struct{id=1,n=7}"),
            (UNMATCHED, "a.shard_7", "a.shards", "a.shards.Key", "Struct{id=1,n=a.shard_7}"),
            (
                &[("schema.name.adjustment.mode", "avro"), ("key.enforce.uniqueness", "false")],
                "a-b.shard_1",
                "a-b.shards",
                "a_b.shards.Key",
                "Struct{id=1}",
            ),
            (&[], "other", "other", "other.Key", "Struct{id=1}"),
        ];
        for (more, topic, new_topic, name, value) in rows {
            assert_eq!(key(more, topic), (new_topic.to_owned(), name.to_owned(), value.to_owned()), "{more:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
        let rows: [(&[(&str, &str)], &str); 3] = [
            (&[("topic.replacement", "x")], "'topic.regex' value is invalid: A value is required"),
            (
                &[("topic.regex", "x"), ("topic.replacement", "y"), ("key.field.regex", "z")],
                "must be non-empty if key.field.regex is set.",
            ),
            (
                &[("topic.regex", "x"), ("topic.replacement", "y"), ("schema.name.adjustment.mode", "z")],
                "none, avro, avro_unicode",
            ),
        ];
        for (props, want) in rows {
            let problem = create(&props.iter().copied().collect()).err().expect("refused");
            assert_eq!(problem.message(), "Unable to validate config.");
            assert!(problem.cause().expect("cause").message().contains(want), "{problem}");
        }
        // Java can take classes for Unicode's; as we cannot, validation says so.
        let props = [("topic.regex", "(?U)b"), ("topic.replacement", "x")].into_iter().collect();
        let values = ByLogicalTableRouterConfig::config_def().validate(&props);
        assert!(values[0].errors[0].contains("A valid regular expressions is expected, but"), "{values:?}");
    }
}
