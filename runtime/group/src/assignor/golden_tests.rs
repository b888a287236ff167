//! The recorded rounds of the JVM's incremental assignor, and properties that hold for any history.

use std::collections::BTreeMap;

use couplet_testkit::golden::cases;
use proptest::prelude::*;
use serde_json::Value;

use super::incremental::{Assignments, IncrementalAssignor, Round};
use super::work::Work;
use crate::protocol::TaskId;

fn task(text: &str) -> TaskId {
    text.parse().expect("connector-number")
}

/// Work from names and `connector-number`s.
pub(super) fn work(connectors: &[&str], tasks: &[&str]) -> Work {
    Work {
        connectors: connectors.iter().map(|name| (*name).to_owned()).collect(),
        tasks: tasks.iter().map(|text| task(text)).collect(),
    }
}

fn recorded(value: &Value) -> Work {
    let texts = |key: &str| -> Vec<&str> {
        value[key].as_array().expect("a list").iter().map(|text| text.as_str().expect("text")).collect()
    };
    work(&texts("connectors"), &texts("tasks"))
}

fn by_member(value: &Value) -> BTreeMap<String, Work> {
    let members = value.as_object().expect("members");
    members.iter().map(|(member, held)| (member.clone(), recorded(held))).collect()
}

fn configured(counts: &BTreeMap<String, i32>) -> Work {
    let mut all = Work::default();
    for (name, count) in counts {
        all.connectors.insert(name.clone());
        all.tasks.extend((0..*count).map(|task| TaskId::new(name.as_str(), task)));
    }
    all
}

fn sorted(work: Option<&Work>) -> Work {
    work.cloned().unwrap_or_default().without(&[])
}

/// What every member has when it has done what it was told.
fn apply(held: &mut BTreeMap<String, Work>, told: &Assignments) {
    for (member, work) in held {
        if let Some(revoked) = told.revoked.get(member) {
            work.remove(revoked);
        }
        if let Some(assigned) = told.assigned.get(member) {
            work.add(assigned);
        }
    }
}

/// Plays one scenario; says where it differs.
fn play(case: &Value) -> Vec<String> {
    let delay_max_ms = case["max_delay_ms"].as_i64().and_then(|ms| i32::try_from(ms).ok()).expect("a delay");
    let fresh = || IncrementalAssignor::new(delay_max_ms);
    // The recordings do not say where a scenario changes its leader: a leader with or without a past decides the round.
    let mut pasts = vec![(fresh(), BTreeMap::<String, Work>::new())];
    let mut differing = Vec::new();
    for (number, recorded_round) in case["rounds"].as_array().expect("rounds").iter().enumerate() {
        let counts: BTreeMap<String, i32> =
            serde_json::from_value(recorded_round["connectors"].clone()).expect("task counts");
        let all = configured(&counts);
        let told_to_hold = by_member(&recorded_round["members_with_held"]);
        let number_of = |key: &str| recorded_round[key].as_i64().expect("a number");
        pasts.push((fresh(), pasts[0].1.clone()));
        let mut futures = Vec::new();
        let mut why = Vec::new();
        for (mut assignor, kept) in pasts {
            // Sets are recorded sorted, but what is taken first depends on the order in which it was given.
            let in_order = |(member, told): (&String, &Work)| {
                let known = kept.get(member).filter(|known| sorted(Some(known)) == sorted(Some(told)));
                (member.clone(), known.unwrap_or(told).clone())
            };
            let mut held: BTreeMap<String, Work> = told_to_hold.iter().map(in_order).collect();
            let mut told = assignor.assign(&Round {
                now_ms: number_of("now_ms"),
                last_completed_generation: i32::try_from(number_of("last_completed_generation")).expect("fits"),
                generation: i32::try_from(number_of("generation")).expect("fits"),
                configured: &all,
                held: &held,
            });
            share(&kept, &told_to_hold, &mut told);
            let differs = differences(recorded_round, &told);
            if differs.is_empty() {
                apply(&mut held, &told);
                futures.push((assignor, held));
            } else {
                why.extend(differs.into_iter().map(|text| format!("round {number}: {text}")));
            }
        }
        if futures.is_empty() {
            differing.extend(why);
            break;
        }
        for (_, held) in &futures {
            for (member, want) in by_member(&recorded_round["held_after"]) {
                assert_eq!(sorted(held.get(&member)), sorted(Some(&want)), "round {number}: {member}");
            }
        }
        pasts = futures;
    }
    differing
}

/// A member that is made to claim what another one has, is recorded with the very same collection, to which the JVM adds in
/// place: what one of the two is given in that round is recorded for both.
fn share(kept: &BTreeMap<String, Work>, claims: &BTreeMap<String, Work>, told: &mut Assignments) {
    let given = told.assigned.clone();
    for (member, claim) in claims.iter().filter(|(_, claim)| !claim.is_empty()) {
        if sorted(kept.get(member)) == sorted(Some(claim)) {
            continue;
        }
        for (twin, _) in claims.iter().filter(|(twin, other)| *other == claim && *twin != member) {
            let both = [given.get(twin), given.get(member)].into_iter().flatten();
            let both = both.fold(Work::default(), |mut both, work| {
                both.add(work);
                both
            });
            told.assigned.insert(member.clone(), both.clone());
            told.assigned.insert(twin.clone(), both);
        }
    }
}

fn differences(round: &Value, told: &Assignments) -> Vec<String> {
    let mut differing = Vec::new();
    let delay = round["delay_ms"].as_i64().expect("a delay");
    if delay != i64::from(told.delay_ms) {
        differing.push(format!("delay {} instead of {delay}", told.delay_ms));
    }
    for (member, want) in round["output"].as_object().expect("members") {
        for (what, got) in [("assigned", &told.assigned), ("revoked", &told.revoked)] {
            let (want, got) = (sorted(Some(&recorded(&want[what]))), sorted(got.get(member)));
            if want != got {
                differing.push(format!("{member} {what} {got:?} instead of {want:?}"));
            }
        }
    }
    differing
}

#[test]
fn every_recorded_round_is_decided_as_by_the_jvm() {
    let mut differing = Vec::new();
    let mut rounds = 0;
    for case in cases("connect/protocol/assignments.jsonl") {
        rounds += case["rounds"].as_array().map_or(0, Vec::len);
        differing.extend(play(&case).into_iter().map(|why| format!("{}: {why}", case["name"])));
    }
    assert!(rounds > 20, "only {rounds} rounds are recorded");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

/// What may happen between two rounds.
#[derive(Debug, Clone)]
enum Happening {
    Joins(u8),
    Leaves(u8),
    Tasks(u8, i32),
    Removed(u8),
    Passes(i64),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0_u8..6).prop_map(Happening::Joins),
        (0_u8..6).prop_map(Happening::Leaves),
        (0_u8..4, 0_i32..8).prop_map(|(connector, tasks)| Happening::Tasks(connector, tasks)),
        (0_u8..4).prop_map(Happening::Removed),
        (0_i64..400_000).prop_map(Happening::Passes),
    ]
}

proptest! {
    /// Nothing is held twice at any time, and when nothing happens any more, everything is held and the load is level.
    #[test]
    fn rounds_settle(history in prop::collection::vec(happening(), 0..30)) {
        let mut assignor = IncrementalAssignor::new(300_000);
        let mut held = BTreeMap::from([("w0".to_owned(), Work::default())]);
        let mut counts = BTreeMap::new();
        let (mut now_ms, mut generation) = (1, 0);
        let rest = std::iter::repeat_n(Happening::Passes(300_000), 12);
        for event in history.into_iter().chain(rest) {
            match event {
                Happening::Joins(n) => { held.entry(format!("w{n}")).or_default(); }
                Happening::Leaves(n) if held.len() > 1 => { held.remove(&format!("w{n}")); }
                Happening::Leaves(_) => {}
                Happening::Tasks(n, tasks) => { counts.insert(format!("c{n}"), tasks); }
                Happening::Removed(n) => { counts.remove(&format!("c{n}")); }
                Happening::Passes(ms) => now_ms += ms,
            }
            let all = configured(&counts);
            let told = assignor.assign(&Round {
                now_ms, last_completed_generation: generation, generation: generation + 1, configured: &all, held: &held,
            });
            generation += 1;
            apply(&mut held, &told);
            let total: usize = held.values().map(|work| work.tasks.len() + work.connectors.len()).sum();
            let mut together = Work::default();
            held.values().for_each(|work| together.add(work));
            prop_assert_eq!(total, together.tasks.len() + together.connectors.len(), "something is held twice");
        }
        let all = configured(&counts);
        let mut together = Work::default();
        held.values().for_each(|work| together.add(work));
        prop_assert_eq!(together.without(&[]), all.without(&[]));
        for kind in [|work: &Work| work.tasks.len(), |work: &Work| work.connectors.len()] {
            let least = held.values().map(kind).min().unwrap_or(0);
            let most = held.values().map(kind).max().unwrap_or(0);
            prop_assert!(most - least <= 1, "loads from {} to {}", least, most);
        }
    }
}
