//! One record of the schema history.

use couplet_api::data::OffsetMap;
use couplet_api::{Error, Result};
use serde_json::{Map, Value as Json};

use super::json::{change_from_json, change_to_json, offset_from_json, offset_to_json};
use super::pretty::{to_line, to_pretty};
use crate::change::TableChange;

/// A statement, what it changed, and where in the source it stands: Debezium's `HistoryRecord`.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRecord {
    /// The source partition: `{"server": prefix}`.
    pub source: OffsetMap,
    /// The source offset at the statement.
    pub position: OffsetMap,
    /// When it was recorded, in milliseconds since the epoch.
    pub ts_ms: Option<i64>,
    /// Database in which the statement ran.
    pub database: Option<String>,
    /// Schema; MySQL has none.
    pub schema: Option<String>,
    /// The statement.
    pub ddl: Option<String>,
    /// What it changed; records of old versions have none.
    pub changes: Option<Vec<TableChange>>,
}

impl HistoryRecord {
    /// As Debezium writes it into the topic.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn to_topic_text(&self) -> Result<String> {
        to_pretty(&self.to_json())
    }

    /// As Debezium writes it into a file: one line.
    ///
    /// # Errors
    /// None that can be expected.
    pub fn to_file_line(&self) -> Result<String> {
        to_line(&self.to_json())
    }

    /// Reads a record however it is laid out. `None` when it is not JSON or has no source and position: Debezium skips
    /// those with a warning.
    ///
    /// # Errors
    /// `Kind::Fatal` when the record tells of table changes that cannot be understood.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        let Ok(Json::Object(record)) = serde_json::from_str::<Json>(text) else { return Ok(None) };
        let offset = |name: &str| record.get(name).and_then(Json::as_object).map(offset_from_json);
        let (Some(source), Some(position)) = (offset("source"), offset("position")) else { return Ok(None) };
        let text = |name: &str| record.get(name).and_then(Json::as_str).map(ToOwned::to_owned);
        let ddl = text("ddl");
        let changes = match record.get("tableChanges").and_then(Json::as_array) {
            Some(changes) => {
                Some(changes.iter().map(change_from_json).collect::<Option<Vec<_>>>().ok_or_else(|| {
                    let of = ddl.as_deref().unwrap_or("an unnamed statement");
                    Error::fatal(format!(
                        "a schema history record has table changes that cannot be understood, of: {of}"
                    ))
                })?)
            }
            None => None,
        };
        Ok(Some(HistoryRecord {
            source,
            position,
            ts_ms: record.get("ts_ms").and_then(Json::as_i64),
            database: text("databaseName"),
            schema: text("schemaName"),
            ddl,
            changes,
        }))
    }

    fn to_json(&self) -> Json {
        let mut record = Map::new();
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                record.insert(name.to_owned(), value);
            }
        };
        put("source", Some(offset_to_json(&self.source)));
        put("position", Some(offset_to_json(&self.position)));
        put("ts_ms", self.ts_ms.map(Json::from));
        put("databaseName", self.database.clone().map(Json::from));
        put("schemaName", self.schema.clone().map(Json::from));
        put("ddl", self.ddl.clone().map(Json::from));
        put("tableChanges", self.changes.as_ref().map(|changes| changes.iter().map(change_to_json).collect()));
        Json::Object(record)
    }
}
