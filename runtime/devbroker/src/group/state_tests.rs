//! The group's life as sentences: each row is a start, what happens, and what is answered.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::event::{Action, Caller, Event, Join, Protocol, Sync};
use super::state::{Group, Phase};

const SESSION_MS: u64 = 10_000;
const REBALANCE_MS: u64 = 60_000;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A join of `id`; new members pass their id as fresh id.
fn join(request: u64, id: &str, metadata: &str) -> Join {
    Join {
        request,
        member_id: text(id),
        fresh_id: StrBytes::new(),
        id_required: false,
        may_skip_assignment: true,
        instance_id: None,
        client_id: text("client"),
        client_host: text("/127.0.0.1"),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        protocol_type: text("consumer"),
        protocols: vec![Protocol { name: text("range"), metadata: Bytes::from(metadata.to_owned()) }],
    }
}

fn new_member(request: u64, id: &str) -> Join {
    Join { member_id: StrBytes::new(), fresh_id: text(id), ..join(request, "", "m") }
}

fn static_member(request: u64, id: &str, instance: &str) -> Join {
    Join { instance_id: Some(text(instance)), ..new_member(request, id) }
}

fn caller(id: &str, generation: i32) -> Caller {
    Caller { member_id: text(id), instance_id: None, generation }
}

fn sync(request: u64, id: &str, generation: i32, assignments: &[(&str, &str)]) -> Event {
    Event::Sync(Sync {
        request,
        caller: caller(id, generation),
        protocol_type: Some(text("consumer")),
        protocol_name: Some(text("range")),
        assignments: assignments.iter().map(|(id, value)| (text(id), Bytes::from(value.to_string()))).collect(),
    })
}

fn heartbeat(request: u64, id: &str, generation: i32) -> Event {
    Event::Heartbeat { request, caller: caller(id, generation) }
}

fn leave(request: u64, id: &str) -> Event {
    Event::Leave { request, member_id: text(id), instance_id: None }
}

/// Answers in short: "request: what was said".
fn said(actions: &[Action]) -> Vec<String> {
    let code = |error: &ResponseError| format!("{error:?}");
    actions
        .iter()
        .map(|action| match action {
            Action::AnswerJoin(request, Ok(joined)) => {
                let role = if joined.members.is_empty() { "follows" } else { "leads" };
                format!("{request}: {} {role} generation {}", &*joined.member_id, joined.generation)
            }
            Action::AnswerJoin(request, Err(refused)) => format!("{request}: {}", code(&refused.error)),
            Action::AnswerSync(request, Ok(synced)) => {
                format!("{request}: got {}", String::from_utf8_lossy(&synced.assignment))
            }
            Action::AnswerSync(request, Err(error)) | Action::Answer(request, Err(error)) => {
                format!("{request}: {}", code(error))
            }
            Action::Answer(request, Ok(())) => format!("{request}: ok"),
            Action::Persist => "persist".to_owned(),
        })
        .collect()
}

/// Group of members "a" (leader) and "b", stable in generation 2.
fn stable() -> Group {
    let mut group = Group::default();
    group.on(Event::Join(new_member(1, "a")), 0);
    group.on(sync(2, "a", 1, &[("a", "all")]), 0);
    group.on(Event::Join(new_member(3, "b")), 0);
    group.on(Event::Join(join(4, "a", "m")), 0);
    group.on(sync(5, "b", 2, &[]), 0);
    group.on(sync(6, "a", 2, &[("a", "one"), ("b", "two")]), 0);
    assert_eq!((group.phase, group.generation), (Phase::Stable, 2));
    group
}

#[test]
fn the_way_to_a_stable_group() {
    let mut group = Group::default();
    let steps: Vec<(&str, Event, Vec<&str>, Phase)> = vec![
        (
            "the first member leads",
            Event::Join(new_member(1, "a")),
            vec!["1: a leads generation 1"],
            Phase::CompletingRebalance,
        ),
        ("and assigns", sync(2, "a", 1, &[("a", "all")]), vec!["persist", "2: got all"], Phase::Stable),
        ("a second one waits", Event::Join(new_member(3, "b")), vec![], Phase::PreparingRebalance),
        ("heartbeats tell the first", heartbeat(4, "a", 1), vec!["4: RebalanceInProgress"], Phase::PreparingRebalance),
        (
            "who joins again",
            Event::Join(join(5, "a", "m")),
            vec!["5: a leads generation 2", "3: b follows generation 2"],
            Phase::CompletingRebalance,
        ),
        ("a follower waits for its share", sync(6, "b", 2, &[]), vec![], Phase::CompletingRebalance),
        (
            "which the leader brings",
            sync(7, "a", 2, &[("a", "one"), ("b", "two")]),
            vec!["persist", "7: got one", "6: got two"],
            Phase::Stable,
        ),
        ("all is well", heartbeat(8, "b", 2), vec!["8: ok"], Phase::Stable),
        ("the leader leaves", leave(9, "a"), vec!["9: ok"], Phase::PreparingRebalance),
        (
            "the other leads",
            Event::Join(join(10, "b", "m")),
            vec!["10: b leads generation 3"],
            Phase::CompletingRebalance,
        ),
        ("and leaves", leave(11, "b"), vec!["persist", "11: ok"], Phase::Empty),
    ];
    for (claim, event, want, phase) in steps {
        assert_eq!(said(&group.on(event, 0)), want, "{claim}");
        assert_eq!(group.phase, phase, "{claim}");
    }
    assert_eq!(&*group.protocol_type, "consumer", "an empty group keeps its type");
}

#[test]
fn answers_of_a_stable_group() {
    let other_type = Join { protocol_type: text("connect"), ..new_member(9, "x") };
    let other_protocol =
        Join { protocols: vec![Protocol { name: text("odd"), metadata: Bytes::new() }], ..new_member(9, "x") };
    let no_protocol = Join { protocols: Vec::new(), ..new_member(9, "x") };
    let rows: Vec<(&str, Event, Vec<&str>)> = vec![
        ("a stranger's heartbeat", heartbeat(9, "x", 2), vec!["9: UnknownMemberId"]),
        ("an old generation's heartbeat", heartbeat(9, "b", 1), vec!["9: IllegalGeneration"]),
        ("a stranger's sync", sync(9, "x", 2, &[]), vec!["9: UnknownMemberId"]),
        ("an old generation's sync", sync(9, "b", 1, &[]), vec!["9: IllegalGeneration"]),
        ("a repeated sync", sync(9, "b", 2, &[]), vec!["9: got two"]),
        ("a stranger leaves", leave(9, "x"), vec!["9: UnknownMemberId"]),
        ("a stranger joins by id", Event::Join(join(9, "x", "m")), vec!["9: UnknownMemberId"]),
        ("a follower asks again", Event::Join(join(9, "b", "m")), vec!["9: b follows generation 2"]),
        ("a follower with news starts a rebalance", Event::Join(join(9, "b", "new")), vec![]),
        ("the leader starts one anyhow", Event::Join(join(9, "a", "m")), vec![]),
        ("another protocol type", Event::Join(other_type), vec!["9: InconsistentGroupProtocol"]),
        ("no common protocol", Event::Join(other_protocol), vec!["9: InconsistentGroupProtocol"]),
        ("no protocol at all", Event::Join(no_protocol), vec!["9: InconsistentGroupProtocol"]),
    ];
    for (claim, event, want) in rows {
        assert_eq!(said(&stable().on(event, 1)), want, "{claim}");
    }
}

#[test]
fn members_must_come_with_an_id_when_asked_to() {
    let mut group = Group::default();
    let first = Join { id_required: true, ..new_member(1, "a") };
    assert_eq!(said(&group.on(Event::Join(first), 0)), ["1: MemberIdRequired"]);
    assert_eq!(said(&group.on(Event::Join(join(2, "a", "m")), 0)), ["2: a leads generation 1"]);
    let second = Join { id_required: true, ..new_member(3, "b") };
    group.on(Event::Join(second), 0);
    group.on(Event::Tick, SESSION_MS);
    let late = Event::Join(join(4, "b", "m"));
    assert_eq!(said(&group.on(late, SESSION_MS)), ["4: UnknownMemberId"], "ids are good for a session only");
}

#[test]
fn time() {
    // Each row: events with their times, then the tick, what it says, and the phase afterwards.
    type Row = (&'static str, Vec<(u64, Event)>, u64, Vec<&'static str>, Phase);
    let both_alive = |at| vec![(at, heartbeat(90, "a", 2)), (at, heartbeat(91, "b", 2))];
    let rows: Vec<Row> = vec![
        ("before the session ends", vec![], SESSION_MS - 1, vec![], Phase::Stable),
        ("everybody silent", vec![], SESSION_MS, vec!["persist"], Phase::Empty),
        ("everybody alive", both_alive(5_000), SESSION_MS, vec![], Phase::Stable),
        ("one silent", vec![(5_000, heartbeat(90, "a", 2))], SESSION_MS, vec![], Phase::PreparingRebalance),
        (
            "a member that waits to join is not silent, one that does not join is",
            vec![(5_000, Event::Join(join(9, "b", "new")))],
            SESSION_MS,
            vec!["9: b leads generation 3"],
            Phase::CompletingRebalance,
        ),
    ];
    for (claim, events, tick_ms, want, phase) in rows {
        let mut group = stable();
        for (at, event) in events {
            group.on(event, at);
        }
        assert_eq!(said(&group.on(Event::Tick, tick_ms)), want, "{claim}");
        assert_eq!(group.phase, phase, "{claim}");
    }
}

#[test]
fn a_rebalance_does_not_wait_for_ever() {
    let mut group = stable();
    group.on(Event::Join(join(9, "b", "new")), 0);
    for at in (5_000..REBALANCE_MS).step_by(5_000) {
        assert_eq!(said(&group.on(heartbeat(10, "a", 2), at)), ["10: RebalanceInProgress"]);
        assert!(group.on(Event::Tick, at).is_empty());
    }
    assert_eq!(group.deadline_ms(), Some(REBALANCE_MS));
    assert_eq!(said(&group.on(Event::Tick, REBALANCE_MS)), ["9: b leads generation 3"]);
    assert!(!group.members.contains_key(&text("a")));
}

#[test]
fn a_leader_that_never_assigns_is_removed() {
    let mut group = Group::default();
    group.on(Event::Join(new_member(1, "a")), 0);
    group.on(Event::Join(new_member(2, "b")), 0);
    group.on(Event::Join(join(3, "a", "m")), 0);
    group.on(sync(4, "b", 2, &[]), 0);
    let said_by_tick = said(&group.on(Event::Tick, SESSION_MS));
    assert_eq!(said_by_tick, ["4: RebalanceInProgress"], "the follower is told to join again");
    assert_eq!(group.phase, Phase::PreparingRebalance);
}

#[test]
fn static_members_come_back_without_a_rebalance() {
    let mut group = Group::default();
    group.on(Event::Join(static_member(1, "a1", "host-a")), 0);
    group.on(sync(2, "a1", 1, &[("a1", "all")]), 0);
    let actions = group.on(Event::Join(static_member(3, "a2", "host-a")), 5);
    assert_eq!(said(&actions), ["3: a2 leads generation 1", "persist"]);
    assert!(matches!(&actions[0], Action::AnswerJoin(3, Ok(joined)) if joined.skip_assignment));
    assert_eq!(said(&group.on(sync(4, "a2", 1, &[]), 6)), ["4: got all"]);
    let mut old = caller("a1", 1);
    old.instance_id = Some(text("host-a"));
    assert_eq!(said(&group.on(Event::Heartbeat { request: 5, caller: old }, 7)), ["5: FencedInstanceId"]);
    let removed = Event::Leave { request: 6, member_id: StrBytes::new(), instance_id: Some(text("host-a")) };
    assert_eq!(said(&group.on(removed, 8)), ["persist", "6: ok"], "an administrator removes it by its instance");
}

#[test]
fn the_protocol_that_most_prefer_and_all_speak_wins() {
    let speaking = |request, id: &str, names: &[&str]| Join {
        protocols: names.iter().map(|name| Protocol { name: text(name), metadata: Bytes::new() }).collect(),
        ..new_member(request, id)
    };
    let mut group = Group::default();
    group.on(Event::Join(speaking(1, "a", &["sessioned", "compatible", "default"])), 0);
    assert_eq!(&*group.protocol_name, "sessioned");
    group.on(Event::Join(speaking(2, "b", &["compatible", "default"])), 0);
    let again = Join { member_id: text("a"), ..speaking(3, "", &["sessioned", "compatible", "default"]) };
    group.on(Event::Join(again), 0);
    assert_eq!(&*group.protocol_name, "compatible");
}

#[test]
fn commits() {
    let outsider = || caller("", -1);
    let rows: Vec<(&str, Group, Caller, Result<(), ResponseError>)> = vec![
        ("outsiders commit for empty groups", Group::default(), outsider(), Ok(())),
        ("but not for living ones", stable(), outsider(), Err(ResponseError::UnknownMemberId)),
        ("members do", stable(), caller("b", 2), Ok(())),
        ("of this generation", stable(), caller("b", 1), Err(ResponseError::IllegalGeneration)),
        ("strangers do not", stable(), caller("x", 2), Err(ResponseError::UnknownMemberId)),
        ("not after their group is gone", Group::default(), caller("b", 2), Err(ResponseError::IllegalGeneration)),
        (
            "a member may, while others are asked to join again",
            {
                let mut group = stable();
                group.on(Event::Join(join(9, "b", "new")), 0);
                group
            },
            caller("a", 2),
            Ok(()),
        ),
    ];
    for (claim, group, who, want) in rows {
        assert_eq!(group.check_commit(&who), want, "{claim}");
    }
}
