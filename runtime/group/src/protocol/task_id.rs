use std::fmt;
use std::str::FromStr;

use couplet_api::Error;

/// A task of a connector, in Java `ConnectorTaskId`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// Name of the connector.
    pub connector: String,
    /// Number of the task, from 0.
    pub task: i32,
}

impl TaskId {
    /// Task `task` of `connector`.
    pub fn new(connector: impl Into<String>, task: i32) -> Self {
        TaskId { connector: connector.into(), task }
    }
}

/// `connector-task`, as in logs and keys of the status topic.
impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

impl FromStr for TaskId {
    type Err = Error;

    /// Reads what `Display` writes; a connector's name may have dashes.
    ///
    /// # Errors
    /// `Kind::Data` when the text does not end in a dash and a number.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.rsplit_once('-').and_then(|(name, task)| Some((name, task.parse().ok()?)));
        let (connector, task) = parts.ok_or_else(|| Error::data(format!("{text} is no id of a task")))?;
        Ok(TaskId::new(connector, task))
    }
}
