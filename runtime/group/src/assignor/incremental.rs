//! The incremental cooperative assignor (KIP-415 and what was mended since): members keep what they do, and only what must
//! move is taken away first and given to another member in the next round.
//!
//! Decides step by step as Kafka's `IncrementalCooperativeAssignor`.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexSet;

use super::balance::revocations;
use super::work::Work;
use crate::protocol::hash_set_order;

/// One rebalance, as the leader sees it.
#[derive(Debug, Clone)]
pub struct Round<'a> {
    /// Milliseconds since the epoch.
    pub now_ms: i64,
    /// The last generation in which the leader got an assignment; -1 for none.
    pub last_completed_generation: i32,
    /// The generation that begins.
    pub generation: i32,
    /// All connectors and tasks there are.
    pub configured: &'a Work,
    /// What each member says it holds, by member id.
    pub held: &'a BTreeMap<String, Work>,
}

/// What follows from a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignments {
    /// What each member is to start, besides what it holds.
    pub assigned: BTreeMap<String, Work>,
    /// What members are to stop.
    pub revoked: BTreeMap<String, Work>,
    /// What each member has once that is done.
    pub owned: BTreeMap<String, Work>,
    /// Milliseconds after which all members are to join again; 0: no need to.
    pub delay_ms: i32,
}

/// Gives work to the members of a group, round by round. What it remembers lets it wait for members that went away.
#[derive(Debug, Clone)]
pub struct IncrementalAssignor {
    delay_max_ms: i32,
    previous_generation: i32,
    previous_members: BTreeSet<String>,
    previous: Work,
    previously_revoked: Work,
    /// Whether work was taken in the last round to balance the load.
    revoked_before: bool,
    successive_revocations: u32,
    /// Members that came with empty hands while lost work waits: it goes to them.
    candidates: IndexSet<String>,
    /// When lost work is given to others, in milliseconds since the epoch; 0: none is waited for.
    scheduled_ms: i64,
    delay_ms: i32,
}

impl IncrementalAssignor {
    /// An assignor without a past. `delay_max_ms` is `scheduled.rebalance.max.delay.ms`.
    pub fn new(delay_max_ms: i32) -> Self {
        IncrementalAssignor {
            delay_max_ms,
            previous_generation: -1,
            previous_members: BTreeSet::new(),
            previous: Work::default(),
            previously_revoked: Work::default(),
            revoked_before: false,
            successive_revocations: 0,
            candidates: IndexSet::new(),
            scheduled_ms: 0,
            delay_ms: 0,
        }
    }

    /// Decides a round.
    pub fn assign(&mut self, round: &Round<'_>) -> Assignments {
        // Somebody else led since, or the last assignment was never completed: what is remembered is outdated.
        if self.previous_generation != round.last_completed_generation {
            self.previous = Work::default();
        }
        let mut active = Work::default();
        round.held.values().for_each(|held| active.add(held));
        if self.previously_revoked.overlaps(&active) {
            // A revocation did not take effect.
            self.previous = active.clone();
        }
        self.previously_revoked = Work::default();

        let deleted = self.previous.without(&[round.configured]);
        let lost = self.previous.without(&[&active, &deleted]);
        let created = round.configured.without(&[&self.previous, &active]);
        let duplicated = duplicates(round.held);

        let mut revoked: BTreeMap<String, Work> = BTreeMap::new();
        let mut next = round.held.clone();
        for (member, work) in &mut next {
            let mut taken = deleted.also_in(work);
            taken.add(&duplicated.also_in(work));
            work.remove(&taken);
            revoked.insert(member.clone(), taken);
        }

        let mut given = created;
        given.add(&self.lost_to_reassign(round.now_ms, lost.clone(), &mut next));
        self.balance(round, &mut next, &mut revoked);
        spread(&mut next, &given);

        let incremental = |(member, work): (&String, &Work)| {
            // What is deleted counts as given up, what is claimed twice as held: it is not given back in the same round.
            let before = round.held.get(member).cloned().unwrap_or_default();
            let mut added = work.clone();
            added.remove(&before);
            (member.clone(), added)
        };
        let assigned = next.iter().map(incremental).collect();
        self.remember(round, &revoked, &next, &lost);
        let mut owned = next;
        for (member, work) in &mut owned {
            work.remove(&revoked[member]);
        }
        Assignments { assigned, revoked, owned, delay_ms: self.delay_ms }
    }

    /// Takes work from members that have too much, unless lost work is waited for or that was done just before.
    fn balance(&mut self, round: &Round<'_>, next: &mut BTreeMap<String, Work>, revoked: &mut BTreeMap<String, Work>) {
        if self.delay_ms != 0 {
            self.revoked_before = false;
            return;
        }
        let taken = revocations(round.configured, next);
        if taken.is_empty() {
            if self.revoked_before {
                self.revoked_before = false;
                self.successive_revocations = 0;
            }
            return;
        }
        if self.revoked_before {
            self.successive_revocations = self.successive_revocations.saturating_add(1);
            self.delay_ms = backoff_ms(self.successive_revocations, self.delay_max_ms);
            if self.delay_ms != 0 {
                self.scheduled_ms = round.now_ms + i64::from(self.delay_ms);
                return;
            }
        }
        self.revoked_before = true;
        for (member, work) in taken {
            next.entry(member.clone()).or_default().remove(&work);
            revoked.entry(member).or_default().add(&work);
        }
    }

    /// Returns what of `lost` is to be given to anybody now. What goes to certain members is put into `next`; the rest waits.
    fn lost_to_reassign(&mut self, now_ms: i64, lost: Work, next: &mut BTreeMap<String, Work>) -> Work {
        if lost.is_empty() && !self.revoked_before {
            self.reset_delay();
            return Work::default();
        }
        let nobody_left = self.previous_members.iter().all(|member| next.contains_key(member));
        if (self.scheduled_ms <= 0 && nobody_left) || self.delay_max_ms == 0 {
            // Nobody went away: an assignment was not received. Or nobody is waited for.
            return lost;
        }
        if self.scheduled_ms > 0 && now_ms >= self.scheduled_ms {
            let candidates: Vec<String> =
                self.candidates.iter().filter(|member| next.contains_key(*member)).cloned().collect();
            self.reset_delay();
            self.revoked_before = false;
            return deal(lost, &candidates, next);
        }
        let mut idle: Vec<&str> =
            next.iter().filter(|(_, work)| work.is_empty()).map(|(member, _)| member.as_str()).collect();
        hash_set_order(&mut idle);
        self.candidates.extend(idle.into_iter().map(str::to_owned));
        self.delay_ms = if now_ms < self.scheduled_ms {
            i32::try_from(self.scheduled_ms - now_ms).unwrap_or(i32::MAX).min(self.delay_max_ms)
        } else {
            self.delay_max_ms
        };
        self.scheduled_ms = now_ms + i64::from(self.delay_ms);
        Work::default()
    }

    fn reset_delay(&mut self) {
        self.candidates.clear();
        self.scheduled_ms = 0;
        self.delay_ms = 0;
    }

    fn remember(
        &mut self,
        round: &Round<'_>,
        revoked: &BTreeMap<String, Work>,
        next: &BTreeMap<String, Work>,
        lost: &Work,
    ) {
        self.previous = Work::default();
        next.values().for_each(|work| self.previous.add(work));
        for taken in revoked.values() {
            self.previous.remove(taken);
            self.previously_revoked.add(taken);
        }
        self.previous.add(lost);
        self.previous_generation = round.generation;
        self.previous_members = round.held.keys().cloned().collect();
    }
}

/// Deals `lost` out to `candidates` in turn; returns it if there are none.
fn deal(lost: Work, candidates: &[String], next: &mut BTreeMap<String, Work>) -> Work {
    if candidates.is_empty() {
        return lost;
    }
    for (connector, member) in lost.connectors.into_iter().zip(candidates.iter().cycle()) {
        next.entry(member.clone()).or_default().connectors.insert(connector);
    }
    for (task, member) in lost.tasks.into_iter().zip(candidates.iter().cycle()) {
        next.entry(member.clone()).or_default().tasks.insert(task);
    }
    Work::default()
}

/// What more than one member claims.
fn duplicates(held: &BTreeMap<String, Work>) -> Work {
    let (mut seen, mut twice) = (Work::default(), Work::default());
    for work in held.values() {
        twice.add(&work.also_in(&seen));
        seen.add(work);
    }
    twice
}

/// Gives each item of `given` to one of the members with the least of its kind.
fn spread(next: &mut BTreeMap<String, Work>, given: &Work) {
    for (connector, member) in given.connectors.iter().zip(turns(next, |work| work.connectors.len(), given)) {
        next.entry(member).or_default().connectors.insert(connector.clone());
    }
    for (task, member) in given.tasks.iter().zip(turns(next, |work| work.tasks.len(), given)) {
        next.entry(member).or_default().tasks.insert(task.clone());
    }
}

/// Whose turn it is, item by item: members with the least load in the order of their names until they are level with those
/// that have more, then together with them.
fn turns(next: &BTreeMap<String, Work>, load: impl Fn(&Work) -> usize, given: &Work) -> Vec<String> {
    let mut members: Vec<(usize, String)> = next.iter().map(|(member, work)| (load(work), member.clone())).collect();
    members.sort();
    let needed = given.connectors.len().max(given.tasks.len());
    let mut turns = Vec::with_capacity(needed);
    while turns.len() < needed && !members.is_empty() {
        let least = members[0].0;
        let level = members.iter().position(|(load, _)| *load > least).unwrap_or(members.len());
        for (load, member) in &mut members[..level] {
            *load += 1;
            turns.push(member.clone());
        }
    }
    turns
}

/// How long to wait before work is taken again after `attempts` rounds in a row that wanted to: 40 ms, 1.6 s, 64 s and so on,
/// at most `max_ms`, which is also the first pause when it is 1 or less.
///
/// Source: `ExponentialBackoff(maxDelay == 0 ? 0 : 1, 40, maxDelay, 0)` of Kafka's clients, rounding included.
fn backoff_ms(attempts: u32, max_ms: i32) -> i32 {
    if max_ms <= 1 {
        return max_ms;
    }
    let exponent = f64::from(attempts).min(f64::from(max_ms).ln() / 40_f64.ln());
    // The cast rounds down and saturates, as Java's does.
    (40_f64.powf(exponent) as i32).min(max_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_revocations_grow_to_the_longest() {
        let rows = [(1, 300_000, 40), (2, 300_000, 1600), (3, 300_000, 64_000), (4, 300_000, 300_000), (9, 100, 100)];
        for (attempts, max, want) in [&rows[..], &[(1, 0, 0), (5, 1, 1), (40, i32::MAX, i32::MAX)]].concat() {
            assert_eq!(backoff_ms(attempts, max), want, "{attempts} of at most {max}");
        }
    }
}
