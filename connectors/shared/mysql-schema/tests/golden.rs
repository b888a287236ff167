//! Every schema history record and schema change record of the recordings: its statement, applied in order, makes it.

use couplet_mysql_schema::history::HistoryRecord;
use couplet_mysql_schema::{Capture, Ddl, Dialect, SchemaChange, Tables};
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
