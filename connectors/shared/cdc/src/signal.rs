//! Signals: what a user asks of a running connector, by a row of the signal table, a record of Kafka, or a line of a file.

use couplet_api::data::Value;
use serde_json::Value as Json;

use crate::filter::compile;

/// A signal as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its name, which notifications repeat.
    pub id: String,
    /// What it asks for.
    pub kind: String,
    /// The particulars, a JSON object; may be empty.
    pub data: String,
}

/// What a signal asks for.
#[derive(Debug, Clone)]
pub enum Action {
    /// Write a line to the log; `{}` stands for the offset.
    Log(String),
    /// Read tables again.
    Execute(SnapshotRequest),
    /// Stop reading these tables (regular expressions); empty: all.
    Stop(Vec<String>),
    /// Stop reading for a while.
    Pause,
    /// Go on reading.
    Resume,
    /// A chunk's rows are about to be read.
    OpenWindow,
    /// They have been read.
    CloseWindow,
}

/// The particulars of `execute-snapshot`.
#[derive(Debug, Clone)]
pub struct SnapshotRequest {
    /// Regular expressions over whole names.
    pub collections: Vec<String>,
    /// Conditions by table.
    pub conditions: Vec<Condition>,
    /// The column that orders rows instead of the primary key.
    pub surrogate_key: Option<String>,
    /// Whether streaming stops meanwhile.
    pub blocking: bool,
}

/// Which rows of a table to read.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The table's name as the signal has it: a regular expression.
    pub collection: String,
    pattern: regex::Regex,
    /// A condition, or the whole SELECT for a blocking snapshot.
    pub filter: String,
}

impl Signal {
    /// The signal in a row of the signal table, whose columns are id, type and data whatever their names. `None`, with a
    /// line in the log, when the row is none.
    pub fn from_row(row: &[Value]) -> Option<Self> {
        let [id, kind, data] = row else {
            tracing::warn!(columns = row.len(), "a row of the signal table should have 3 columns: id, type, data");
            return None;
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Signal { id: text(id), kind: text(kind), data: text(data) })
    }

    /// The close of the window whose open row was deleted, for `incremental.snapshot.watermarking.strategy=insert_delete`.
    pub fn from_deleted_row(row: &[Value]) -> Option<Self> {
        let id = row.first().and_then(Value::as_str)?.replace("open", "close");
        Some(Signal { id, kind: "snapshot-window-close".to_owned(), data: String::new() })
    }

    /// The signal in a JSON object with `id`, `type` and `data`: a line of a file, a value of a Kafka record.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
        let Some(kind) = json["type"].as_str() else { return Err("its member type is missing".to_owned()) };
        let id = json["id"].as_str().map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        let data = match &json["data"] {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(Signal { id, kind: kind.to_owned(), data })
    }

    /// What it asks for. `None`, with a line in the log, for what is not understood.
    pub fn action(&self) -> Option<Action> {
        match self.read() {
            Ok(action) => Some(action),
            Err(problem) => {
                tracing::warn!(id = self.id, r#type = self.kind, problem, "a signal is ignored");
                None
            }
        }
    }

    fn read(&self) -> Result<Action, String> {
        // Marks of our own, whose data nobody needs.
        match self.kind.as_str() {
            "snapshot-window-open" => return Ok(Action::OpenWindow),
            "snapshot-window-close" => return Ok(Action::CloseWindow),
            "pause-snapshot" => return Ok(Action::Pause),
            "resume-snapshot" => return Ok(Action::Resume),
            "log" | "execute-snapshot" | "stop-snapshot" => {}
            _ => return Err("its type is not recognized".to_owned()),
        }
        let data: Json = match self.data.trim() {
            "" => Json::Null,
            text => serde_json::from_str(text).map_err(|_| "its data cannot be parsed as JSON".to_owned())?,
        };
        match self.kind.as_str() {
            "log" => match data["message"].as_str() {
                Some(message) if !message.is_empty() => Ok(Action::Log(message.to_owned())),
                _ => Err("message is missing from its data".to_owned()),
            },
            "stop-snapshot" => {
                is_blocking(&data)?;
                Ok(Action::Stop(names(&data["data-collections"])))
            }
            _ => execute(&data).map(Action::Execute),
        }
    }
}

fn execute(data: &Json) -> Result<SnapshotRequest, String> {
    let collections = names(&data["data-collections"]);
    if collections.is_empty() {
        return Err("data-collections is missing from its data or empty".to_owned());
    }
    let conditions = data["additional-conditions"].as_array().into_iter().flatten().map(|condition| {
        let text = |key: &str| {
            let missing = || format!("{key} is missing from one of its additional-conditions");
            condition[key].as_str().map(str::to_owned).ok_or_else(missing)
        };
        let collection = text("data-collection")?;
        Ok(Condition { pattern: compile(&collection)?, collection, filter: text("filter")? })
    });
    Ok(SnapshotRequest {
        conditions: conditions.collect::<Result<_, String>>()?,
        surrogate_key: data["surrogate-key"].as_str().filter(|name| !name.trim().is_empty()).map(str::to_owned),
        blocking: is_blocking(data)?,
        collections,
    })
}

fn is_blocking(data: &Json) -> Result<bool, String> {
    match data["type"].as_str().unwrap_or("incremental").to_ascii_uppercase().as_str() {
        "INCREMENTAL" => Ok(false),
        "BLOCKING" => Ok(true),
        other => Err(format!("the type {other} of a snapshot is unknown; use INCREMENTAL or BLOCKING")),
    }
}

fn names(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|name| name.as_str()).map(|name| name.trim().to_owned()).collect()
}

impl SnapshotRequest {
    /// The condition on the rows of `table`, if there is one.
    pub fn condition(&self, table: &str) -> Option<&str> {
        let found = self.conditions.iter().find(|condition| condition.pattern.is_match(table));
        found.map(|condition| condition.filter.as_str()).filter(|filter| !filter.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(kind: &str, data: &str) -> Signal {
        Signal { id: "1".to_owned(), kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn requests_are_read() {
        let data = r#"{"data-collections": [" public.t ", "s.*"], "type": "Blocking", "surrogate-key": "v",
                       "additional-conditions": [{"data-collection": "public.T", "filter": "id > 7"}]}"#;
        let Some(Action::Execute(request)) = signal("execute-snapshot", data).action() else { panic!("a request") };
        assert_eq!(request.collections, ["public.t", "s.*"]);
        assert!(request.blocking);
        assert_eq!(request.surrogate_key.as_deref(), Some("v"));
        assert_eq!((request.condition("public.t"), request.condition("public.u")), (Some("id > 7"), None));
        assert!(matches!(signal("stop-snapshot", "").action(), Some(Action::Stop(tables)) if tables.is_empty()));
        assert!(matches!(signal("log", r#"{"message": "m {}"}"#).action(), Some(Action::Log(m)) if m == "m {}"));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let rows = [
            ("no-such-signal", "{}", "its type is not recognized"),
            ("execute-snapshot", "not json", "its data cannot be parsed as JSON"),
            ("execute-snapshot", "{}", "data-collections is missing"),
            ("execute-snapshot", r#"{"data-collections": ["t"], "type": "full"}"#, "the type FULL"),
            ("log", "", "message is missing"),
        ];
        for (kind, data, want) in rows {
            let problem = signal(kind, data).read().expect_err(kind);
            assert!(problem.starts_with(want), "{kind} {data}: {problem}");
        }
    }

    #[test]
    fn signals_come_as_rows_and_as_json() {
        let row = [Value::str("a-open"), Value::str("log"), Value::Null];
        assert_eq!(Signal::from_row(&row), Some(Signal { id: "a-open".to_owned(), ..signal("log", "") }));
        assert_eq!(Signal::from_row(&row[..2]), None);
        assert_eq!(Signal::from_deleted_row(&row[..1]).map(|s| s.id).as_deref(), Some("a-close"));
        let line = r#"{"id": "7", "type": "log", "data": {"message": "m"}}"#;
        assert_eq!(Signal::from_json(line), Ok(Signal { id: "7".to_owned(), ..signal("log", r#"{"message":"m"}"#) }));
        assert!(Signal::from_json("{}").is_err() && Signal::from_json("x").is_err());
    }
}
