mod config;
mod field_reference;

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::data::{Datum, Header, Record, Schema, SchemaRef, Struct, Value};
use couplet_api::transform::Transform;

use super::event::{get_string, is_envelope};
use crate::first_problem;
use crate::java::cast_failure;
use crate::transforms::Class;
use crate::transforms::replace_field::ReplaceField;
use crate::transforms::row::{checked, copy_basics, or_default, require_struct, values};
use crate::transforms::schema_cache::SchemaCache;
use crate::transforms::side::Side;
use crate::value_check::add_field;
use config::{ExtractNewRecordStateConfig, Handling};
use field_reference::FieldReference;

pub(super) const EXTRACT_NEW_RECORD_STATE: Class = Class {
    name: "io.debezium.transforms.ExtractNewRecordState",
    config_def: ExtractNewRecordStateConfig::config_def,
    create,
};

/// Added to rows in the rewriting modes.
const DELETED_FIELD: &str = "__deleted";

/// Replaces change events by the rows they are about.
struct ExtractNewRecordState {
    handling: Handling,
    route_by_field: Option<String>,
    fields: Vec<FieldReference>,
    headers: Vec<FieldReference>,
    drop_header: Option<String>,
    drop_from_key: bool,
    drop_optional_only: bool,
    replace_null_with_default: bool,
    /// Schemas of rows, by schema of the event. Inserts and updates differ from deletes in what they are made of.
    row_schemas: SchemaCache,
    deleted_schemas: SchemaCache,
    /// Schemas of the headers in order, by schema of the event.
    header_schemas: SchemaCache<Arc<[Option<SchemaRef>]>>,
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(ExtractNewRecordStateConfig::parse, ExtractNewRecordStateConfig::config_def, props)?;
    let references = |prefix: &str, list: &[String]| -> Result<Vec<FieldReference>> {
        list.iter().filter(|text| !text.is_empty()).map(|text| FieldReference::new(prefix, text)).collect()
    };
    Ok(Arc::new(ExtractNewRecordState {
        handling: Handling::named(&config.handling).unwrap_or(Handling::Tombstone),
        fields: references(&config.add_fields_prefix, &config.add_fields)?,
        headers: references(&config.add_headers_prefix, &config.add_headers)?,
        route_by_field: Some(config.route_by_field).filter(|field| !field.is_empty()),
        drop_header: config.drop_fields_header_name.filter(|name| !name.trim().is_empty()),
        drop_from_key: config.drop_fields_from_key,
        drop_optional_only: config.drop_fields_keep_schema_compatible,
        replace_null_with_default: config.replace_null_with_default,
        row_schemas: SchemaCache::new(),
        deleted_schemas: SchemaCache::new(),
        header_schemas: SchemaCache::new(),
    }))
}

impl Transform for ExtractNewRecordState {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        if record.value.is_null() {
            self.add_tombstone_headers(&mut record);
            return Ok(Some(record).filter(|_| self.handling == Handling::RewriteWithTombstone));
        }
        if !record.value.schema.as_deref().is_some_and(is_envelope) {
            return Ok(Some(record));
        }
        let event = require_struct(&record.value.value, "field extraction")?.clone();
        self.add_headers(&mut record, &event)?;
        let part = |name: &str| event.get(name).and_then(Value::as_struct);
        match (part("after"), part("before")) {
            (Some(after), _) => self.change(record, &event, after).map(Some),
            (None, Some(before)) => self.delete(record, &event, before),
            // A truncated table.
            (None, None) => Ok(None),
        }
    }
}

impl ExtractNewRecordState {
    /// Fields of the event as headers.
    fn add_headers(&self, record: &mut Record, event: &Struct) -> Result<()> {
        let schema = event.schema();
        let make = || Ok(self.headers.iter().map(|reference| reference.schema(schema)).collect());
        let schemas =
            if self.headers.is_empty() { Arc::new([]) as Arc<[_]> } else { self.header_schemas.get(schema, make)? };
        for (reference, schema) in self.headers.iter().zip(schemas.iter()) {
            let Some(schema) = schema else { continue };
            let value = Datum::new(schema.clone(), reference.value(event));
            record.headers.push(Header { key: reference.new_name().into(), value });
        }
        Ok(())
    }

    /// A tombstone only tells its operation.
    fn add_tombstone_headers(&self, record: &mut Record) {
        for reference in self.headers.iter().filter(|reference| reference.is_operation()) {
            let value = Datum::new(Schema::string(), "d");
            record.headers.push(Header { key: reference.new_name().into(), value });
        }
    }

    fn rewrites(&self) -> bool {
        matches!(self.handling, Handling::Rewrite | Handling::RewriteWithTombstone)
    }

    /// An insert or update.
    fn change(&self, mut record: Record, event: &Struct, after: &Struct) -> Result<Record> {
        self.route(&mut record, after)?;
        let schema = self.row_schemas.get(event.schema(), || self.row_schema(event.schema(), after.schema()))?;
        record.value = Datum::new(schema.clone(), self.row(event, after, &schema, "false")?);
        self.drop_fields(record)
    }

    fn delete(&self, mut record: Record, event: &Struct, before: &Struct) -> Result<Option<Record>> {
        match self.handling {
            Handling::Drop => return Ok(None),
            Handling::Tombstone => {
                let schema = event.schema().field("after").map(|f| f.schema().clone());
                record.value = Datum { schema, value: Value::Null };
            }
            Handling::DeleteToTombstone => record.value = Datum::NULL,
            Handling::Rewrite | Handling::RewriteWithTombstone => {
                let make = || self.row_schema(event.schema(), before.schema());
                let schema = self.deleted_schemas.get(event.schema(), make)?;
                record.value = Datum::new(schema.clone(), self.row(event, before, &schema, "true")?);
            }
        }
        self.route(&mut record, before)?;
        self.drop_fields(record).map(Some)
    }

    /// The field's value as the topic, unless it is blank.
    fn route(&self, record: &mut Record, row: &Struct) -> Result<()> {
        let Some(field) = &self.route_by_field else { return Ok(()) };
        if let Some(topic) = get_string(row, field)?.filter(|topic| !topic.trim().is_empty()) {
            record.topic = topic.into();
        }
        Ok(())
    }

    fn row_schema(&self, event: &Schema, row: &Schema) -> Result<SchemaRef> {
        let fields = row.fields().iter();
        let mut builder = fields.fold(copy_basics(row), |b, f| b.field(f.name(), f.schema().clone()));
        if self.rewrites() {
            builder = add_field(builder, DELETED_FIELD, Schema::optional_string())?;
        }
        for reference in &self.fields {
            if let Some(schema) = reference.schema(event) {
                builder = add_field(builder, reference.new_name(), schema)?;
            }
        }
        Ok(builder.build())
    }

    fn row(&self, event: &Struct, row: &Struct, schema: &SchemaRef, deleted: &'static str) -> Result<Value> {
        let mut updated = Vec::with_capacity(schema.fields().len());
        if self.rewrites() {
            for (field, value) in values(row, self.replace_null_with_default) {
                updated.push(checked(field, value)?);
            }
            updated.push(Value::str(deleted));
        } else {
            // Without a rewrite the row is taken out as the JVM's ExtractField does, nulls and all.
            updated
                .extend(row.values().iter().zip(row.schema().fields()).map(|(v, f)| or_default(v, f.schema(), false)));
        }
        for reference in &self.fields {
            if reference.is_in(event.schema()) {
                updated.push(reference.value(event));
            }
        }
        Ok(Value::Struct(Arc::new(Struct::new(schema.clone(), updated))))
    }

    /// Leaves out the fields that a header lists.
    fn drop_fields(&self, record: Record) -> Result<Record> {
        let header = self.drop_header.as_ref().and_then(|name| record.headers.iter().find(|h| *h.key == **name));
        let items = match header.map(|h| &h.value.value) {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => return Ok(record),
            Some(other) => return Err(cast_failure(other, "java.util.List")),
        };
        let names: Vec<String> = items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let record = if self.drop_from_key { self.without(record, Side::Key, &names)? } else { record };
        self.without(record, Side::Value, &names)
    }

    fn without(&self, record: Record, side: Side, names: &[String]) -> Result<Record> {
        let Some(schema) = &side.of(&record).schema else { return Ok(record) };
        let droppable = |name: &&String| {
            !self.drop_optional_only || schema.field(name).is_some_and(|field| field.schema().is_optional())
        };
        let names: Vec<String> = names.iter().filter(droppable).cloned().collect();
        if names.is_empty() {
            return Ok(record);
        }
        let original = record.clone();
        Ok(ReplaceField::excluding(side, names).apply(record)?.unwrap_or(original))
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::SchemaBuilder;

    use super::*;

    fn row_schema(optional: bool) -> SchemaRef {
        SchemaBuilder::structure()
            .name("s.public.t.Value")
            .field("id", Schema::int32())
            .field("v", Schema::optional_string())
            .optional_if(optional)
            .build()
    }

    fn row(id: i32, v: &str) -> Value {
        Struct::new(row_schema(true), vec![Value::Int32(id), Value::str(v)]).into()
    }

    /// A change event of operation `op`.
    fn event(op: &str, before: Value, after: Value) -> Record {
        let source = SchemaBuilder::structure().name("source").field("table", Schema::string()).build();
        let schema = SchemaBuilder::structure()
            .name("s.public.t.Envelope")
            .field("before", row_schema(true))
            .field("after", row_schema(true))
            .field("source", source.clone())
            .field("op", Schema::string())
            .build();
        let source = Struct::new(source, vec![Value::str("t")]).into();
        let value = Struct::new(schema.clone(), vec![before, after, source, Value::str(op)]);
        Record::new("s.public.t", Datum::NULL, Datum::new(schema, value))
    }

    fn apply(settings: &[(&str, &str)], record: Record) -> Option<Record> {
        let transform = create(&settings.iter().copied().collect()).expect("settings are right");
        transform.apply(record).expect("applied")
    }

    fn field(record: &Record, name: &str) -> Option<Value> {
        record.value.value.as_struct().and_then(|row| row.get(name)).cloned()
    }

    #[test]
    fn changes_become_rows_with_what_was_asked_for() {
        let settings = [("add.fields", "op,source.table:tbl"), ("add.headers", "op"), ("route.by.field", "v")];
        let record = apply(&settings, event("u", Value::Null, row(1, "x"))).expect("kept");
        assert_eq!((&*record.topic, field(&record, "id")), ("x", Some(Value::Int32(1))));
        assert_eq!(field(&record, "__op"), Some(Value::str("u")));
        assert_eq!(field(&record, "__tbl"), Some(Value::str("t")));
        assert_eq!((&*record.headers[0].key, &record.headers[0].value.value), ("__op", &Value::str("u")));
        let schema = record.value.schema.expect("schema");
        assert_eq!((schema.name(), schema.is_optional()), (Some("s.public.t.Value"), false));
    }

    #[test]
    fn deletes_and_tombstones_follow_the_mode() {
        let delete = || event("d", row(1, "x"), Value::Null);
        let tombstone = || Record::new("s.public.t", Datum::NULL, Datum::NULL);
        let mode = |name: &'static str| [("delete.tombstone.handling.mode", name)];
        // Whether the delete is kept, its value null or not, whether the tombstone is kept.
        let rows = [
            ("drop", None, false),
            ("tombstone", Some(true), false),
            ("rewrite", Some(false), false),
            ("rewrite-with-tombstone", Some(false), true),
            ("delete-to-tombstone", Some(true), false),
        ];
        for (name, want, tombstone_kept) in rows {
            let kept = apply(&mode(name), delete());
            assert_eq!(kept.as_ref().map(|r| r.value.is_null()), want, "{name}");
            assert_eq!(apply(&mode(name), tombstone()).is_some(), tombstone_kept, "{name}");
            if want == Some(false) {
                assert_eq!(kept.and_then(|r| field(&r, "__deleted")), Some(Value::str("true")), "{name}");
            }
        }
        let kept = apply(&mode("tombstone"), delete()).expect("kept");
        assert!(kept.value.schema.is_some_and(|s| s.is_optional()));
        assert!(apply(&[], event("t", Value::Null, Value::Null)).is_none(), "a truncate is dropped");
    }

    #[test]
    fn listed_fields_are_left_out() {
        let mut record = event("c", Value::Null, row(1, "x"));
        let list = Value::Array([Value::str("id"), Value::str("v")].into());
        record.headers.push(Header { key: "drops".into(), value: Datum::schemaless(list) });
        let compatible = apply(&[("drop.fields.header.name", "drops")], record.clone()).expect("kept");
        assert_eq!((field(&compatible, "id"), field(&compatible, "v")), (Some(Value::Int32(1)), None));
        let all = [("drop.fields.header.name", "drops"), ("drop.fields.keep.schema.compatible", "false")];
        assert_eq!(apply(&all, record).and_then(|r| field(&r, "id")), None);
    }

    #[test]
    fn other_records_pass_unchanged() {
        let heartbeat = Record::new("h", Datum::NULL, Datum::new(Schema::string(), "x"));
        assert_eq!(apply(&[("add.headers", "op")], heartbeat.clone()), Some(heartbeat));
    }
}
