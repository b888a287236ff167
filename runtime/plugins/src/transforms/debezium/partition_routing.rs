use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Record, Struct, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::checks::{debezium_error, no_empty_items, refused, required_list};
use super::event::{AFTER, BEFORE, OPERATION, change_event, get, get_struct};
use crate::first_problem;
use crate::java::{hash_code, murmur, to_string};
use crate::transforms::Class;

pub(super) const PARTITION_ROUTING: Class = Class {
    name: "io.debezium.transforms.partitions.PartitionRouting",
    config_def: PartitionRoutingConfig::config_def,
    create,
};

config_def! {
    /// Settings of PartitionRouting.
    struct PartitionRoutingConfig {
        /// Fields of the event whose values decide about the partition; dots lead into structs, and change stands for
        /// before in deletes and for after in all other events. Required.
        fields: List = "partition.payload.fields", High, optional
            => { group: "partitions", order: 1, display: "List of payload fields to use for compute partition." };
        /// Number of partitions of the topic. Required.
        partitions: Int = "partition.topic.num", High, optional
            => { group: "partitions", order: 2, display: "Number of partition configured for topic" };
        /// How values are hashed: java (the sum of their hash codes) or murmur (MurmurHash3).
        hash: Str = "partition.hash.function", Low, default "java"
            => { group: "partitions", order: 3, display: "Hash function" };
    }
}

/// Chooses partitions by values of the event.
struct PartitionRouting {
    fields: Vec<Vec<String>>,
    partitions: i32,
    murmur: bool,
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(PartitionRoutingConfig::parse, PartitionRoutingConfig::config_def, props)?;
    let key = "partition.payload.fields";
    no_empty_items(key, config.fields.as_deref().unwrap_or_default())?;
    let fields = required_list(key, config.fields)?;
    let key = "partition.topic.num";
    let partitions = match config.partitions {
        None => return Err(refused(key, None, "A value is required")),
        Some(number @ ..=0) => {
            return Err(refused(key, Some(&number.to_string()), "A positive, non-zero integer value is expected"));
        }
        Some(number) => number,
    };
    let names = |path: &String| path.trim_end_matches('.').split('.').map(|name| name.trim().to_owned()).collect();
    Ok(Arc::new(PartitionRouting {
        fields: fields.iter().map(names).collect(),
        partitions,
        // Any other name means the default.
        murmur: config.hash.trim().eq_ignore_ascii_case("murmur"),
    }))
}

impl Transform for PartitionRouting {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let Some(event) = change_event(&record, "partition routing")? else { return Ok(Some(record)) };
        let operation = event.get(OPERATION).and_then(Value::as_str);
        // Truncations and messages belong to no row.
        if matches!(operation, Some("t" | "m")) {
            return Ok(Some(record));
        }
        let partition = self.partition(event, operation == Some("d")).map_err(|cause| {
            let message = format!("Unprocessable message {}", to_string(&record.value.value));
            Error::data(message).with_class("io.debezium.DebeziumException").caused_by(cause)
        })?;
        record.partition = partition.or(record.partition);
        Ok(Some(record))
    }
}

impl PartitionRouting {
    /// The partition; `None` when the event has none of the fields.
    fn partition(&self, event: &Struct, deleted: bool) -> Result<Option<i32>> {
        let mut sum: Option<i32> = None;
        for path in &self.fields {
            let Some(value) = value_at(event, path, deleted)? else { continue };
            let hash = if self.murmur { murmur(&value) } else { hash_code(&value) };
            let hash = hash.ok_or_else(|| debezium_error("Structs have no hash that stays the same"))?;
            sum = Some(sum.unwrap_or(0).wrapping_add(hash));
        }
        Ok(sum.map(|sum| {
            let hash = sum & i32::MAX;
            if hash == i32::MAX { 0 } else { hash % self.partitions }
        }))
    }
}

/// The value at the end of a path; `None` when it is null or there is no such field.
fn value_at(event: &Struct, path: &[String], deleted: bool) -> Result<Option<Value>> {
    let Some((last, parents)) = path.split_last() else { return Ok(None) };
    let mut inner: Option<Arc<Struct>> = None;
    for name in parents {
        let name = match name.as_str() {
            "change" if deleted => BEFORE,
            "change" => AFTER,
            name => name,
        };
        match get_struct(inner.as_deref().unwrap_or(event), name) {
            Ok(Some(found)) => inner = Some(found),
            // Where the struct is null the original runs into it.
            Ok(None) => {
                return Err(Error::data(format!("The struct {name} of a field to route by is null"))
                    .with_class("java.lang.NullPointerException"));
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(get(inner.as_deref().unwrap_or(event), last).ok().filter(|value| !value.is_null()))
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema, SchemaBuilder};

    use super::*;

    fn event(op: &str, name: &str) -> Record {
        let row = SchemaBuilder::structure()
            .field("id", Schema::int32())
            .field("name", Schema::optional_string())
            .optional()
            .build();
        let schema = SchemaBuilder::structure()
            .name("t.Envelope")
            .field("before", row.clone())
            .field("after", row.clone())
            .field("op", Schema::string())
            .build();
        let row: Value = Struct::new(row, vec![Value::Int32(7), Value::str(name)]).into();
        let (before, after) = if op == "d" { (row, Value::Null) } else { (Value::Null, row) };
        let value = Struct::new(schema.clone(), vec![before, after, Value::str(op)]);
        Record::new("t", Datum::NULL, Datum::new(schema, value))
    }

    fn partition(fields: &str, hash: &str, record: Record) -> Result<Option<i32>> {
        let props =
            [("partition.payload.fields", fields), ("partition.topic.num", "10"), ("partition.hash.function", hash)];
        let transform = create(&props.into_iter().collect()).expect("settings");
        Ok(transform.apply(record)?.expect("kept").partition)
    }

    #[test]
    fn values_choose_the_partition() {
        // "abc".hashCode() is 96354.
        let rows = [
            ("change.name", "c", Some(4)),
            ("after.name", "c", Some(4)),
            ("change.name", "d", Some(4)),
            ("change.id,change.name", "u", Some(1)),
            ("change.id,nothing,change.none,source.x", "u", Some(7)),
            ("nothing", "u", None),
            ("op", "t", None),
        ];
        for (fields, op, want) in rows {
            assert_eq!(partition(fields, "java", event(op, "abc")).expect("routed"), want, "{fields} {op}");
        }
        assert!(partition("after.name", "java", event("d", "abc")).is_err(), "the struct is null");
        let murmured = partition("change.name", "murmur", event("c", "abc")).expect("routed");
        assert!(murmured.is_some_and(|p| (0..10).contains(&p)));
    }

    #[test]
    fn settings_are_checked() {
        let rows = [
            ("a,,b", "1", "Empty string element(s) not permitted"),
            ("a", "0", "A positive, non-zero integer value is expected"),
            ("", "1", "A value is required"),
        ];
        for (fields, number, want) in rows {
            let props = [("partition.payload.fields", fields), ("partition.topic.num", number)];
            let problem = create(&props.into_iter().collect()).err().expect("refused");
            assert!(problem.message().ends_with(want), "{problem}");
        }
    }
}
