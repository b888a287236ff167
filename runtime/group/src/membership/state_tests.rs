//! The state machine of a member, as sentences about what the group sees of it.

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::*;
use crate::protocol::{Assignment, CONFIG_MISMATCH, ConnectProtocol, TaskId};
use crate::wire::Node;

const OFFSET: i64 = 7;

/// A member, its clock, and what it has done that was not looked at yet.
struct Bench {
    member: Membership,
    now: i64,
    done: Vec<Action>,
}

fn config(protocol: ConnectProtocol) -> MemberConfig {
    MemberConfig {
        group_id: "connect-cluster".to_owned(),
        url: "http://me:8083/".to_owned(),
        protocol,
        session_timeout_ms: 10_000,
        heartbeat_interval_ms: 3_000,
        rebalance_timeout_ms: 60_000,
        retry_backoff_ms: 100,
        retry_backoff_max_ms: 1_000,
    }
}

fn broker() -> Node {
    Node::new(1, "broker", 9092)
}

fn cut() -> Failure {
    Failure::Unavailable("cut off".to_owned())
}

fn refused(code: ResponseError) -> JoinAnswer {
    JoinAnswer {
        error: Some(code),
        generation: -1,
        protocol_type: None,
        protocol: None,
        leader: String::new(),
        member_id: "me".to_owned(),
        members: Vec::new(),
    }
}

fn joined(protocol: ConnectProtocol, generation: i32, leader: &str) -> JoinAnswer {
    let state =
        crate::protocol::WorkerState { url: "http://me:8083/".to_owned(), config_offset: OFFSET, allocation: None };
    let metadata = state.encode(protocol).expect("short");
    JoinAnswer {
        error: None,
        generation,
        protocol_type: Some("connect".to_owned()),
        protocol: Some(protocol.name().to_owned()),
        leader: leader.to_owned(),
        member_id: "me".to_owned(),
        members: if leader == "me" { vec![("me".to_owned(), metadata)] } else { Vec::new() },
    }
}

fn synced(protocol: ConnectProtocol, assignment: &Assignment) -> SyncAnswer {
    SyncAnswer {
        error: None,
        protocol_type: None,
        protocol: Some(protocol.name().to_owned()),
        assignment: assignment.encode(protocol).expect("short"),
    }
}

fn work(protocol: ConnectProtocol, connectors: &[&str], tasks: &[(&str, i32)]) -> Assignment {
    Assignment {
        connectors: connectors.iter().map(|c| (*c).to_owned()).collect(),
        tasks: tasks.iter().map(|(c, t)| TaskId::new(*c, *t)).collect(),
        ..Assignment::new(protocol, "other", "http://other:8083/", OFFSET)
    }
}

impl Bench {
    fn new(protocol: ConnectProtocol) -> Self {
        let mut bench = Bench { member: Membership::new(config(protocol), 1), now: 0, done: Vec::new() };
        bench.on(Event::Tick);
        bench
    }

    fn on(&mut self, event: Event) {
        let actions = self.member.on(self.now, OFFSET, event);
        self.done.extend(actions);
    }

    /// Lets the clock run to each deadline up to `ms` from now.
    fn wait(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(at) = self.member.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let before = self.done.len();
            self.on(Event::Tick);
            let stuck = self.done.len() == before && self.member.deadline().is_some_and(|next| next <= self.now);
            assert!(!stuck, "a deadline that does nothing at {}", self.now);
        }
        self.now = until;
        self.on(Event::Tick);
    }

    fn found(&mut self) {
        let at = self.done.iter().position(|a| matches!(a, Action::FindCoordinator(_))).expect("a lookup");
        let Action::FindCoordinator(ticket) = self.done.remove(at) else { unreachable!() };
        self.on(Event::Found(ticket, Ok(FoundAnswer { error: None, node: broker() })));
    }

    /// Takes the one request sent since the last look.
    fn sent(&mut self) -> (Ticket, Request) {
        let at =
            self.done.iter().position(|a| matches!(a, Action::Send(..))).unwrap_or_else(|| panic!("{:?}", self.done));
        match self.done.remove(at) {
            Action::Send(ticket, node, request) => {
                assert_eq!(node, broker());
                (ticket, request)
            }
            other => panic!("{other:?}"),
        }
    }

    fn join_request(&mut self) -> (Ticket, String) {
        match self.sent() {
            (ticket, Request::Join { member_id, .. }) => (ticket, member_id),
            other => panic!("{other:?}"),
        }
    }

    fn heartbeat(&mut self) -> Ticket {
        match self.sent() {
            (ticket, Request::Heartbeat(_)) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn called(&mut self) -> (Ticket, Call) {
        let at =
            self.done.iter().position(|a| matches!(a, Action::Call(..))).unwrap_or_else(|| panic!("{:?}", self.done));
        match self.done.remove(at) {
            Action::Call(ticket, call) => (ticket, call),
            other => panic!("{other:?}"),
        }
    }

    /// Answers the call under way and returns it.
    fn call_done(&mut self) -> Call {
        let (ticket, call) = self.called();
        self.on(Event::Called(ticket, CallResult::Done));
        call
    }

    /// Answers join and sync as a coordinator that another member leads by.
    fn follow(&mut self, protocol: ConnectProtocol, generation: i32, assignment: &Assignment) {
        let (ticket, _) = self.join_request();
        self.on(Event::Joined(ticket, Ok(joined(protocol, generation, "other"))));
        let (ticket, request) = self.sent();
        assert!(matches!(request, Request::Sync { .. }), "{request:?}");
        self.on(Event::Synced(ticket, Ok(synced(protocol, assignment))));
    }

    /// A member with work, and nothing left to do for now.
    fn settled(protocol: ConnectProtocol) -> Self {
        let mut bench = Bench::new(protocol);
        bench.found();
        bench.follow(protocol, 1, &work(protocol, &["a"], &[("a", 0), ("b", 1)]));
        assert!(matches!(bench.call_done(), Call::Assigned(_)));
        assert_eq!(bench.member.state(), MemberState::Stable);
        assert!(bench.done.is_empty(), "{:?}", bench.done);
        bench
    }

    fn nothing_done(&self) {
        assert!(self.done.is_empty(), "{:?}", self.done);
    }
}

#[test]
fn a_first_join_takes_the_id_it_is_given_and_may_lead() {
    let protocol = ConnectProtocol::Sessioned;
    let mut bench = Bench::new(protocol);
    bench.found();
    let (ticket, member_id) = bench.join_request();
    assert_eq!(member_id, "");
    bench.on(Event::Joined(ticket, Ok(refused(ResponseError::MemberIdRequired))));
    let (ticket, member_id) = bench.join_request();
    assert_eq!(member_id, "me");
    bench.on(Event::Joined(ticket, Ok(joined(protocol, 1, "me"))));
    let (ticket, call) = bench.called();
    let Call::Assign(group) = call else { panic!("{call:?}") };
    assert_eq!((group.members[0].0.as_str(), group.members[0].1.config_offset), ("me", OFFSET));
    assert_eq!(group.last_completed_generation, -1);
    let mine = Assignment { leader: "me".to_owned(), ..work(protocol, &["a"], &[("a", 0)]) };
    bench.on(Event::Called(ticket, CallResult::Assignments(Ok(vec![("me".to_owned(), mine.clone())]))));
    let (ticket, request) = bench.sent();
    let Request::Sync { assignments, generation } = request else { panic!("{request:?}") };
    assert_eq!((assignments, generation.id), (vec![("me".to_owned(), mine.encode(protocol).expect("short"))], 1));
    bench.on(Event::Synced(ticket, Ok(synced(protocol, &mine))));
    let call = bench.call_done();
    let Call::Assigned(assigned) = call else { panic!("{call:?}") };
    assert!(assigned.is_leader() && assigned.generation == 1 && assigned.assignment.connectors == ["a"]);
    assert_eq!(bench.member.deadline(), Some(3_000), "the next thing is a heartbeat");
}

#[test]
fn cooperative_members_keep_their_work_until_it_is_revoked() {
    let protocol = ConnectProtocol::Compatible;
    let mut bench = Bench::settled(protocol);
    bench.on(Event::Rejoin("new config".to_owned()));
    let change =
        Assignment { revoked_tasks: vec![TaskId::new("b", 1)], delay_ms: 5, ..work(protocol, &["c"], &[("c", 0)]) };
    bench.follow(protocol, 2, &change);
    let Call::Revoked(revoked) = bench.call_done() else { panic!("work is given up before work is taken") };
    assert_eq!((revoked.connectors.len(), revoked.tasks), (0, vec![TaskId::new("b", 1)]));
    let Call::Assigned(assigned) = bench.call_done() else { panic!() };
    let got = assigned.assignment;
    assert_eq!(
        (got.connectors, got.tasks),
        (vec!["c".into(), "a".into()], vec![TaskId::new("c", 0), TaskId::new("a", 0)])
    );
    assert_eq!((got.revoked_tasks.len(), got.delay_ms), (1, 5), "the herder sees what was revoked");
    assert!(!bench.member.assignment().expect("there").revokes(), "but the next join does not claim it");
    bench.nothing_done();
}

#[test]
fn eager_members_give_up_everything_before_they_join() {
    let protocol = ConnectProtocol::Eager;
    let mut bench = Bench::settled(protocol);
    bench.on(Event::Rejoin("new config".to_owned()));
    let (ticket, call) = bench.called();
    let Call::Revoked(revoked) = call else { panic!("{call:?}") };
    assert_eq!((revoked.connectors.len(), revoked.tasks.len()), (1, 2));
    bench.wait(3_000);
    let heartbeat = bench.heartbeat();
    bench.on(Event::Heartbeat(heartbeat, Ok(None)));
    bench.nothing_done();
    bench.on(Event::Called(ticket, CallResult::Done));
    bench.follow(protocol, 2, &work(protocol, &[], &[("z", 3)]));
    let Call::Assigned(assigned) = bench.call_done() else { panic!() };
    assert_eq!((assigned.assignment.connectors.len(), assigned.assignment.tasks), (0, vec![TaskId::new("z", 3)]));
}

/// What comes after an error.
#[derive(Debug, PartialEq)]
enum After {
    /// A join with this member id, at once.
    Join(&'static str),
    /// A join with this member id after the back-off.
    Later(&'static str),
    /// A lookup of the coordinator, then a join with this member id.
    Lookup(&'static str),
    /// The end, with an error that has this word.
    End(&'static str),
}

fn check(what: &str, bench: &mut Bench, after: &After) {
    bench.done.retain(|action| !matches!(action, Action::Disconnect(_)));
    match after {
        After::Join(_) => {}
        After::Later(_) => {
            bench.nothing_done();
            bench.wait(100);
        }
        After::Lookup(_) => {
            bench.nothing_done();
            bench.wait(2_000);
            bench.found();
            bench.wait(100);
        }
        After::End(word) => match bench.done.as_slice() {
            [Action::Ended(Err(error))] => return assert!(error.message().contains(word), "{what}: {error}"),
            other => panic!("{what}: {other:?}"),
        },
    }
    let (After::Join(want) | After::Later(want) | After::Lookup(want)) = after else { return };
    assert_eq!(bench.join_request().1, *want, "{what}");
}

#[test]
fn errors_of_a_join_mean_what_they_mean_to_the_jvm() {
    use ResponseError as E;
    let rows = [
        (E::UnknownMemberId, After::Join("")),
        (E::RebalanceInProgress, After::Join("")),
        (E::CoordinatorLoadInProgress, After::Later("")),
        (E::NotCoordinator, After::Lookup("")),
        (E::CoordinatorNotAvailable, After::Lookup("")),
        (E::GroupAuthorizationFailed, After::End("Not authorized to access group: connect-cluster")),
        (E::InconsistentGroupProtocol, After::End("group.id")),
        (E::InvalidSessionTimeout, After::End("session.timeout.ms")),
        (E::InvalidGroupId, After::End("group.id")),
        (E::GroupMaxSizeReached, After::End("group.max.size")),
        (E::FencedInstanceId, After::End("FencedInstanceId")),
        (E::Unknown(999), After::End("999")),
    ];
    for (code, after) in rows {
        let mut bench = Bench::new(ConnectProtocol::Sessioned);
        bench.found();
        let (ticket, _) = bench.join_request();
        bench.on(Event::Joined(ticket, Ok(refused(code))));
        check(&format!("{code:?}"), &mut bench, &after);
    }
}

#[test]
fn errors_of_a_sync_mean_what_they_mean_to_the_jvm() {
    use ResponseError as E;
    let rows = [
        (E::RebalanceInProgress, After::Join("me")),
        (E::IllegalGeneration, After::Join("me")),
        (E::UnknownMemberId, After::Join("")),
        (E::NotCoordinator, After::Lookup("me")),
        (E::GroupAuthorizationFailed, After::End("Not authorized")),
    ];
    for (code, after) in rows {
        let protocol = ConnectProtocol::Sessioned;
        let mut bench = Bench::new(protocol);
        bench.found();
        let (ticket, _) = bench.join_request();
        bench.on(Event::Joined(ticket, Ok(joined(protocol, 4, "other"))));
        let (ticket, _) = bench.sent();
        let answer = SyncAnswer { error: Some(code), protocol_type: None, protocol: None, assignment: Bytes::new() };
        bench.on(Event::Synced(ticket, Ok(answer)));
        check(&format!("{code:?}"), &mut bench, &after);
    }
}

#[test]
fn errors_of_a_heartbeat_mean_what_they_mean_to_the_jvm() {
    use ResponseError as E;
    let rows = [
        (E::RebalanceInProgress, After::Join("me")),
        (E::IllegalGeneration, After::Join("me")),
        (E::UnknownMemberId, After::Join("")),
        (E::FencedInstanceId, After::Join("")),
        (E::GroupAuthorizationFailed, After::End("Not authorized")),
    ];
    for (code, after) in rows {
        let mut bench = Bench::settled(ConnectProtocol::Sessioned);
        bench.wait(3_000);
        let ticket = bench.heartbeat();
        bench.on(Event::Heartbeat(ticket, Ok(Some(code))));
        check(&format!("{code:?}"), &mut bench, &after);
    }
    // A moved coordinator does not end the generation.
    let mut bench = Bench::settled(ConnectProtocol::Sessioned);
    bench.wait(3_000);
    let ticket = bench.heartbeat();
    bench.on(Event::Heartbeat(ticket, Ok(Some(E::NotCoordinator))));
    bench.done.clear();
    bench.wait(500);
    bench.found();
    let ticket = bench.heartbeat();
    bench.on(Event::Heartbeat(ticket, Ok(None)));
    assert_eq!((bench.member.state(), bench.member.generation().id), (MemberState::Stable, 1));
}

#[test]
fn silence_of_the_coordinator_ends_the_session_and_then_the_work() {
    let mut bench = Bench::settled(ConnectProtocol::Sessioned);
    bench.wait(3_000);
    let late = bench.heartbeat();
    bench.wait(7_000);
    assert!(matches!(bench.done.remove(0), Action::Disconnect(_)), "no answer within session.timeout.ms");
    bench.wait(3_100);
    let (ticket, call) = bench.called();
    let Call::Revoked(revoked) = call else { panic!("{call:?}") };
    assert_eq!(revoked.tasks.len(), 2, "all work, one heartbeat.interval.ms after the coordinator was lost");
    bench.on(Event::Heartbeat(late, Ok(None)));
    bench.on(Event::Called(ticket, CallResult::Done));
    assert!(bench.member.assignment().is_none());
    bench.found();
    assert_eq!(bench.join_request().1, "me", "the id may be good still");
}

#[test]
fn a_cut_connection_is_looked_into_before_work_is_given_up() {
    let mut bench = Bench::settled(ConnectProtocol::Sessioned);
    bench.wait(3_000);
    let ticket = bench.heartbeat();
    bench.on(Event::Heartbeat(ticket, Err(cut())));
    bench.nothing_done();
    bench.wait(200);
    bench.found();
    let ticket = bench.heartbeat();
    bench.on(Event::Heartbeat(ticket, Ok(None)));
    assert!(bench.member.assignment().is_some());
    bench.nothing_done();
}

#[test]
fn lookups_are_repeated_with_growing_pauses_but_refused_credentials_are_the_end() {
    let mut bench = Bench::new(ConnectProtocol::Sessioned);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let Some(Action::FindCoordinator(ticket)) = bench.done.pop() else { panic!() };
        bench.on(Event::Found(ticket, Err(cut())));
        pauses.push(bench.member.deadline().expect("a retry") - bench.now);
        bench.wait(1_000);
    }
    let expected = [100, 200, 400, 800, 1_000, 1_000];
    for (pause, about) in pauses.iter().zip(expected) {
        assert!((about * 8 / 10..=about * 12 / 10).contains(pause), "{pauses:?}");
    }
    let Some(Action::FindCoordinator(ticket)) = bench.done.pop() else { panic!() };
    let denied = Failure::Fatal(couplet_api::Error::auth("Authentication failed").into());
    bench.on(Event::Found(ticket, Err(denied)));
    check("credentials", &mut bench, &After::End("Authentication failed"));
    assert_eq!(bench.member.deadline(), None);
}

#[test]
fn a_handler_that_takes_longer_than_a_rebalance_costs_the_membership() {
    let protocol = ConnectProtocol::Sessioned;
    let mut bench = Bench::new(protocol);
    bench.found();
    bench.follow(protocol, 1, &work(protocol, &["a"], &[]));
    let (ticket, _) = bench.called();
    for _ in 0..19 {
        bench.wait(3_000);
        let heartbeat = bench.heartbeat();
        bench.on(Event::Heartbeat(heartbeat, Ok(None)));
    }
    bench.wait(3_000);
    let (_, request) = bench.sent();
    let Request::Leave { member_id, reason } = request else { panic!("{request:?}") };
    assert_eq!((member_id.as_str(), reason.as_str()), ("me", "worker poll timeout has expired."));
    bench.wait(120_000);
    bench.nothing_done();
    bench.on(Event::Called(ticket, CallResult::Done));
    assert_eq!(bench.join_request().1, "", "it comes back as a new member when the handler does");
}

#[test]
fn members_leave_for_good_or_for_a_while() {
    let mut bench = Bench::settled(ConnectProtocol::Sessioned);
    bench.on(Event::StepOut { reason: "taking too long to read the log".to_owned(), pause_ms: 5_000 });
    assert!(matches!(bench.sent().1, Request::Leave { .. }));
    bench.wait(4_999);
    bench.nothing_done();
    bench.wait(1);
    assert_eq!(bench.join_request().1, "");

    let mut bench = Bench::settled(ConnectProtocol::Sessioned);
    bench.on(Event::Leave("the worker stops".to_owned()));
    let (ticket, _) = bench.sent();
    bench.nothing_done();
    bench.on(Event::Left(ticket, Err(cut())));
    assert!(matches!(bench.done.as_slice(), [Action::Ended(Ok(()))]));

    let mut bench = Bench::new(ConnectProtocol::Sessioned);
    bench.done.clear();
    bench.on(Event::Leave("the worker stops".to_owned()));
    assert!(matches!(bench.done.as_slice(), [Action::Ended(Ok(()))]), "there is nothing to leave");
}

#[test]
fn a_failed_assignment_is_followed_by_another_join_when_the_handler_has_caught_up() {
    let protocol = ConnectProtocol::Sessioned;
    let mut bench = Bench::new(protocol);
    bench.found();
    let failed = Assignment { error: CONFIG_MISMATCH, ..work(protocol, &[], &[]) };
    bench.follow(protocol, 1, &failed);
    bench.wait(1_000);
    let call = bench.call_done();
    assert!(matches!(&call, Call::Assigned(assigned) if assigned.assignment.failed()), "{call:?}");
    assert_eq!(bench.join_request().1, "me");
}

#[test]
fn a_leader_that_cannot_assign_tries_again() {
    let protocol = ConnectProtocol::Sessioned;
    let mut bench = Bench::new(protocol);
    bench.found();
    let (ticket, _) = bench.join_request();
    bench.on(Event::Joined(ticket, Ok(joined(protocol, 1, "me"))));
    let (ticket, _) = bench.called();
    let failed = CallResult::Assignments(Err(couplet_api::Error::remote("the config topic cannot be read")));
    bench.on(Event::Called(ticket, failed));
    check("assign", &mut bench, &After::Later("me"));
}

#[test]
fn a_wish_to_rejoin_during_a_join_counts_for_the_next_one() {
    let protocol = ConnectProtocol::Sessioned;
    let mut bench = Bench::settled(protocol);
    bench.on(Event::Rejoin("first".to_owned()));
    bench.on(Event::Rejoin("second".to_owned()));
    bench.follow(protocol, 2, &work(protocol, &[], &[]));
    bench.call_done();
    assert_eq!(bench.join_request().1, "me");
}
