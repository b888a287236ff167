//! The schema history: kept in each place, and read back up to an offset.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::own_topic::OwnTopic;
use couplet_api::testing::MemoryTopic;
use couplet_mysql_schema::history::{
    FileHistory, GtidOrder, HistoryRecord, HistoryStore, MemoryHistory, Recovered, Recovery, TopicHistory,
};
use couplet_mysql_schema::{Ddl, Dialect, Tables};
use couplet_testkit::golden;
use serde_json::Value as Json;

/// Sets of one server in the recordings: whichever ends later holds more.
struct Last;

fn last(set: &str) -> u64 {
    set.rsplit(['-', ':']).next().and_then(|number| number.parse().ok()).expect("a set ends in a number")
}

impl GtidOrder for Last {
    fn equal(&self, recorded: &str, desired: &str) -> Result<bool> {
        Ok(last(recorded) == last(desired))
    }

    fn within(&self, recorded: &str, desired: &str) -> Result<bool> {
        Ok(last(recorded) <= last(desired))
    }
}

/// The records of all histories in a recording, by scenario.
fn histories(file: &str) -> Vec<(String, Vec<HistoryRecord>)> {
    let of = |scenario: &Json| {
        let events = scenario["events"].as_array().expect("events").iter();
        let history = events.filter(|event| event["topic"].as_str().is_some_and(|t| t.starts_with("schema-history.")));
        let records = history.map(|event| HistoryRecord::parse(&event["value"].to_string()).expect("understood"));
        (scenario["scenario"].as_str().expect("a name").to_owned(), records.flatten().collect())
    };
    golden::cases(file).iter().map(of).collect()
}

async fn recover(store: &mut dyn HistoryStore, until: &HistoryRecord, dialect: Dialect) -> Result<(Recovered, Tables)> {
    let (mut ddl, mut tables) = (Ddl::new(dialect), Tables::new(false));
    let recovery = Recovery {
        source: &until.source,
        until: &until.position,
        gtids: &Last,
        filtered: &|_| false,
        skip_unparseable: false,
    };
    let recovered = recovery.run(store, &mut ddl, &mut tables).await?;
    Ok((recovered, tables))
}

fn shapes(tables: &Tables) -> Vec<String> {
    tables.iter().map(|table| format!("{table:?}")).collect()
}

#[tokio::test]
async fn tables_have_the_shape_that_they_had_at_an_offset() {
    let mut checked = 0;
    for (file, dialect) in [("cdc/mysql/my_ddl.jsonl", Dialect::MySql), ("cdc/mariadb/my_ddl.jsonl", Dialect::MariaDb)]
    {
        for (name, records) in histories(file) {
            let mut store = MemoryHistory::default();
            for record in &records {
                store.append(record).await.expect("kept");
            }
            let is_snapshot = |record: &HistoryRecord| record.position.get("snapshot").is_some();
            for (place, until) in records.iter().enumerate() {
                let (recovered, tables) = recover(&mut store, until, dialect).await.expect("recovered");
                // A statement about several tables makes several records at one position, and a snapshot has only one.
                let here = |record: &HistoryRecord| match is_snapshot(until) {
                    true => is_snapshot(record),
                    false => record.position == until.position,
                };
                let last = records.iter().rposition(here).expect("itself");
                let mut before = MemoryHistory::default();
                for record in &records[..=last] {
                    before.append(record).await.expect("kept");
                }
                let (all, want) = recover(&mut before, &records[last], dialect).await.expect("recovered");
                assert_eq!(all.read, last as u64 + 1, "{name}: record {place}");
                assert_eq!(shapes(&tables), shapes(&want), "{name}: record {place}");
                assert_eq!(recovered.read, records.len() as u64, "{name}: record {place}");
                checked += 1;
            }
        }
    }
    assert!(checked > 100, "only {checked} offsets");
}

#[tokio::test]
async fn each_place_keeps_records_in_order() {
    let records = histories("cdc/mysql/my_ddl.jsonl").swap_remove(1).1;
    let folder = tempfile::tempdir().expect("a folder");
    let stores: [(&str, Box<dyn HistoryStore>); 3] = [
        ("memory", Box::new(MemoryHistory::default())),
        ("file", Box::new(FileHistory::new(folder.path().join("new/history.dat")))),
        ("topic", Box::new(TopicHistory::new(Arc::new(MemoryTopic::default())))),
    ];
    for (name, mut store) in stores {
        assert!(!store.has_records().await.expect("asked"), "{name}");
        store.initialize().await.expect("made");
        store.initialize().await.expect("made twice");
        assert!(!store.has_records().await.expect("asked"), "{name}");
        for record in &records {
            store.append(record).await.expect("kept");
        }
        assert!(store.has_records().await.expect("asked"), "{name}");
        let mut have = Vec::new();
        let mut keep = |text: &str| {
            have.extend(HistoryRecord::parse(text)?);
            Ok(())
        };
        store.load(&mut keep).await.expect("read");
        assert_eq!(have, records, "{name}");
    }
}

#[tokio::test]
async fn what_an_interrupted_write_left_in_a_file_harms_no_other_record() {
    let records = histories("cdc/mysql/my_ddl.jsonl").swap_remove(1).1;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history.dat");
    let mut store = FileHistory::new(&path);
    store.append(&records[0]).await.expect("kept");
    let whole = std::fs::read_to_string(&path).expect("a file");
    std::fs::write(&path, format!("{whole}{}", &whole[..whole.len() / 2])).expect("written");
    store.append(&records[1]).await.expect("kept");
    let mut have = Vec::new();
    let mut keep = |text: &str| {
        have.extend(HistoryRecord::parse(text)?);
        Ok(())
    };
    store.load(&mut keep).await.expect("read");
    assert_eq!(have, records[..2]);
}

#[tokio::test]
async fn records_are_laid_out_in_a_topic_as_the_original_lays_them_out() {
    let topic = Arc::new(MemoryTopic::default());
    let want = golden::text("cdc/ddl/history_record.txt");
    let record = HistoryRecord::parse(&want).expect("understood").expect("a record");
    TopicHistory::new(topic.clone()).append(&record).await.expect("kept");
    let mut text = String::new();
    let mut keep = |record: couplet_api::own_topic::OwnRecord| {
        assert_eq!(record.key, None);
        text = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
        Ok(())
    };
    topic.read(&mut keep).await.expect("read");
    assert_eq!(text, want);
}

#[tokio::test]
async fn a_record_that_cannot_be_understood_is_an_error_and_what_is_no_record_is_skipped() {
    let record = |rest: &str| format!(r#"{{"source":{{"server":"p"}},"position":{{"gtids":"0-1-1"}}{rest}}}"#);
    let rows = [
        ("no JSON", "nonsense".to_owned(), true),
        ("no position", r#"{"source":{}}"#.to_owned(), true),
        ("a statement of no interest", record(r#","databaseName":"d","ddl":"FLUSH TABLES""#), true),
        ("a statement that is broken", record(r#","databaseName":"d","ddl":"CREATE TABLE t (a int""#), false),
        ("a change without a table", record(r#","tableChanges":[{"type":"CREATE","id":"\"d\".\"t\""}]"#), false),
    ];
    let until = HistoryRecord::parse(&record("")).expect("understood").expect("a record");
    for (claim, text, fine) in rows {
        let mut store = MemoryHistory { records: vec![text] };
        let recovered = recover(&mut store, &until, Dialect::MySql).await;
        assert_eq!(recovered.is_ok(), fine, "{claim}: {:?}", recovered.err());
    }
}
