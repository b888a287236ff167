//! Transforms against recorded runs of Debezium's connectors. A recording has only what came out of a run, so what went
//! into the transform is put together again from all runs with the same statements.

use bytes::{Bytes, BytesMut};
use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, Record, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use couplet_api::transform::Transform;
use couplet_testkit::golden;
use serde_json::{Value as Json, json};
use std::sync::Arc;

use super::{plugin, props};

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";
const OUTBOX: &str = "io.debezium.transforms.outbox.EventRouter";
const HEADER_TO_VALUE: &str = "io.debezium.transforms.HeaderToValue";
const ROUTER: &str = "io.debezium.transforms.ByLogicalTableRouter";

/// The runs of `file` whose only transform is of `class`, with its name.
fn runs(file: &str, class: &str) -> Vec<(Json, String)> {
    let name = |run: &Json| run["config"]["transforms"].as_str().map(str::to_owned);
    let named = golden::cases(file).into_iter().filter_map(|run| name(&run).map(|name| (run, name)));
    named.filter(|(run, name)| run["config"][format!("transforms.{name}.type")] == class).collect()
}

/// The transform of a run, whose settings may name its topic prefix `${S}`.
fn transform(run: &Json, name: &str) -> Arc<dyn Transform> {
    let prefix = format!("transforms.{name}.");
    let scenario = run["scenario"].as_str().expect("scenario");
    let mut settings = serde_json::Map::new();
    for (key, value) in run["config"].as_object().expect("config") {
        if let Some(key) = key.strip_prefix(&prefix).filter(|key| *key != "type") {
            settings.insert(key.to_owned(), json!(value.as_str().expect("text").replace("${S}", scenario)));
        }
    }
    let class = run["config"][format!("{prefix}type")].as_str().expect("class");
    match plugin(class, |p| matches!(p, Plugin::Transform(_))) {
        Some(Plugin::Transform(factory)) => (factory.create)(&props(&Json::Object(settings))).expect("settings"),
        _ => panic!("no transform {class}"),
    }
}

fn converter(class: &str, is_key: bool) -> Arc<dyn Converter> {
    match plugin(class, |p| matches!(p, Plugin::Converter(_))) {
        Some(Plugin::Converter(factory)) => (factory.create)(&Props::new(), is_key).expect("settings"),
        _ => panic!("no converter {class}"),
    }
}

/// The data as recordings show it.
fn shown(class: &str, data: &Datum) -> Json {
    let mut out = BytesMut::new();
    match converter(class, false).from_connect("t", &[], data, &mut out) {
        Ok(true) => serde_json::from_slice(&out)
            .unwrap_or_else(|_| json!({ "__text": String::from_utf8_lossy(&out).into_owned() })),
        Ok(false) => Json::Null,
        Err(problem) => json!({ "error": problem.to_string() }),
    }
}

fn shown_headers(record: &Record) -> Json {
    let value = |value: &Value| match value {
        Value::Str(text) => json!({ "__text": text.as_str() }),
        other => other.as_i64().map_or(Json::Null, |number| json!(number)),
    };
    record.headers.iter().map(|h| json!({ "key": &*h.key, "value": value(&h.value.value) })).collect()
}

/// The headers of a recorded event without those that the connector adds.
fn own_headers(event: &Json) -> Json {
    let headers = event["headers"].as_array().expect("headers").iter();
    headers.filter(|h| !h["key"].as_str().is_some_and(|key| key.starts_with("__debezium."))).cloned().collect()
}

fn header<'a>(event: &'a Json, key: &str) -> Option<&'a str> {
    let headers = event["headers"].as_array().expect("headers");
    headers.iter().find(|h| h["key"] == key).and_then(|h| h["value"]["__text"].as_str())
}

/// A row of an outbox table, as far as the runs tell it.
#[derive(Default)]
struct OutboxRow {
    aggregate_type: String,
    aggregate_id: String,
    kind: String,
    payload: Option<String>,
}

/// Plays all runs with an outbox.
pub fn check_outbox(file: &str) {
    let mut differences = golden::Differences::new(file);
    let runs = runs(file, OUTBOX);
    for (run, name) in &runs {
        let same: Vec<&(Json, String)> = runs.iter().filter(|(other, _)| other["sql"] == run["sql"]).collect();
        let events = run["events"].as_array().expect("events");
        // Rows in the order of their statements: what is remembered of the first decides about schemas of later ones.
        let statements = run["sql"].to_string();
        let mut ids: Vec<&str> = events.iter().filter_map(|event| header(event, "id")).collect();
        ids.sort_by_key(|id| statements.find(id));
        let transform = transform(run, name);
        for id in ids {
            let event = events.iter().find(|event| header(event, "id") == Some(id)).expect("event");
            let input = outbox_event(run, id, &outbox_row(&same, id));
            check_outbox_event(run, event, transform.apply(input), &mut differences);
        }
    }
    differences.finish();
}

fn check_outbox_event(
    run: &Json,
    event: &Json,
    output: couplet_api::Result<Option<Record>>,
    differences: &mut golden::Differences,
) {
    let case = format!("{} {}", run["scenario"], event["headers"]);
    let record = match output {
        Ok(Some(record)) => record,
        other => return differences.note(&case, &format!("{other:?}")),
    };
    let class = run["config"]["value.converter"].as_str().unwrap_or(JSON_CONVERTER);
    let got = json!({
        "topic": &*record.topic,
        "key": shown(JSON_CONVERTER, &record.key),
        "value": shown(class, &record.value),
        "headers": shown_headers(&record),
    });
    let want = json!({
        "topic": event["topic"], "key": event["key"], "value": event["value"], "headers": own_headers(event),
    });
    differences.check(&case, &want, &got);
}

/// What the runs with the same statements tell of the row `id`.
fn outbox_row(runs: &[&(Json, String)], id: &str) -> OutboxRow {
    let mut row = OutboxRow::default();
    for (run, name) in runs {
        let setting = |key: &str| run["config"][format!("transforms.{name}.{key}")].as_str();
        let events = run["events"].as_array().expect("events");
        let Some(event) = events.iter().find(|event| header(event, "id") == Some(id)) else { continue };
        let routed_by = event["topic"].as_str().and_then(|topic| topic.rsplit('.').next()).unwrap_or_default();
        match setting("route.by.field") {
            None => row.aggregate_type = routed_by.to_owned(),
            Some("type") => row.kind = routed_by.to_owned(),
            Some(_) => {}
        }
        if setting("table.field.event.key").is_none() {
            row.aggregate_id = event["key"]["payload"].as_str().unwrap_or_default().to_owned();
        }
        if let Some(payload) = event["value"]["payload"].as_str() {
            row.payload = Some(payload.to_owned());
        }
    }
    row
}

fn semantic(kind: Type, name: &str) -> SchemaBuilder {
    SchemaBuilder::new(kind).name(name).version(1)
}

fn outbox_event(run: &Json, id: &str, row: &OutboxRow) -> Record {
    let scenario = run["scenario"].as_str().expect("scenario");
    let mut builder = SchemaBuilder::structure()
        .name(format!("{scenario}.public.outbox.Value"))
        .optional()
        .field("id", semantic(Type::String, "io.debezium.data.Uuid").build())
        .field("aggregatetype", Schema::string())
        .field("aggregateid", Schema::string())
        .field("type", Schema::string())
        .field("payload", semantic(Type::String, "io.debezium.data.Json").optional().build());
    let texts = [id, &row.aggregate_type, &row.aggregate_id, &row.kind];
    let mut values: Vec<Value> = texts.into_iter().map(Value::str).collect();
    values.push(row.payload.as_deref().into());
    // The columns with defaults, which their statements leave out.
    if let Some(default) = column_default(run, "ts bigint default ") {
        let number: i64 = default.parse().expect("number");
        builder = builder.field("ts", SchemaBuilder::new(Type::Int64).optional().default(number).build());
        values.push(Value::Int64(number));
    }
    if let Some(default) = column_default(run, "tenant text default ") {
        let text = default.trim_matches('\'').to_owned();
        builder = builder.field("tenant", SchemaBuilder::new(Type::String).optional().default(text.as_str()).build());
        values.push(Value::str(text));
    }
    let schema = builder.build();
    let event = envelope(&schema);
    let row = Struct::new(schema, values);
    let event_value = Struct::new(event.clone(), vec![Value::Null, row.into(), Value::str("c"), Value::Int64(1)]);
    Record::new(format!("{scenario}.public.outbox"), Datum::NULL, Datum::new(event, event_value))
}

fn envelope(row: &SchemaRef) -> SchemaRef {
    SchemaBuilder::structure()
        .name("t.Envelope")
        .field("before", row.clone())
        .field("after", row.clone())
        .field("op", Schema::string())
        .field("ts_ms", Schema::optional_int64())
        .build()
}

/// The default of a column in the statement that makes the table.
fn column_default(run: &Json, column: &str) -> Option<String> {
    let statement = run["sql"][0].as_str()?;
    let (_, rest) = statement.split_once(column)?;
    rest.split([',', ')']).next().map(str::to_owned)
}

/// Plays all runs with logical tables, but for tombstones, which do not tell their table.
pub fn check_router(file: &str) {
    let mut differences = golden::Differences::new(file);
    for (run, name) in &runs(file, ROUTER) {
        let transform = transform(run, name);
        for event in run["events"].as_array().expect("events") {
            let source = &event["value"]["payload"]["source"];
            let (Some(schema), Some(table)) = (source["schema"].as_str(), source["table"].as_str()) else { continue };
            let scenario = run["scenario"].as_str().expect("scenario");
            let topic = format!("{scenario}.{schema}.{table}");
            let case = format!("{topic} {}", event["key"]["payload"]);
            let record = match transform.apply(physical(run, name, event, &topic)) {
                Ok(Some(record)) => record,
                other => {
                    differences.note(&case, &format!("{other:?}"));
                    continue;
                }
            };
            let got = json!({
                "topic": &*record.topic,
                "key": shown(JSON_CONVERTER, &record.key),
                "value": shown(JSON_CONVERTER, &record.value),
            });
            let want = json!({ "topic": event["topic"], "key": event["key"], "value": event["value"] });
            differences.check(&case, &want, &got);
        }
    }
    differences.finish();
}

/// The record of the table that an event of a logical table came from.
fn physical(run: &Json, name: &str, event: &Json, topic: &str) -> Record {
    let logical = event["topic"].as_str().expect("topic");
    let mut key = event["key"].clone();
    let added = run["config"][format!("transforms.{name}.key.field.name")].as_str();
    let added = added.unwrap_or("__dbz__physicalTableIdentifier");
    if let Some(fields) = key["schema"]["fields"].as_array_mut() {
        fields.retain(|field| field["field"] != added);
    }
    if let Some(payload) = key["payload"].as_object_mut() {
        payload.remove(added);
    }
    let read = |json: &Json, is_key: bool| {
        let names = |suffix: &str| (format!("\"{logical}.{suffix}\""), format!("\"{topic}.{suffix}\""));
        let text = ["Key", "Value", "Envelope"].into_iter().map(names);
        let text = text.fold(json.to_string(), |text, (new, old)| text.replace(&new, &old));
        converter(JSON_CONVERTER, is_key).to_connect("t", Some(&Bytes::from(text))).expect("recorded JSON")
    };
    Record::new(topic, read(&key, true), read(&event["value"], false))
}

/// Plays all runs that unwrap events and make headers fields: the chain of both transforms.
pub fn check_header_to_value(file: &str) {
    let mut differences = golden::Differences::new(file);
    for run in golden::cases(file) {
        let setting = |key: &str| run["config"][format!("transforms.{key}")].as_str().unwrap_or_default().to_owned();
        let names = run["config"]["transforms"].as_str().unwrap_or_default().to_owned();
        let Some((unwrap, moves)) = names.split_once(',') else { continue };
        if setting(&format!("{moves}.type")) != HEADER_TO_VALUE {
            continue;
        }
        let (fields, headers) = (setting(&format!("{moves}.fields")), setting(&format!("{moves}.headers")));
        let added: Vec<(&str, &str)> = fields.split(',').zip(headers.split(',')).collect();
        let chain = [transform(&run, unwrap), transform(&run, moves)];
        for event in run["events"].as_array().expect("events") {
            let case = format!("{} {}", run["scenario"], event["value"]["payload"]);
            let mut record = Ok(Some(changed_row(event, &added)));
            for transform in &chain {
                record = record.and_then(|record| record.map_or(Ok(None), |record| transform.apply(record)));
            }
            match record {
                Ok(Some(record)) => {
                    let got =
                        json!({ "value": shown(JSON_CONVERTER, &record.value), "headers": shown_headers(&record) });
                    differences.check(&case, &json!({ "value": event["value"], "headers": own_headers(event) }), &got);
                }
                other => differences.note(&case, &format!("{other:?}")),
            }
        }
    }
    differences.finish();
}

/// The change event whose row, with the fields `added` from headers, came out.
fn changed_row(event: &Json, added: &[(&str, &str)]) -> Record {
    let bytes = Bytes::from(event["value"].to_string());
    let output = converter(JSON_CONVERTER, false).to_connect("t", Some(&bytes)).expect("recorded JSON");
    let output = output.value.as_struct().expect("a row").clone();
    let from_header = |header: &str| {
        let field = added.iter().find(|(_, name)| *name == header).map(|(field, _)| *field).expect("a header");
        output.get(field).cloned().expect("its field")
    };
    let own = |name: &str| !added.iter().any(|(field, _)| *field == name);
    let mut builder = SchemaBuilder::structure().name_or_none(output.schema().name()).optional();
    let mut values = Vec::new();
    for (field, value) in output.schema().fields().iter().zip(output.values()).filter(|(f, _)| own(f.name())) {
        builder = builder.field(field.name(), field.schema().clone());
        values.push(value.clone());
    }
    let row = builder.build();
    let source = SchemaBuilder::structure().field("table", Schema::string()).build();
    let schema = SchemaBuilder::structure()
        .name("t.Envelope")
        .field("before", row.clone())
        .field("after", row.clone())
        .field("source", source.clone())
        .field("op", Schema::string())
        .build();
    let source = Struct::new(source, vec![from_header("__source_table")]);
    let after = Struct::new(row, values);
    let value = Struct::new(schema.clone(), vec![Value::Null, after.into(), source.into(), from_header("__op")]);
    Record::new("t", Datum::NULL, Datum::new(schema, value))
}
