//! The config topic folded into what it says now: Kafka's `ClusterConfigState`.

use std::collections::BTreeMap;

use couplet_api::config::Props;

use super::config_store::{ConfigRecord, SessionKey};
use crate::herder::RestartRequest;
use crate::worker::TargetState;

/// A change that somebody may have to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A connector that was not there.
    ConnectorAdded(String),
    /// A connector's config was written again, changed or not.
    ConnectorUpdated(String),
    /// A connector is gone.
    ConnectorRemoved(String),
    /// A complete set of task configs.
    TasksCommitted(String),
    /// Another target state than before.
    TargetChanged(String),
    /// Somebody asked for a restart.
    RestartRequested(String, RestartRequest),
    /// A new session key.
    SessionKey,
    /// A logger's level on all workers.
    LoggerLevel(String, Option<String>),
}

/// What the topic says about one connector. Parts can be there without a config: a target state is written before
/// it, task configs stay behind after a deletion.
#[derive(Debug, Clone, Default)]
struct Entry {
    config: Option<Props>,
    target: Option<TargetState>,
    /// Task configs that count, by number; more than `task_count` when there were more.
    tasks: BTreeMap<u32, Props>,
    /// Task configs whose commit has not been seen.
    deferred: BTreeMap<u32, Props>,
    task_count: u32,
    /// Whether the last commit lacked task configs: compaction has eaten them, and new ones must be made.
    inconsistent: bool,
    /// The connector config at the last commit.
    applied: Option<Props>,
}

/// Sets of task configs that there were under one name, as fencing counts them: they outlive the connector, since its
/// tasks may.
#[derive(Debug, Clone, Copy, Default)]
struct Generation {
    /// Complete sets so far.
    number: u64,
    /// The number of tasks last put on record.
    count_record: Option<u32>,
    /// Whether a set came after that.
    fencing_pending: bool,
}

/// The state of the config topic.
#[derive(Debug, Clone, Default)]
pub struct ClusterState {
    connectors: BTreeMap<String, Entry>,
    generations: BTreeMap<String, Generation>,
    session_key: Option<SessionKey>,
}

impl ClusterState {
    /// Takes the next record of the topic.
    pub fn apply(&mut self, record: ConfigRecord) -> Option<Change> {
        match record {
            ConfigRecord::Connector(name, config) => self.apply_connector(name, config),
            ConfigRecord::Task(id, config) => {
                self.entry(&id.connector).deferred.insert(id.task, config);
                None
            }
            ConfigRecord::Commit(name, tasks) => Some(self.apply_commit(name, tasks)),
            ConfigRecord::Target(name, target) => self.apply_target(name, target),
            ConfigRecord::SessionKey(key) => {
                self.session_key = Some(key);
                Some(Change::SessionKey)
            }
            ConfigRecord::Restart(name, request) => Some(Change::RestartRequested(name, request)),
            ConfigRecord::LoggerLevel(name, level) => Some(Change::LoggerLevel(name, level)),
            ConfigRecord::TasksFencing(name, tasks) => {
                let generation = self.generations.entry(name).or_default();
                (generation.count_record, generation.fencing_pending) = (Some(tasks), false);
                None
            }
        }
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        if !self.connectors.contains_key(name) {
            self.connectors.insert(name.to_owned(), Entry::default());
        }
        self.connectors.get_mut(name).unwrap_or_else(|| unreachable!("it was just put in"))
    }

    fn apply_connector(&mut self, name: String, config: Option<Props>) -> Option<Change> {
        let entry = self.entry(&name);
        let was_there = entry.config.is_some();
        match config {
            Some(config) => {
                entry.config = Some(config);
                Some(if was_there { Change::ConnectorUpdated(name) } else { Change::ConnectorAdded(name) })
            }
            None => {
                *entry = Entry { target: entry.target, ..Entry::default() };
                was_there.then_some(Change::ConnectorRemoved(name))
            }
        }
    }

    fn apply_commit(&mut self, name: String, tasks: u32) -> Change {
        let entry = self.entry(&name);
        // More than the set is allowed: compaction may have kept tasks of a larger one.
        let complete = (0..tasks).all(|task| entry.deferred.contains_key(&task));
        entry.inconsistent = !complete;
        let deferred = std::mem::take(&mut entry.deferred);
        if complete {
            entry.tasks.extend(deferred);
        }
        entry.task_count = tasks;
        entry.applied.clone_from(&entry.config);
        let generation = self.generations.entry(name.clone()).or_default();
        generation.number += u64::from(complete);
        generation.fencing_pending = true;
        Change::TasksCommitted(name)
    }

    fn apply_target(&mut self, name: String, target: Option<TargetState>) -> Option<Change> {
        let entry = self.entry(&name);
        let before = entry.target;
        entry.target = target;
        // A removed target state is followed, or preceded, by the removal of the connector.
        (target.is_some() && before.unwrap_or_default() != target.unwrap_or_default())
            .then_some(Change::TargetChanged(name))
    }

    /// Names of all connectors.
    pub fn connectors(&self) -> impl Iterator<Item = &str> {
        self.connectors.iter().filter(|(_, entry)| entry.config.is_some()).map(|(name, _)| name.as_str())
    }

    /// Whether there is a connector called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.config(name).is_some()
    }

    /// The connector's config.
    pub fn config(&self, name: &str) -> Option<&Props> {
        self.connectors.get(name)?.config.as_ref()
    }

    /// What a user wants the connector to be.
    pub fn target(&self, name: &str) -> TargetState {
        self.connectors.get(name).and_then(|entry| entry.target).unwrap_or_default()
    }

    /// Number of tasks; 0 while their configs are not complete.
    pub fn task_count(&self, name: &str) -> u32 {
        self.connectors.get(name).filter(|entry| !entry.inconsistent).map_or(0, |entry| entry.task_count)
    }

    /// The config of a task, also of one that no longer counts.
    pub fn task_config(&self, name: &str, task: u32) -> Option<&Props> {
        self.connectors.get(name)?.tasks.get(&task)
    }

    /// The configs of all tasks that count.
    pub fn task_configs(&self, name: &str) -> Vec<Props> {
        (0..self.task_count(name)).filter_map(|task| self.task_config(name, task).cloned()).collect()
    }

    /// Whether `made` has to be written: it differs from what counts, or the connector's own config, which tasks take
    /// their converters and clients from, has changed since the last commit.
    pub fn task_configs_differ(&self, name: &str, made: &[Props]) -> bool {
        let Some(entry) = self.connectors.get(name) else { return true };
        let same = |(task, props): (u32, &Props)| entry.tasks.get(&task) == Some(props);
        entry.inconsistent
            || entry.task_count as usize != made.len()
            || entry.applied != entry.config
            || !(0..).zip(made).all(same)
    }

    /// Forgets what a connector's task configs were made from: the next ones count as new, whatever they are.
    pub fn forget_applied(&mut self, name: &str) {
        if let Some(entry) = self.connectors.get_mut(name) {
            entry.applied = None;
        }
    }

    /// Counts the complete sets of task configs there were under `name`.
    pub fn task_generation(&self, name: &str) -> u64 {
        self.generations.get(name).map_or(0, |generation| generation.number)
    }

    /// How many tasks may have to be fenced before a new set of them starts; `None`: none was ever put on record.
    pub fn task_count_record(&self, name: &str) -> Option<u32> {
        self.generations.get(name)?.count_record
    }

    /// Whether the newest set of task configs may not start before the tasks of earlier ones were fenced.
    pub fn is_fencing_pending(&self, name: &str) -> bool {
        self.generations.get(name).is_some_and(|generation| generation.fencing_pending)
    }

    /// The session key.
    pub fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::TaskId;

    fn props(value: &str) -> Props {
        Props::from_iter([("k", value)])
    }

    fn connector(value: &str) -> ConfigRecord {
        ConfigRecord::Connector("c".into(), Some(props(value)))
    }

    fn task(task: u32, value: &str) -> ConfigRecord {
        ConfigRecord::Task(TaskId { connector: "c".into(), task }, props(value))
    }

    fn commit(tasks: u32) -> ConfigRecord {
        ConfigRecord::Commit("c".into(), tasks)
    }

    fn folded(records: Vec<ConfigRecord>) -> (ClusterState, Option<Change>) {
        let mut state = ClusterState::default();
        let last = records.into_iter().map(|record| state.apply(record)).last().flatten();
        (state, last)
    }

    /// Each row: records in order, then the values of the task configs that count.
    #[test]
    fn task_configs_count_when_their_set_is_complete() {
        let rows: Vec<(&str, Vec<ConfigRecord>, Vec<&str>)> = vec![
            ("nothing counts before the commit", vec![connector("a"), task(0, "x")], vec![]),
            (
                "the commit makes them count",
                vec![connector("a"), task(0, "x"), task(1, "y"), commit(2)],
                vec!["x", "y"],
            ),
            (
                "a later set without commit changes nothing",
                vec![connector("a"), task(0, "x"), commit(1), task(0, "z")],
                vec!["x"],
            ),
            ("compaction ate a task: the set does not count", vec![connector("a"), task(1, "y"), commit(2)], vec![]),
            (
                "and is forgotten: a fresh set is needed",
                vec![connector("a"), task(1, "y"), commit(2), task(0, "x"), commit(2)],
                vec![],
            ),
            (
                "more than the commit says may be there",
                vec![connector("a"), task(0, "x"), task(1, "y"), commit(1)],
                vec!["x"],
            ),
            ("a stopped connector has none", vec![connector("a"), task(0, "x"), commit(1), commit(0)], vec![]),
            (
                "nor has a deleted one",
                vec![connector("a"), task(0, "x"), commit(1), ConfigRecord::Connector("c".into(), None)],
                vec![],
            ),
        ];
        for (claim, records, want) in rows {
            let (state, _) = folded(records);
            let got: Vec<Props> = state.task_configs("c");
            assert_eq!(got, want.into_iter().map(props).collect::<Vec<_>>(), "{claim}");
        }
    }

    #[test]
    fn fencing_is_due_after_each_new_set_and_outlives_the_connector() {
        let count = |tasks| ConfigRecord::TasksFencing("c".into(), tasks);
        let removed = || ConfigRecord::Connector("c".into(), None);
        type Row = (Vec<ConfigRecord>, (u64, Option<u32>, bool));
        let rows: Vec<Row> = vec![
            (vec![connector("a")], (0, None, false)),
            (vec![connector("a"), task(0, "x"), commit(1)], (1, None, true)),
            (vec![connector("a"), task(0, "x"), commit(1), count(1)], (1, Some(1), false)),
            (vec![connector("a"), task(0, "x"), commit(1), count(1), commit(0)], (2, Some(1), true)),
            (vec![connector("a"), task(0, "x"), commit(1), count(1), removed()], (1, Some(1), false)),
            (vec![connector("a"), task(1, "x"), commit(2)], (0, None, true)),
        ];
        for (records, want) in rows {
            let shown = format!("{records:?}");
            let (state, _) = folded(records);
            let got = (state.task_generation("c"), state.task_count_record("c"), state.is_fencing_pending("c"));
            assert_eq!(got, want, "{shown}");
        }
    }

    #[test]
    fn changes_are_told() {
        let target = |target| ConfigRecord::Target("c".into(), target);
        let name = || "c".to_owned();
        let rows: Vec<(Vec<ConfigRecord>, Option<Change>)> = vec![
            (vec![connector("a")], Some(Change::ConnectorAdded(name()))),
            (vec![connector("a"), connector("a")], Some(Change::ConnectorUpdated(name()))),
            (vec![connector("a"), ConfigRecord::Connector(name(), None)], Some(Change::ConnectorRemoved(name()))),
            (vec![ConfigRecord::Connector(name(), None)], None),
            (vec![connector("a"), target(Some(TargetState::Started))], None),
            (vec![connector("a"), target(Some(TargetState::Paused))], Some(Change::TargetChanged(name()))),
            (vec![target(Some(TargetState::Paused)), target(Some(TargetState::Paused))], None),
            (vec![target(Some(TargetState::Paused)), target(None)], None),
            (vec![connector("a"), commit(0)], Some(Change::TasksCommitted(name()))),
        ];
        for (records, want) in rows {
            let shown = format!("{records:?}");
            assert_eq!(folded(records).1, want, "{shown}");
        }
    }

    #[test]
    fn task_configs_are_written_again_only_when_something_differs() {
        let base = || vec![connector("a"), task(0, "x"), commit(1)];
        let rows: Vec<(&str, Vec<ConfigRecord>, Vec<Props>, bool)> = vec![
            ("the same", base(), vec![props("x")], false),
            ("another value", base(), vec![props("y")], true),
            ("one more", base(), vec![props("x"), props("x")], true),
            ("another connector config", [base(), vec![connector("b")]].concat(), vec![props("x")], true),
            ("the same connector config again", [base(), vec![connector("a")]].concat(), vec![props("x")], false),
            ("after a stop", [base(), vec![commit(0)]].concat(), vec![props("x")], true),
        ];
        for (claim, records, made, want) in rows {
            assert_eq!(folded(records).0.task_configs_differ("c", &made), want, "{claim}");
        }
    }
}
