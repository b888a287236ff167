//! Statements that Debezium's own parsers were given: what they said they were about, and the tables they made.

use std::sync::Arc;

use couplet_mysql_schema::history::HistoryRecord;
use couplet_mysql_schema::{ChangeKind, Ddl, DdlEventKind, Dialect, Scope, TableChange, Tables};
use couplet_testkit::golden;
use serde_json::{Value as Json, json};

/// Statements (by their beginning) of which we make something else on purpose, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("create table t (id int /*!40101", "the server reads what stands in such comments"),
    ("create table t(id int); alter table t convert", "text is in the new character set from then on"),
    ("create table t(id int) select", "the query's columns are not known, so the table is not"),
    ("create table t (o set('x') collate", "a collation names a character set, wherever it stands"),
    ("create table t (v text) collate", "the table's collation does so too"),
    ("create database x collate", "the database's as well"),
    ("create table t(id int, e enum('a','b')); alter table t change", "a changed column has no elements any more"),
    ("create table t(id int, v int not null auto_increment unique); alter", "a changed column is defined anew"),
    (
        "create table t(id int, v int not null default 3); alter",
        "a changed column is nullable unless it says otherwise",
    ),
    ("create table t(id int default 1); alter table t alter", "NULL is a default, too"),
    ("create table t(Id int, B int, C int); alter", "a column with capitals moves without leaving itself behind"),
    ("create temporary table", "a session's own table hides one of the same name from that session only"),
    ("create table t(id int); drop temporary", "so the other one stays"),
];

fn kind_name(kind: &DdlEventKind) -> &'static [&'static str] {
    match kind {
        DdlEventKind::Create => &["CREATE_TABLE"],
        DdlEventKind::Alter { .. } => &["ALTER_TABLE", "CREATE_INDEX"],
        DdlEventKind::Drop => &["DROP_TABLE"],
        DdlEventKind::Truncate => &["TRUNCATE_TABLE"],
        DdlEventKind::Database => &["CREATE_DATABASE", "USE_DATABASE"],
        DdlEventKind::Variable(_) => &["SET_VARIABLE"],
    }
}

/// What differs between the recording and what we make of its statements.
fn differences(case: &Json, dialect: Dialect) -> Vec<String> {
    let sql = case["sql"].as_str().expect("statements");
    let (mut ddl, mut tables) = (Ddl::new(dialect).with_comments(true), Tables::new(false));
    ddl.set_variable(Scope::Session, "character_set_server", "utf8mb4");
    let events = match ddl.apply(&mut tables, "d", sql) {
        // What the original does not understand may be understood.
        _ if !case["error"].is_null() => return Vec::new(),
        Ok(events) => events,
        Err(error) => return vec![format!("not understood: {error}")],
    };
    let mut differing = Vec::new();
    let want: Vec<&str> = case["events"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let have: Vec<String> = events.iter().map(|event| format!("{:?} {}", event.kind, event.statement)).collect();
    let same_event = |(want, event): (&&str, &couplet_mysql_schema::DdlEvent)| {
        want.split_once('|')
            .is_some_and(|(kind, statement)| kind_name(&event.kind).contains(&kind) && statement == event.statement)
    };
    if want.len() != events.len() || !want.iter().zip(&events).all(same_event) {
        differing.push(format!("events\n    want {want:?}\n    have {have:?}"));
    }
    let have: Vec<Json> = tables.iter().map(json_of).collect();
    let want = case["tables"].as_array().cloned().unwrap_or_default();
    for place in 0..want.len().max(have.len()) {
        let (want, have) = (want.get(place).map(Json::to_string), have.get(place).map(Json::to_string));
        if want != have {
            differing.push(format!("table\n    want {want:?}\n    have {have:?}"));
        }
    }
    differing
}

fn json_of(table: &Arc<couplet_mysql_schema::Table>) -> Json {
    let change =
        TableChange { kind: ChangeKind::Create, id: table.id.clone(), previous_id: None, table: Some(table.clone()) };
    let record = HistoryRecord {
        source: Default::default(),
        position: Default::default(),
        ts_ms: None,
        database: None,
        schema: None,
        ddl: None,
        changes: Some(vec![change]),
    };
    let text = record.to_file_line().expect("JSON");
    serde_json::from_str::<Json>(&text).expect("JSON")["tableChanges"][0].take()
}

fn check(file: &str, dialect: Dialect) {
    let mut failed = Vec::new();
    for case in golden::cases(file) {
        let sql = case["sql"].as_str().expect("statements");
        let differing = differences(&case, dialect);
        let excused = DIFFERENT.iter().any(|(beginning, _)| sql.starts_with(beginning));
        if excused == differing.is_empty() {
            failed.push(format!("{sql}\n  recorded error: {}\n  {}", json!(case["error"]), differing.join("\n  ")));
        }
    }
    assert!(failed.is_empty(), "{} differ from {file}:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn mysql_statements_make_the_tables_of_the_original() {
    check("cdc/ddl/mysql.jsonl", Dialect::MySql);
}

#[test]
fn mariadb_statements_make_the_tables_of_the_original() {
    check("cdc/ddl/mariadb.jsonl", Dialect::MariaDb);
}
