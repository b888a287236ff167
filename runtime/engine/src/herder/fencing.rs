//! Rounds of zombie fencing (KIP-618): before a new generation of exactly-once tasks sends anything, the producers of the
//! generation before are fenced, and the number of the new tasks is put on record. Decided here, without I/O.

use super::HerderError;
use super::event::{Action, Answer, Command, ReplyId, Step};
use super::state::{HerderState, Intent, Then};
use crate::plugins::ConnectorKind;
use crate::storage::config_store::ConfigRecord;
use crate::worker::TaskId;

/// What happens once the zombies are fenced.
#[derive(Debug)]
pub enum AfterFencing {
    /// Somebody hears of it.
    Reply(ReplyId),
    /// Offsets are stored: the command that asked for it is decided again.
    Decide(ReplyId, Command),
}

/// A round under way.
#[derive(Debug)]
pub struct Fencing {
    generation: u64,
    waiting: Vec<AfterFencing>,
}

impl HerderState {
    /// Whether the sources of this worker deliver exactly once.
    #[must_use]
    pub fn with_exactly_once(mut self, exactly_once: bool) -> Self {
        self.exactly_once = exactly_once;
        self
    }

    /// Fences the tasks of `name` that may be left over from its last generation, if there can be any.
    ///
    /// # Errors
    /// When it is no source.
    pub(super) fn decide_fence(&mut self, name: &str, then: AfterFencing) -> Result<(), HerderError> {
        self.must_lead()?;
        if !self.cluster.contains(name) {
            return Err(HerderError::NotFound(format!("Connector {name} not found")));
        }
        if !self.is_source(name) {
            return Err(HerderError::BadRequest(format!("Connector {name} is not a source connector")));
        }
        if !self.cluster.is_fencing_pending(name) {
            self.after_fencing(vec![then]);
            return Ok(());
        }
        let count = self.cluster.task_count(name);
        match self.cluster.task_count_record(name) {
            // The one new task fences the one old task by itself: they share a transactional id.
            Some(before) if (before, count) != (1, 1) => self.fence(name, before, then),
            // Nothing was ever started that would have to be fenced.
            _ => self.write_task_count(name, vec![then]),
        }
        Ok(())
    }

    fn fence(&mut self, name: &str, tasks: u32, then: AfterFencing) {
        if let Some(fencing) = self.fencings.get_mut(name) {
            fencing.waiting.push(then);
            return;
        }
        let generation = self.cluster.task_generation(name);
        self.fencings.insert(name.to_owned(), Fencing { generation, waiting: vec![then] });
        self.actions.push(Action::FenceTasks(name.to_owned(), tasks));
    }

    /// Old producers were fenced, or not.
    pub(super) fn on_fenced(&mut self, name: &str, result: Result<(), String>) {
        let Some(Fencing { generation, waiting }) = self.fencings.remove(name) else { return };
        match result {
            Err(message) => self.refuse_fencing(waiting, &HerderError::Failed(message)),
            Ok(()) if self.cluster.task_generation(name) != generation => {
                let refusal = "Fencing failed because new task configurations were generated for the connector";
                self.refuse_fencing(waiting, &HerderError::Conflict(refusal.to_owned()));
            }
            Ok(()) => self.intents.push_front(Intent::TaskCount(name.to_owned(), waiting)),
        }
    }

    /// Puts the number of tasks on record.
    pub(super) fn write_task_count(&mut self, name: &str, waiting: Vec<AfterFencing>) {
        let record = ConfigRecord::TasksFencing(name.to_owned(), self.cluster.task_count(name));
        self.write(vec![record], Then::Fenced(waiting));
    }

    /// Zombies are fenced and the number of tasks is on record.
    pub(super) fn after_fencing(&mut self, waiting: Vec<AfterFencing>) {
        for then in waiting.into_iter().rev() {
            match then {
                AfterFencing::Reply(reply) => self.reply(reply, Ok(Answer::Done)),
                AfterFencing::Decide(reply, command) => self.intents.push_front(Intent::Command(reply, command)),
            }
        }
    }

    /// There was no fencing; all who waited hear why.
    pub(super) fn refuse_fencing(&mut self, waiting: Vec<AfterFencing>, refusal: &HerderError) {
        for then in waiting {
            let (reply, refusal) = match then {
                AfterFencing::Reply(reply) => (reply, refusal.clone()),
                AfterFencing::Decide(reply, _) => (
                    reply,
                    HerderError::Failed(
                        "Failed to perform zombie fencing for source connector prior to modifying offsets".to_owned(),
                    ),
                ),
            };
            self.reply(reply, Err(refusal));
        }
    }

    /// Whether a task that has fenced its predecessor may go on: no newer set of task configs is there, and the task is
    /// still this worker's.
    ///
    /// # Errors
    /// When it may not.
    pub(super) fn decide_verify(&mut self, reply: ReplyId, id: &TaskId, generation: u64) -> Result<(), HerderError> {
        let why = if self.cluster.task_generation(&id.connector) != generation {
            "the connector has already generated a new set of task configs"
        } else if !self.lanes.get(&*id.connector).is_some_and(|lane| lane.live.contains(&id.task)) {
            "the worker does not currently own the task"
        } else {
            self.reply(reply, Ok(Answer::Done));
            return Ok(());
        };
        Err(HerderError::Failed(format!("Cannot start source task {id} with exactly-once support as {why}")))
    }

    /// Whether zombies of `name` must be fenced before its offsets are altered.
    pub(super) fn fences_before_offsets(&self, name: &str) -> bool {
        self.exactly_once && self.is_source(name) && self.cluster.is_fencing_pending(name)
    }

    fn is_source(&self, name: &str) -> bool {
        let class = self.cluster.config(name).and_then(|config| config.get("connector.class"));
        class.is_some_and(|class| matches!(self.plugins.connector(class), Some(ConnectorKind::Source(_))))
    }

    /// The steps that store offsets of a stopped connector.
    pub(super) fn alter_offsets_now(
        &mut self,
        reply: ReplyId,
        name: &str,
        changes: Option<Vec<super::OffsetEntry>>,
    ) -> Result<(), HerderError> {
        if self.fences_before_offsets(name) {
            let command = Command::AlterOffsets(name.to_owned(), changes);
            return self.decide_fence(name, AfterFencing::Decide(reply, command));
        }
        self.then(name, [Step::AlterOffsets(reply, changes)]);
        Ok(())
    }
}
