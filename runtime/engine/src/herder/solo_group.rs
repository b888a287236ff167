//! A group of one for tests of the core: each wish for a rebalance is granted as soon as the one before is through.

use couplet_group::membership::{Assigned, GroupMembers, Revoked};
use couplet_group::protocol::{Assignment, ConnectProtocol, WorkerState};

use super::event::{Action, Event, GroupAnswer, GroupCall};
use super::group::GroupSettings;
use super::state::HerderState;

/// The defaults.
pub(super) const SETTINGS: GroupSettings = GroupSettings { delay_max_ms: 300_000, unsync_backoff_ms: 300_000 };
const MEMBER: &str = "member";
const URL: &str = "http://w:1/";

/// The coordinator and the membership of a worker that nobody joins.
#[derive(Debug, Default)]
pub(super) struct SoloGroup {
    generation: i32,
    held: Option<Assignment>,
    /// What was assigned, from the leader's answer until the member has taken note of it.
    next: Option<Assignment>,
    rejoin: bool,
    tickets: u64,
}

impl SoloGroup {
    /// Begins a rebalance.
    pub(super) fn join(&mut self, state: &HerderState) -> Event {
        self.generation += 1;
        let worker = WorkerState {
            url: URL.to_owned(),
            config_offset: state.config_offset().unwrap_or(-1),
            allocation: self.held.clone(),
        };
        let members = GroupMembers {
            leader: MEMBER.to_owned(),
            generation: self.generation,
            last_completed_generation: self.generation - 1,
            protocol: ConnectProtocol::Sessioned,
            members: vec![(MEMBER.to_owned(), worker)],
        };
        self.call(GroupCall::Assign(members, 1))
    }

    /// What follows from an action of the core.
    pub(super) fn on(&mut self, action: Action, state: &HerderState) -> Option<Event> {
        match action {
            Action::Rejoin(_) if self.next.is_none() => Some(self.join(state)),
            Action::Rejoin(_) => {
                self.rejoin = true;
                None
            }
            Action::GroupDone(_, GroupAnswer::Assignments(mut told)) => {
                let told = told.pop().expect("the one member").1;
                let revoked = Revoked {
                    leader: MEMBER.to_owned(),
                    connectors: told.revoked_connectors.clone(),
                    tasks: told.revoked_tasks.clone(),
                };
                let revokes = told.revokes();
                self.next = Some(told);
                Some(if revokes { self.call(GroupCall::Revoked(revoked)) } else { self.assigned() })
            }
            Action::GroupDone(..) if self.next.as_ref() != self.held.as_ref() => Some(self.assigned()),
            Action::GroupDone(..) => {
                self.next = None;
                std::mem::take(&mut self.rejoin).then(|| self.join(state))
            }
            Action::RejoinAfter(None) => None,
            action => panic!("{action:?} is not for a group of one"),
        }
    }

    /// Adds what was kept to what is new.
    fn assigned(&mut self) -> Event {
        let mut all = self.next.clone().expect("is assigned");
        if let Some(held) = &self.held {
            let kept = held.connectors.iter().filter(|name| !all.revoked_connectors.contains(name)).cloned();
            all.connectors.extend(kept.collect::<Vec<_>>());
            let kept = held.tasks.iter().filter(|task| !all.revoked_tasks.contains(task)).cloned();
            all.tasks.extend(kept.collect::<Vec<_>>());
        }
        (self.held, self.next) = (Some(all.clone()), Some(all.clone()));
        let (generation, protocol) = (self.generation, ConnectProtocol::Sessioned);
        let assigned = Assigned { generation, member_id: MEMBER.to_owned(), protocol, assignment: all };
        self.call(GroupCall::Assigned(assigned))
    }

    fn call(&mut self, call: GroupCall) -> Event {
        self.tickets += 1;
        Event::Group(self.tickets, call)
    }
}
