//! One connector as this worker runs it: the steps that wait, and what is there.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use super::event::{ReplyId, Step, TaskSet};
use crate::storage::status_store::Subject;
use crate::worker::TargetState;

/// First pause before task configs are asked for again.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// Longest such pause.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What there is of a connector in the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Instance {
    /// Nothing.
    #[default]
    Absent,
    /// It was started, or rests.
    Present,
    /// It failed, and only a restart helps.
    Failed,
}

/// A connector's steps and parts.
#[derive(Debug, Default)]
pub struct Lane {
    /// Steps that wait for the one that runs. Commands are taken one by one and records of a connector are written for
    /// commands and task configs only, so there are never many.
    steps: VecDeque<Step>,
    /// Whether a step runs.
    pub busy: bool,
    /// Whether that step can be given up, and nobody has asked for that yet.
    pub interruptible: bool,
    /// The connector.
    pub instance: Instance,
    /// Tasks that were started and not stopped; failed ones too.
    pub live: BTreeSet<u32>,
    /// Those of them that a successor fenced.
    pub fenced: BTreeSet<u32>,
    /// Tasks there are when all steps are done.
    wanted: BTreeSet<u32>,
    /// Whether the connector is there when all steps are done.
    wants_connector: bool,
    /// Tasks whose state this worker wrote and did not forget.
    pub spoken: BTreeSet<u32>,
    /// Parts whose restart was promised to a caller and is not yet in the status log.
    pub restarting: HashSet<Subject>,
    /// Topics this worker wrote to be active.
    pub topics: BTreeSet<String>,
    /// How often task configs could not be made in a row.
    retries: u32,
    /// Who waits for the connector's start.
    pub awaiting_start: Vec<ReplyId>,
    /// Who waits for the connector to have tasks (standalone), and whether they created it.
    pub awaiting_tasks: Vec<(ReplyId, bool)>,
}

impl Lane {
    /// Appends `steps`.
    pub fn then(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            match &step {
                Step::StartConnector => self.wants_connector = true,
                Step::StopConnector => self.wants_connector = false,
                Step::StartTasks(tasks) => self.wanted.extend(tasks),
                Step::StopTasks(TaskSet::All) => self.wanted.clear(),
                Step::StopTasks(TaskSet::These(tasks)) => self.wanted.retain(|task| !tasks.contains(task)),
                _ => {}
            }
            self.steps.push_back(step);
        }
    }

    /// Forgets the steps that wait, but for what the group waits for, and does `steps` before it instead.
    pub fn instead(&mut self, steps: impl IntoIterator<Item = Step>) {
        let mut waiting = std::mem::take(&mut self.steps);
        waiting.retain(|step| matches!(step, Step::Released(_)));
        self.then(steps);
        self.steps.append(&mut waiting);
    }

    /// Tasks there are when all steps are done.
    pub fn wanted(&self) -> &BTreeSet<u32> {
        &self.wanted
    }

    /// Whether the connector is there when all steps are done.
    pub fn wants_connector(&self) -> bool {
        self.wants_connector
    }

    /// Whether there is nothing of the connector, and nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.is_idle() && self.instance == Instance::Absent && self.live.is_empty()
    }

    /// Whether the step that runs is worth giving up: the connector is to be stopped or to rest next. Says so once.
    pub fn take_interrupt(&mut self) -> bool {
        let ends = |step: &Step| {
            matches!(step, Step::StopConnector | Step::SetTarget(TargetState::Paused | TargetState::Stopped))
        };
        let wanted = self.interruptible && self.steps.iter().any(ends);
        self.interruptible &= !wanted;
        wanted
    }

    /// Whether nothing runs or waits.
    pub fn is_idle(&self) -> bool {
        !self.busy && self.steps.is_empty()
    }

    /// Whether such a step waits already.
    pub fn awaits(&self, step: &Step) -> bool {
        self.steps.contains(step)
    }

    /// The next step to do, with task sets made exact; steps with nothing to do are left out.
    pub fn next_step(&mut self) -> Option<Step> {
        if self.busy {
            return None;
        }
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::StopConnector if self.instance == Instance::Absent => {}
                Step::StopTasks(set) => {
                    let stops = |task: &u32| {
                        matches!(&set, TaskSet::All) || matches!(&set, TaskSet::These(t) if t.contains(task))
                    };
                    let tasks: Vec<u32> = self.live.iter().copied().filter(stops).collect();
                    if !tasks.is_empty() {
                        return Some(Step::StopTasks(TaskSet::These(tasks)));
                    }
                }
                Step::StartTasks(tasks) if tasks.is_empty() => {}
                step => return Some(step),
            }
        }
        None
    }

    /// The pause before the next try: 250 ms, doubled each time, at most a minute.
    pub fn next_retry(&mut self) -> Duration {
        let pause = RETRY_MIN.saturating_mul(1 << self.retries.min(16));
        self.retries = self.retries.saturating_add(1);
        pause.min(RETRY_MAX)
    }

    /// Task configs were made: the next failure is the first again.
    pub fn reset_retries(&mut self) {
        self.retries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_to_a_minute() {
        let mut lane = Lane::default();
        let pauses: Vec<u128> = (0..10).map(|_| lane.next_retry().as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        lane.reset_retries();
        assert_eq!(lane.next_retry().as_millis(), 250);
    }

    #[test]
    fn steps_with_nothing_to_do_are_left_out() {
        let mut lane = Lane { live: [0, 2].into(), ..Lane::default() };
        lane.then([Step::StopConnector, Step::StartTasks(vec![]), Step::StopTasks(TaskSet::These(vec![1, 2]))]);
        assert_eq!(lane.next_step(), Some(Step::StopTasks(TaskSet::These(vec![2]))));
        assert_eq!(lane.next_step(), None);
        assert!(lane.is_idle());
    }
}
