//! Every schema history record and schema change record of the recordings: its statement, applied in order, makes it.

use bytes::BytesMut;
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::{Datum, SchemaBuilder, SchemaRef, Struct, Value};
use couplet_api::plugin::Plugin;
use couplet_mysql_schema::history::HistoryRecord;
use couplet_mysql_schema::{Capture, Ddl, Dialect, SchemaChange, SchemaChangeTopic, Tables};
use couplet_testkit::golden;
use serde_json::Value as Json;

const FILES: &[(&str, Dialect)] = &[
    ("cdc/mysql/my_ddl.jsonl", Dialect::MySql),
    ("cdc/mysql/my_dml.jsonl", Dialect::MySql),
    ("cdc/mysql/my_types.jsonl", Dialect::MySql),
    ("cdc/mariadb/my_ddl.jsonl", Dialect::MariaDb),
    ("cdc/mariadb/my_dml.jsonl", Dialect::MariaDb),
    ("cdc/mariadb/my_types.jsonl", Dialect::MariaDb),
];

/// Events of a scenario whose topic and value pass `wanted`.
fn values(scenario: &Json, wanted: impl Fn(&str, &Json) -> bool) -> Vec<&Json> {
    let events = scenario["events"].as_array().expect("events");
    events
        .iter()
        .filter(|event| wanted(event["topic"].as_str().expect("a topic"), &event["value"]))
        .map(|event| &event["value"])
        .collect()
}

fn parser(scenario: &Json, dialect: Dialect) -> Ddl {
    let config = &scenario["connector_config"];
    let comments = match dialect {
        Dialect::MySql => config["include.schema.comments"] == "true",
        // The MariaDB connector looks at another key.
        Dialect::MariaDb => config["include.schema.changes"] != "false",
    };
    Ddl::new(dialect).with_comments(comments)
}

/// The one change that the statement of a record makes.
fn replay(ddl: &mut Ddl, tables: &mut Tables, record: &Json) -> SchemaChange {
    let (database, statement) = (record["databaseName"].as_str(), record["ddl"].as_str().expect("a statement"));
    let changes = ddl.changes(tables, database.unwrap_or_default(), statement, &Capture::default());
    let mut changes = changes.unwrap_or_else(|error| panic!("{statement}: {error}"));
    assert_eq!(changes.len(), 1, "changes of {statement}");
    changes.remove(0)
}

#[test]
fn statements_make_the_recorded_history() {
    let mut checked = 0;
    let mut differing = Vec::new();
    for (file, dialect) in FILES {
        for scenario in golden::cases(file) {
            let name = scenario["scenario"].as_str().expect("a name").to_owned();
            let (mut ddl, mut tables) = (parser(&scenario, *dialect), Tables::new(false));
            for recorded in values(&scenario, |topic, value| topic.starts_with("schema-history.") && value.is_object())
            {
                let want = recorded.to_string();
                let mut record = HistoryRecord::parse(&want).expect("a record").expect("source and position");
                let again = record.to_file_line().expect("JSON");
                if again != want {
                    differing.push(format!("{name}: read and written again\n  want {want}\n  have {again}"));
                }
                let change = replay(&mut ddl, &mut tables, recorded);
                record.ddl = Some(change.ddl);
                record.database = Some(change.database);
                record.changes = Some(change.changes);
                let have = record.to_file_line().expect("JSON");
                if have != want {
                    differing.push(format!("{name}: {}\n  want {want}\n  have {have}", recorded["ddl"]));
                }
                checked += 1;
            }
        }
    }
    assert!(differing.is_empty(), "{} of {checked} differ:\n{}", differing.len(), differing.join("\n"));
    assert!(checked > 500, "only {checked} records");
}

/// The source block does not belong to this crate: one without members stands in for it.
fn source() -> SchemaRef {
    SchemaBuilder::structure().name("source").build()
}

fn json_converter() -> std::sync::Arc<dyn Converter> {
    let converters = couplet_plugins::plugins().into_iter().filter_map(|plugin| match plugin {
        Plugin::Converter(factory) => Some(factory),
        _ => None,
    });
    let json = converters.into_iter().find(|factory| factory.class.ends_with(".JsonConverter")).expect("JsonConverter");
    (json.create)(&Props::new(), false).expect("a converter")
}

fn as_json(converter: &dyn Converter, datum: &Datum) -> Json {
    let mut bytes = BytesMut::new();
    converter.from_connect("t", &[], datum, &mut bytes).expect("converts");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[test]
fn statements_make_the_recorded_schema_changes() {
    let converter = json_converter();
    let mut checked = 0;
    for (file, dialect) in FILES {
        let connector = if *dialect == Dialect::MySql { "mysql" } else { "mariadb" };
        let records = SchemaChangeTopic::new(connector, source());
        for scenario in golden::cases(file) {
            let name = scenario["scenario"].as_str().expect("a name");
            let (mut ddl, mut tables) = (parser(&scenario, *dialect), Tables::new(false));
            let events = scenario["events"].as_array().expect("events").iter();
            let named_alike = |event: &&Json| {
                event["value"]["schema"]["name"]
                    .as_str()
                    .is_some_and(|schema| schema == format!("io.debezium.connector.{connector}.SchemaChangeValue"))
            };
            for event in events.filter(named_alike) {
                let payload = &event["value"]["payload"];
                let change = replay(&mut ddl, &mut tables, payload);
                let empty = Value::from(Struct::new(source(), []));
                let (key, value) = records.record(&change, empty, payload["ts_ms"].as_i64().expect("a time"));
                assert_eq!(as_json(&*converter, &key).to_string(), event["key"].to_string(), "{name}: key");
                let mut want = event["value"].clone();
                want["payload"]["source"] = serde_json::json!({});
                let have = as_json(&*converter, &value);
                // The source block's schema is the connector's.
                want["schema"]["fields"][0] = have["schema"]["fields"][0].clone();
                assert_eq!(have.to_string(), want.to_string(), "{name}: {}", payload["ddl"]);
                checked += 1;
            }
        }
    }
    assert!(checked > 500, "only {checked} records");
}
