//! Headers that Debezium adds: who wrote the record, and the other key of a key change.

use std::sync::{Arc, LazyLock};

use couplet_api::data::{Datum, Header, Schema};

/// On the delete of a key change: the key the row has now.
pub const NEW_KEY: &str = "__debezium.newkey";
/// On the create of a key change: the key the row had.
pub const OLD_KEY: &str = "__debezium.oldkey";

static NEW_KEY_NAME: LazyLock<Arc<str>> = LazyLock::new(|| NEW_KEY.into());
static OLD_KEY_NAME: LazyLock<Arc<str>> = LazyLock::new(|| OLD_KEY.into());

/// The three context headers, or none with `extended.headers.enabled=false`.
#[derive(Debug, Clone)]
pub struct ContextHeaders(Vec<Header>);

impl ContextHeaders {
    /// The headers of the task numbered `task` of the connector that calls its server `logical_name`;
    /// `connector` is the kind's short name (`postgresql`).
    pub fn new(enabled: bool, logical_name: &str, task: u32, connector: &str) -> Self {
        if !enabled {
            return ContextHeaders(Vec::new());
        }
        let header = |key: &str, text: String| Header {
            key: format!("__debezium.context.{key}").into(),
            value: Datum::new(Schema::string(), text),
        };
        ContextHeaders(vec![
            header("connectorLogicalName", logical_name.to_owned()),
            header("taskId", task.to_string()),
            header("connectorName", connector.to_owned()),
        ])
    }

    /// The headers of an ordinary record.
    pub fn plain(&self) -> Vec<Header> {
        self.0.clone()
    }

    /// The headers of the delete of a key change.
    pub fn with_new_key(&self, key: &Datum) -> Vec<Header> {
        self.with(&NEW_KEY_NAME, key)
    }

    /// The headers of the create of a key change.
    pub fn with_old_key(&self, key: &Datum) -> Vec<Header> {
        self.with(&OLD_KEY_NAME, key)
    }

    fn with(&self, name: &Arc<str>, key: &Datum) -> Vec<Header> {
        let mut headers = Vec::with_capacity(self.0.len() + 1);
        headers.push(Header { key: name.clone(), value: key.clone() });
        headers.extend(self.0.iter().cloned());
        headers
    }

    /// Bytes they take in a record, roughly.
    pub fn size(&self) -> usize {
        self.0.iter().map(|h| h.key.len() + h.value.value.as_str().map_or(0, str::len)).sum()
    }
}
