use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::data::{Datum, Header, Record, Schema, SchemaBuilder, SchemaRef, Value};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::event::{AFTER, BEFORE, change_event};
use crate::first_problem;
use crate::transforms::Class;

pub(super) const EXTRACT_CHANGED_RECORD_STATE: Class = Class {
    name: "io.debezium.transforms.ExtractChangedRecordState",
    config_def: ExtractChangedRecordStateConfig::config_def,
    create,
};

config_def! {
    /// Settings of ExtractChangedRecordState.
    struct ExtractChangedRecordStateConfig {
        /// Name of the header that lists the fields an update changed. Without it there is no such header.
        changed: Str = "header.changed.name", Low, optional
            => { order: 1, width: Long, display: "Header change name." };
        /// Name of the header that lists the fields an update left as they were. Without it there is no such header.
        unchanged: Str = "header.unchanged.name", Low, optional
            => { order: 1, width: Long, display: "Header unchanged name." };
    }
}

/// Lists the fields that an update changed, and those it did not, in headers.
struct ExtractChangedRecordState {
    changed: Option<NameList>,
    unchanged: Option<NameList>,
}

/// A header that lists field names.
struct NameList {
    key: Arc<str>,
    schema: SchemaRef,
}

impl NameList {
    fn named(name: Option<String>) -> Option<Self> {
        let name = name.filter(|name| !name.trim().is_empty())?;
        let schema = SchemaBuilder::array(Schema::optional_string()).optional().name(name.as_str()).build();
        Some(NameList { key: name.into(), schema })
    }

    fn header(&self, names: Vec<Value>) -> Header {
        Header { key: self.key.clone(), value: Datum::new(self.schema.clone(), Value::Array(names.into())) }
    }
}

fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config =
        first_problem(ExtractChangedRecordStateConfig::parse, ExtractChangedRecordStateConfig::config_def, props)?;
    let (changed, unchanged) = (NameList::named(config.changed), NameList::named(config.unchanged));
    Ok(Arc::new(ExtractChangedRecordState { changed, unchanged }))
}

impl Transform for ExtractChangedRecordState {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let Some(event) = change_event(&record, "Record value should be struct.")? else { return Ok(Some(record)) };
        let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
        let part = |name: &str| event.get(name).and_then(Value::as_struct);
        if let (Some(before), Some(after)) = (part(BEFORE), part(AFTER)) {
            for (field, value) in after.schema().fields().iter().zip(after.values()) {
                let name = field.name();
                let old = before.get(name).ok_or_else(|| Error::data(format!("{name} is not a valid field name")))?;
                if equal(old, value) { &mut unchanged } else { &mut changed }.push(Value::str(name));
            }
        }
        // Events that are no updates get empty lists, so that all events look alike to later transforms.
        record.headers.extend(self.changed.as_ref().map(|list| list.header(changed)));
        record.headers.extend(self.unchanged.as_ref().map(|list| list.header(unchanged)));
        Ok(Some(record))
    }
}

/// `Objects.equals`: to Java's boxed numbers NaN is equal to itself, and the zeros differ.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float32(a), Value::Float32(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
        (Value::Float64(a), Value::Float64(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Struct;

    use super::*;

    #[test]
    fn updates_tell_what_changed() {
        let row = SchemaBuilder::structure()
            .field("id", Schema::int32())
            .field("v", Schema::optional_string())
            .field("f", Schema::optional_float64())
            .optional()
            .build();
        let value = |v: &str, f: f64| -> Value {
            Struct::new(row.clone(), vec![Value::Int32(1), Value::str(v), Value::Float64(f)]).into()
        };
        let schema = SchemaBuilder::structure()
            .name("s.t.Envelope")
            .field("before", row.clone())
            .field("after", row.clone())
            .build();
        let rows = [
            (value("a", f64::NAN), value("b", f64::NAN), "[v]", "[id, f]"),
            (value("a", 0.0), value("a", -0.0), "[f]", "[id, v]"),
            (Value::Null, value("a", 0.0), "[]", "[]"),
        ];
        for (before, after, changed, unchanged) in rows {
            let event = Struct::new(schema.clone(), vec![before, after]);
            let record = Record::new("t", Datum::NULL, Datum::new(schema.clone(), event));
            let props = [("header.changed.name", "C"), ("header.unchanged.name", "U")].into_iter().collect();
            let record = create(&props).expect("settings").apply(record).expect("applied").expect("kept");
            let headers: Vec<String> =
                record.headers.iter().map(|h| format!("{}{}", h.key, crate::java::to_string(&h.value.value))).collect();
            assert_eq!(headers, [format!("C{changed}"), format!("U{unchanged}")]);
            assert_eq!(record.headers[0].value.schema.as_ref().and_then(|s| s.name()), Some("C"));
        }
    }
}
