//! A herder's place in its group: which work is its own, who leads, what is being settled. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use couplet_group::assignor::{IncrementalAssignor, Round, Work, assign_eagerly};
use couplet_group::membership::{Assigned, GroupMembers, Revoked};
use couplet_group::protocol::{Assignment, CONFIG_MISMATCH, ConnectProtocol};

use super::event::{Action, GroupAnswer, GroupTicket};
use crate::storage::cluster_state::ClusterState;
use crate::worker::TaskId;

/// After so many failures to read the config topic in a row, a worker gives up the work it has.
const UNSYNCED_MAX: u32 = 5;

/// Settings of a member that its herder decides by. Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct GroupSettings {
    /// `scheduled.rebalance.max.delay.ms`
    pub delay_max_ms: i32,
    /// `worker.unsync.backoff.ms`
    pub unsync_backoff_ms: i64,
}

/// Connectors and tasks of one worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) connectors: BTreeSet<String>,
    pub(super) tasks: BTreeSet<TaskId>,
}

impl Owned {
    /// Names of all connectors of which there is something.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let of_tasks = self.tasks.iter().map(|task| task.connector.to_string());
        self.connectors.iter().cloned().chain(of_tasks).collect()
    }

    /// Numbers of the tasks of `connector`.
    pub(super) fn tasks_of(&self, connector: &str) -> Vec<u32> {
        self.tasks.iter().filter(|id| &*id.connector == connector).map(|id| id.task).collect()
    }

    fn new<'a>(
        connectors: impl IntoIterator<Item = &'a String>,
        tasks: impl IntoIterator<Item = &'a couplet_group::protocol::TaskId>,
    ) -> Self {
        Owned {
            connectors: connectors.into_iter().cloned().collect(),
            tasks: tasks.into_iter().filter_map(task_id).collect(),
        }
    }
}

/// The engine's name of a task; `None` for a number that no task has.
fn task_id(id: &couplet_group::protocol::TaskId) -> Option<TaskId> {
    Some(TaskId { connector: id.connector.as_str().into(), task: u32::try_from(id.task).ok()? })
}

/// How far an assignment is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not a member, or a rebalance was asked for.
    Joining,
    /// The config topic is being read; this call waits for it.
    Reading(GroupTicket),
    /// The work is begun.
    Settled,
}

/// Work to stop before this call is answered.
#[derive(Debug)]
struct Release {
    ticket: GroupTicket,
    /// Connectors whose steps are not done yet.
    pending: usize,
}

/// What the herder knows of its group.
pub(super) struct Group {
    settings: GroupSettings,
    assignor: IncrementalAssignor,
    phase: Phase,
    /// The last assignment; `None` before the first.
    current: Option<Assigned>,
    owned: Owned,
    /// On the leader: where everything runs, as URLs.
    owners: Owners,
    /// Position behind the last record of the config topic that was taken.
    pub(super) config_offset: i64,
    /// Position behind the last record that changed what there is to share out.
    work_changed_at: i64,
    releases: Vec<Release>,
    unsynced: u32,
}

/// Where connectors and tasks run, as the leader knows it.
#[derive(Debug, Default)]
struct Owners {
    connectors: BTreeMap<String, Arc<str>>,
    tasks: BTreeMap<TaskId, Arc<str>>,
}

impl Owners {
    fn new(members: &GroupMembers, work: &BTreeMap<String, Work>) -> Self {
        let mut owners = Owners::default();
        for (member, state) in &members.members {
            let url: Arc<str> = state.url.as_str().into();
            let Some(work) = work.get(member) else { continue };
            owners.connectors.extend(work.connectors.iter().map(|name| (name.clone(), url.clone())));
            owners.tasks.extend(work.tasks.iter().filter_map(task_id).map(|id| (id, url.clone())));
        }
        owners
    }
}

/// What is to be done after an assignment was taken note of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing yet.
    Wait,
    /// Start what is assigned, stop what is not.
    Start,
    /// Stop everything: this worker has been out of date for too long.
    GiveUp,
}

impl Group {
    pub(super) fn new(settings: GroupSettings) -> Self {
        Group {
            settings,
            assignor: IncrementalAssignor::new(settings.delay_max_ms),
            phase: Phase::Joining,
            current: None,
            owned: Owned::default(),
            owners: Owners::default(),
            config_offset: -1,
            work_changed_at: -1,
            releases: Vec::new(),
            unsynced: 0,
        }
    }

    /// Whether the work of the last assignment is begun and no other one is known to be due.
    pub(super) fn is_settled(&self) -> bool {
        self.phase == Phase::Settled && self.releases.is_empty()
    }

    pub(super) fn is_leader(&self) -> bool {
        self.current.as_ref().is_some_and(Assigned::is_leader)
    }

    /// URL of the leader, if one is known.
    pub(super) fn leader_url(&self) -> Option<&str> {
        self.current.as_ref().map(|current| current.assignment.leader_url.as_str()).filter(|url| !url.is_empty())
    }

    /// Whether requests between workers are signed.
    pub(super) fn signs_requests(&self) -> bool {
        self.current.as_ref().is_none_or(|current| current.protocol == ConnectProtocol::Sessioned)
    }

    pub(super) fn owned(&self) -> &Owned {
        &self.owned
    }

    /// On the leader, the URL of the worker that runs a connector.
    pub(super) fn owner_of_connector(&self, name: &str) -> Option<String> {
        self.owners.connectors.get(name).map(|url| url.to_string())
    }

    /// On the leader, the URL of the worker that runs a task.
    pub(super) fn owner_of_task(&self, id: &TaskId) -> Option<String> {
        self.owners.tasks.get(id).map(|url| url.to_string())
    }

    /// What there is to share out has changed with the record just taken.
    pub(super) fn note_change_of_work(&mut self, actions: &mut Vec<Action>) {
        self.work_changed_at = self.config_offset;
        if self.phase == Phase::Settled {
            self.rejoin("connectors or tasks have changed", actions);
        }
    }

    fn rejoin(&mut self, reason: &str, actions: &mut Vec<Action>) {
        self.phase = Phase::Joining;
        actions.push(Action::Rejoin(reason.to_owned()));
    }

    /// It is time for lost work to be shared out.
    pub(super) fn on_rejoin_due(&mut self, actions: &mut Vec<Action>) {
        if self.phase == Phase::Settled {
            self.rejoin("the delay for workers that went away is over", actions);
        }
    }

    /// Shares out what `cluster` holds, as the leader. A leader whose config topic lacks what a member has seen cannot.
    pub(super) fn assign(&mut self, cluster: &ClusterState, group: &GroupMembers, now_ms: i64) -> GroupAnswer {
        let seen = group.members.iter().map(|(_, state)| state.config_offset).max().unwrap_or(-1);
        let leader_url = group.members.iter().find(|(member, _)| *member == group.leader).map(|(_, state)| &*state.url);
        let blank = |offset| Assignment::new(group.protocol, &group.leader, leader_url.unwrap_or_default(), offset);
        let names = group.members.iter().map(|(member, _)| member.clone());
        if self.config_offset < seen {
            tracing::info!(
                "was elected to share out work, but has read the config topic to {} and others to {seen}",
                self.config_offset
            );
            return GroupAnswer::Assignments(
                names.map(|member| (member, Assignment { error: CONFIG_MISMATCH, ..blank(seen) })).collect(),
            );
        }
        let configured = configured(cluster);
        let mut told: BTreeMap<String, Assignment> = names.map(|member| (member, blank(self.config_offset))).collect();
        let all = if group.protocol.is_cooperative() {
            let held = group.members.iter().map(|(member, state)| {
                let work = state.allocation.as_ref().map_or_else(Work::default, |allocation| Work {
                    connectors: allocation.connectors.iter().cloned().collect(),
                    tasks: allocation.tasks.iter().cloned().collect(),
                });
                (member.clone(), work)
            });
            let shared = self.assignor.assign(&Round {
                now_ms,
                last_completed_generation: group.last_completed_generation,
                generation: group.generation,
                configured: &configured,
                held: &held.collect(),
            });
            for (member, assignment) in &mut told {
                assignment.delay_ms = shared.delay_ms;
                if let Some(work) = shared.revoked.get(member) {
                    assignment.revoked_connectors = work.connectors.iter().cloned().collect();
                    assignment.revoked_tasks = work.tasks.iter().cloned().collect();
                }
                give(assignment, shared.assigned.get(member));
            }
            shared.owned
        } else {
            let dealt = assign_eagerly(&configured, told.keys().map(String::as_str).collect::<Vec<_>>());
            told.iter_mut().for_each(|(member, assignment)| give(assignment, dealt.get(member)));
            dealt
        };
        self.owners = Owners::new(group, &all);
        GroupAnswer::Assignments(told.into_iter().collect())
    }

    /// Notes that `revoked` is not this worker's any more; returns what that is. [`Group::released`] must be called for each
    /// of its connectors.
    pub(super) fn on_revoked(&mut self, ticket: GroupTicket, revoked: &Revoked, actions: &mut Vec<Action>) -> Owned {
        let taken = Owned::new(&revoked.connectors, &revoked.tasks);
        self.owned.connectors.retain(|name| !taken.connectors.contains(name));
        self.owned.tasks.retain(|id| !taken.tasks.contains(id));
        if self.phase == Phase::Settled {
            // Work is taken in a rebalance, or because the coordinator is out of reach.
            self.phase = Phase::Joining;
        }
        match taken.names().len() {
            0 => actions.push(Action::GroupDone(ticket, GroupAnswer::Done)),
            pending => self.releases.push(Release { ticket, pending }),
        }
        taken
    }

    /// All that was to stop of a connector has.
    pub(super) fn released(&mut self, ticket: GroupTicket, actions: &mut Vec<Action>) {
        let Some(release) = self.releases.iter_mut().find(|release| release.ticket == ticket) else { return };
        release.pending -= 1;
        if release.pending == 0 {
            self.releases.retain(|release| release.ticket != ticket);
            actions.push(Action::GroupDone(ticket, GroupAnswer::Done));
        }
    }

    /// Takes note of an assignment.
    pub(super) fn on_assigned(&mut self, ticket: GroupTicket, assigned: Assigned, actions: &mut Vec<Action>) -> Next {
        let assignment = &assigned.assignment;
        // Kafka's system tests and many a script wait for the beginning of this line.
        tracing::info!(
            leader = assignment.leader_url,
            connectors = assignment.connectors.len(),
            tasks = assignment.tasks.len(),
            "Joined group at generation {} with protocol {} and got assignment with rebalance delay: {}",
            assigned.generation,
            assigned.protocol.setting(),
            assignment.delay_ms
        );
        self.owned = Owned::new(&assignment.connectors, &assignment.tasks);
        self.phase = Phase::Joining;
        actions.push(Action::RejoinAfter(u64::try_from(assignment.delay_ms).ok().filter(|delay| *delay > 0)));
        let behind = self.config_offset < assignment.config_offset;
        let reads = behind || (assignment.failed() && assigned.is_leader());
        self.current = Some(assigned);
        if reads {
            self.phase = Phase::Reading(ticket);
            actions.push(Action::ReadConfig);
            return Next::Wait;
        }
        self.follow(ticket, actions)
    }

    /// The config topic was read to its end, or could not be in time.
    pub(super) fn on_config_read(&mut self, read: bool, actions: &mut Vec<Action>) -> Next {
        let Phase::Reading(ticket) = self.phase else { return Next::Wait };
        self.phase = Phase::Joining;
        if read {
            return self.follow(ticket, actions);
        }
        let cooperative = self.current.as_ref().is_some_and(|current| current.protocol.is_cooperative());
        let give_up = cooperative && self.unsynced == UNSYNCED_MAX;
        let pause_ms = match cooperative {
            true => i64::from(self.settings.delay_max_ms) / 10 / i64::from((UNSYNCED_MAX - self.unsynced).max(1)),
            false => self.settings.unsync_backoff_ms,
        };
        self.unsynced = if give_up { 0 } else { self.unsynced + 1 };
        actions.push(Action::StepOut { reason: "taking too long to read the log".to_owned(), pause_ms });
        actions.push(Action::GroupDone(ticket, GroupAnswer::Done));
        if give_up {
            self.owned = Owned::default();
            return Next::GiveUp;
        }
        Next::Wait
    }

    /// Begins with what was assigned, unless it is already known to be outdated.
    fn follow(&mut self, ticket: GroupTicket, actions: &mut Vec<Action>) -> Next {
        actions.push(Action::GroupDone(ticket, GroupAnswer::Done));
        let Some(current) = &self.current else { return Next::Wait };
        let assignment = &current.assignment;
        if assignment.failed() {
            // The member joins again by itself when it has its answer.
            return Next::Wait;
        }
        self.unsynced = 0;
        if self.config_offset < assignment.config_offset || self.work_changed_at > assignment.config_offset {
            self.rejoin("the config topic does not match the assignment", actions);
            return Next::Wait;
        }
        self.phase = Phase::Settled;
        if assignment.revokes() {
            self.rejoin("revoked work has stopped", actions);
        }
        Next::Start
    }
}

/// All connectors and tasks of the config topic.
fn configured(cluster: &ClusterState) -> Work {
    let mut work = Work::default();
    for name in cluster.connectors() {
        work.connectors.insert(name.to_owned());
        let count = i32::try_from(cluster.task_count(name)).unwrap_or(i32::MAX);
        work.tasks.extend((0..count).map(|task| couplet_group::protocol::TaskId::new(name, task)));
    }
    work
}

fn give(assignment: &mut Assignment, work: Option<&Work>) {
    if let Some(work) = work {
        assignment.connectors = work.connectors.iter().cloned().collect();
        assignment.tasks = work.tasks.iter().cloned().collect();
    }
}
