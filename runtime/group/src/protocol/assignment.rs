use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use couplet_api::Result;

use super::schema::{Reader, put_length, put_string};
use super::{ConnectProtocol, TaskId, hash_set_order};

/// The leader could assign.
pub const NO_ERROR: i16 = 0;
/// The leader's config topic was behind a member's: read to its end and join again.
pub const CONFIG_MISMATCH: i16 = 1;

/// The number that stands for the connector itself among the numbers of its tasks.
const CONNECTOR: i32 = -1;

/// What a leader gives to a member, in Java `ExtendedAssignment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Version of the protocol it was read with; what is written goes by the protocol of the group.
    pub version: i16,
    /// [`NO_ERROR`] or [`CONFIG_MISMATCH`].
    pub error: i16,
    /// Member id of the leader.
    pub leader: String,
    /// URL of the leader's REST server.
    pub leader_url: String,
    /// Offset in the config topic up to which a member must have read before it starts the work.
    pub config_offset: i64,
    /// Connectors to run. From version 1 on: in addition to those the member has.
    pub connectors: Vec<String>,
    /// Tasks to run, likewise.
    pub tasks: Vec<TaskId>,
    /// Connectors to give up, from version 1 on.
    pub revoked_connectors: Vec<String>,
    /// Tasks to give up, from version 1 on.
    pub revoked_tasks: Vec<TaskId>,
    /// After so many milliseconds the member should join again, because lost work is held back; 0: no need. From version 1 on.
    pub delay_ms: i32,
}

impl Assignment {
    /// No work, for the members of a group led by `leader`.
    pub fn new(protocol: ConnectProtocol, leader: &str, leader_url: &str, config_offset: i64) -> Self {
        Assignment {
            version: protocol.version(),
            error: NO_ERROR,
            leader: leader.to_owned(),
            leader_url: leader_url.to_owned(),
            config_offset,
            connectors: Vec::new(),
            tasks: Vec::new(),
            revoked_connectors: Vec::new(),
            revoked_tasks: Vec::new(),
            delay_ms: 0,
        }
    }

    /// Whether the leader could not assign.
    pub fn failed(&self) -> bool {
        self.error != NO_ERROR
    }

    /// Whether it takes work away.
    pub fn revokes(&self) -> bool {
        !self.revoked_connectors.is_empty() || !self.revoked_tasks.is_empty()
    }

    /// The bytes for a group that uses `protocol`.
    ///
    /// # Errors
    /// `Kind::Data` when a text is longer than 32767 bytes.
    pub fn encode(&self, protocol: ConnectProtocol) -> Result<Bytes> {
        let mut out = Vec::new();
        out.extend(protocol.version().to_be_bytes());
        out.extend(self.error.to_be_bytes());
        put_string(&mut out, "leader", &self.leader)?;
        put_string(&mut out, "leader-url", &self.leader_url)?;
        out.extend(self.config_offset.to_be_bytes());
        // The JVM collects what is assigned in a `HashSet`, what is revoked in the order given.
        let mut connectors: Vec<&str> = distinct(&self.connectors);
        hash_set_order(&mut connectors);
        put_work(&mut out, "assignment", &connectors, &self.tasks)?;
        if protocol.is_cooperative() {
            put_work(&mut out, "revoked", &distinct(&self.revoked_connectors), &self.revoked_tasks)?;
            out.extend(self.delay_ms.to_be_bytes());
        }
        Ok(out.into())
    }

    /// Reads an assignment of any version, as each member does whatever the group's protocol.
    ///
    /// # Errors
    /// `Kind::Data` with the JVM's text.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let version = reader.version()?;
        let error = reader.required("error", Reader::i16)?;
        let leader = reader.required("leader", Reader::string)?;
        let leader_url = reader.required("leader-url", Reader::string)?;
        let config_offset = reader.required("config-offset", Reader::i64)?;
        let (connectors, tasks) = split(reader.optional("assignment", work)?);
        let (revoked_connectors, revoked_tasks) = split(reader.optional("revoked", work)?);
        let delay_ms = reader.optional("delay", Reader::i32)?;
        Ok(Assignment {
            version,
            error,
            leader,
            leader_url,
            config_offset,
            connectors,
            tasks,
            revoked_connectors,
            revoked_tasks,
            delay_ms,
        })
    }
}

fn distinct(names: &[String]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    names.iter().map(String::as_str).filter(|name| seen.insert(*name)).collect()
}

/// Work by connector: connectors first, then those that only tasks name.
fn put_work(out: &mut Vec<u8>, field: &str, connectors: &[&str], tasks: &[TaskId]) -> Result<()> {
    let mut by_connector: Vec<(&str, Vec<i32>)> = connectors.iter().map(|name| (*name, vec![CONNECTOR])).collect();
    for task in tasks {
        match by_connector.iter_mut().find(|(name, _)| *name == task.connector) {
            Some((_, numbers)) => numbers.push(task.task),
            None => by_connector.push((&task.connector, vec![task.task])),
        }
    }
    put_length(out, field, by_connector.len())?;
    for (name, numbers) in by_connector {
        put_string(out, "connector", name)?;
        put_length(out, "tasks", numbers.len())?;
        numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
    }
    Ok(())
}

type Work = Vec<(String, Vec<i32>)>;

fn work(reader: &mut Reader<'_>) -> Result<Work, String> {
    reader.array(true, |reader| {
        let connector = reader.nested("connector", Reader::string)?;
        let tasks = reader.nested("tasks", |reader| reader.array(false, Reader::i32))?;
        Ok((connector, tasks))
    })
}

fn split(work: Work) -> (Vec<String>, Vec<TaskId>) {
    let (mut connectors, mut tasks) = (Vec::new(), Vec::new());
    for (connector, numbers) in work {
        for number in numbers {
            match number {
                CONNECTOR => connectors.push(connector.clone()),
                task => tasks.push(TaskId::new(connector.clone(), task)),
            }
        }
    }
    (connectors, tasks)
}

/// As the JVM logs it.
impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Assignment{{error={}, leader='{}', leaderUrl='{}', offset={}, connectorIds=[{}], taskIds=[{}], \
             revokedConnectorIds=[{}], revokedTaskIds=[{}], delay={}}}",
            self.error,
            self.leader,
            self.leader_url,
            self.config_offset,
            self.connectors.join(", "),
            listed(&self.tasks),
            self.revoked_connectors.join(", "),
            listed(&self.revoked_tasks),
            self.delay_ms
        )
    }
}

fn listed(tasks: &[TaskId]) -> String {
    tasks.iter().map(TaskId::to_string).collect::<Vec<_>>().join(", ")
}
