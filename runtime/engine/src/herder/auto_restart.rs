//! Restarts that nobody asked for: of failed connectors and tasks whose errors may pass (`couplet.restart.*`).
//!
//! Attempts are those of this worker since the part last ran well for a while: a part that moves to another worker begins
//! anew there, as does one that a user restarts or configures.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::Props;

use super::RestartCount;
use crate::connector_config::{RESTART_PREFIX, RestartConfig};
use crate::storage::status_store::Subject;

/// What the worker and a connector want restarted, and how often.
#[derive(Debug, Clone)]
pub(super) struct RestartPolicy {
    pub(super) enabled: bool,
    attempts_max: u32,
    pause_min: Duration,
    pause_max: Duration,
    healthy_after: Duration,
}

impl RestartPolicy {
    /// The policy of a connector: what it does not say is the worker's.
    ///
    /// # Errors
    /// `Kind::Config` for a wrong value; validation refuses those, so it comes from elsewhere.
    pub(super) fn of(worker: &Props, connector: &Props) -> Result<Self> {
        let mut both = Props::new();
        for (key, value) in worker.iter().chain(connector.iter()) {
            if let (true, Some(value)) = (key.starts_with(RESTART_PREFIX), value) {
                both.set(key, value);
            }
        }
        let RestartConfig { policy, max_attempts, backoff_ms, backoff_max_ms, reset_ms } = RestartConfig::parse(&both)?;
        let millis = |ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Ok(RestartPolicy {
            enabled: policy != "never",
            attempts_max: u32::try_from(max_attempts).unwrap_or(0),
            pause_min: millis(backoff_ms),
            pause_max: millis(backoff_max_ms),
            healthy_after: millis(reset_ms),
        })
    }

    /// The pause before an attempt, counted from 1: doubled each time, then between half of it and all of it, so that
    /// parts which failed together do not come back together. `part` decides where between.
    fn pause(&self, attempt: u32, part: u64) -> Duration {
        let doubled = self.pause_min.saturating_mul(1u32 << (attempt - 1).min(30)).min(self.pause_max);
        doubled / 2 + doubled.mul_f64((part % 1000) as f64 / 2000.0)
    }
}

/// Something to be woken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// Whom it concerns.
    pub(super) subject: Subject,
    /// When it rings, from now.
    pub(super) after: Duration,
    /// Stale when the part's state has changed meanwhile.
    run: u64,
    purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Purpose {
    Restart,
    Healthy,
}

/// What an alarm means when it rings.
#[derive(Debug, PartialEq)]
pub(super) enum Ring {
    /// Nothing any more.
    Stale,
    /// The part has run well: its attempts are forgotten.
    Healthy,
    /// Restart it.
    Restart,
}

#[derive(Debug, Default)]
struct Part {
    attempts: u32,
    total: u64,
    /// Number of its present state.
    run: u64,
}

impl Part {
    fn begin_anew(&mut self, run: u64) {
        self.attempts = 0;
        self.run = run;
    }
}

/// The restarts of all connectors and tasks on this worker.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    parts: BTreeMap<String, BTreeMap<Option<u32>, Part>>,
    /// Counts changes of state of all parts, so that no number is used twice: an alarm may outlive its connector, and
    /// another of the same name come.
    runs: u64,
}

impl Restarts {
    /// A part has failed. The sentence says what follows; with an alarm, a restart does.
    pub(super) fn failed(
        &mut self,
        subject: &Subject,
        retriable: bool,
        policy: &RestartPolicy,
    ) -> (Option<String>, Option<Alarm>) {
        if !policy.enabled {
            self.reset(subject);
            return (None, None);
        }
        let run = self.next_run();
        let part = self.part(subject);
        part.run = run;
        let (attempt, max) = (part.attempts + 1, policy.attempts_max);
        if !retriable {
            return (Some("Not restarted automatically: the error does not pass by waiting".to_owned()), None);
        }
        if attempt > max {
            return (Some(format!("Not restarted automatically any more: attempt {max} of {max} has failed")), None);
        }
        let mut hasher = DefaultHasher::new();
        (subject, attempt).hash(&mut hasher);
        let after = policy.pause(attempt, hasher.finish());
        let sentence = format!("Restarted automatically in {} ms: attempt {attempt} of {max}", after.as_millis());
        (Some(sentence), Some(Alarm { subject: subject.clone(), after, run, purpose: Purpose::Restart }))
    }

    /// A part has another state, and has not failed. `policy` is asked for only where restarts were attempted.
    pub(super) fn changed(
        &mut self,
        subject: &Subject,
        runs: bool,
        policy: impl FnOnce() -> Option<RestartPolicy>,
    ) -> Option<Alarm> {
        let run = self.next_run();
        let part = self.known(subject)?;
        part.run = run;
        let counts = runs && part.attempts > 0;
        let after = counts.then(policy)??.healthy_after;
        Some(Alarm { subject: subject.clone(), after, run, purpose: Purpose::Healthy })
    }

    /// An alarm rings.
    pub(super) fn rang(&mut self, alarm: &Alarm) -> Ring {
        let Some(part) = self.known(&alarm.subject).filter(|part| part.run == alarm.run) else { return Ring::Stale };
        match alarm.purpose {
            Purpose::Restart => Ring::Restart,
            Purpose::Healthy => {
                part.attempts = 0;
                Ring::Healthy
            }
        }
    }

    /// An attempt begins.
    pub(super) fn begun(&mut self, subject: &Subject) {
        let part = self.part(subject);
        part.attempts += 1;
        part.total += 1;
    }

    /// The part begins anew: a user restarts it, or it is somebody else's.
    pub(super) fn reset(&mut self, subject: &Subject) {
        let run = self.next_run();
        if let Some(part) = self.known(subject) {
            part.begin_anew(run);
        }
    }

    /// All parts of a connector begin anew.
    pub(super) fn reset_all(&mut self, connector: &str) {
        let run = self.next_run();
        let parts = self.parts.get_mut(connector).into_iter().flat_map(BTreeMap::values_mut);
        parts.for_each(|part| part.begin_anew(run));
    }

    /// The connector is gone.
    pub(super) fn forget(&mut self, connector: &str) {
        self.parts.remove(connector);
    }

    /// The restarts of a connector's parts that had any, the connector's own first.
    pub(super) fn counts(&self, connector: &str) -> Vec<RestartCount> {
        let parts = self.parts.get(connector).into_iter().flatten().filter(|(_, part)| part.total > 0);
        parts.map(|(task, part)| RestartCount { task: *task, attempts: part.attempts, total: part.total }).collect()
    }

    fn next_run(&mut self) -> u64 {
        self.runs += 1;
        self.runs
    }

    fn known(&mut self, subject: &Subject) -> Option<&mut Part> {
        self.parts.get_mut(subject.connector())?.get_mut(&task_of(subject))
    }

    fn part(&mut self, subject: &Subject) -> &mut Part {
        self.parts.entry(subject.connector().to_owned()).or_default().entry(task_of(subject)).or_default()
    }
}

fn task_of(subject: &Subject) -> Option<u32> {
    match subject {
        Subject::Connector(_) => None,
        Subject::Task(id) => Some(id.task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::TaskId;

    fn policy(more: &[(&str, &str)]) -> RestartPolicy {
        let worker = Props::from_iter([("couplet.restart.policy", "on-retriable-failure"), ("group.id", "g")]);
        RestartPolicy::of(&worker, &more.iter().copied().collect()).expect("a policy")
    }

    fn task() -> Subject {
        Subject::Task(TaskId { connector: "c".into(), task: 1 })
    }

    #[test]
    fn a_connector_overrides_its_worker() {
        let worker = Props::from_iter([("couplet.restart.policy", "on-retriable-failure")]);
        type Row<'a> = (&'a Props, &'a [(&'a str, &'a str)], bool, u32);
        let rows: [Row<'_>; 4] = [
            (&Props::new(), &[], false, 5),
            (&worker, &[], true, 5),
            (&worker, &[("couplet.restart.policy", "never")], false, 5),
            (
                &Props::new(),
                &[("couplet.restart.policy", "on-retriable-failure"), ("couplet.restart.max.attempts", "2")],
                true,
                2,
            ),
        ];
        for (worker, connector, enabled, max) in rows {
            let got = RestartPolicy::of(worker, &connector.iter().copied().collect()).expect("a policy");
            assert_eq!((got.enabled, got.attempts_max), (enabled, max), "{connector:?}");
        }
        let wrong = Props::from_iter([("couplet.restart.max.attempts", "0")]);
        let error = RestartPolicy::of(&worker, &wrong).expect_err("refused");
        assert!(error.message().contains("couplet.restart.max.attempts"), "{error}");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let policy = policy(&[("couplet.restart.backoff.ms", "100"), ("couplet.restart.backoff.max.ms", "350")]);
        for (attempt, whole) in [(1, 100), (2, 200), (3, 350), (4, 350), (4_000_000_000, 350)] {
            assert_eq!(policy.pause(attempt, 0).as_millis(), whole / 2, "attempt {attempt}");
            let longest = policy.pause(attempt, 999).as_millis();
            assert!(longest > whole / 2 && longest <= whole, "attempt {attempt}: {longest}");
        }
    }

    /// What happens to one task, turn by turn, with the alarm of the turn before.
    enum Turn {
        Fails { retriable: bool },
        Rings(Ring),
        Runs,
        Rests,
        IsRestartedByUser,
    }

    fn play(policy: &RestartPolicy, turns: Vec<Turn>) -> (Vec<String>, Vec<RestartCount>) {
        let (mut restarts, mut alarm, mut said) = (Restarts::default(), None, Vec::new());
        for turn in turns {
            match turn {
                Turn::Fails { retriable } => {
                    let (sentence, next) = restarts.failed(&task(), retriable, policy);
                    said.extend(sentence.map(|s| s.split(": ").last().unwrap_or_default().to_owned()));
                    alarm = next;
                }
                Turn::Rings(want) => {
                    let alarm = alarm.as_ref().expect("an alarm is set");
                    assert_eq!(restarts.rang(alarm), want);
                    if want == Ring::Restart {
                        restarts.begun(&task());
                        restarts.changed(&task(), false, || None);
                    }
                }
                Turn::Runs => alarm = restarts.changed(&task(), true, || Some(policy.clone())).or(alarm),
                Turn::Rests => {
                    restarts.changed(&task(), false, || Some(policy.clone()));
                }
                Turn::IsRestartedByUser => restarts.reset(&task()),
            }
        }
        (said, restarts.counts("c"))
    }

    #[test]
    fn attempts_end_and_begin_anew() {
        use Turn::{Fails, IsRestartedByUser, Rests, Rings, Runs};
        let fails = || Fails { retriable: true };
        let twice = policy(&[("couplet.restart.max.attempts", "2")]);
        type Row<'a> = (&'a str, Vec<Turn>, &'a [&'a str], Option<(u32, u64)>);
        let rows: Vec<Row<'_>> = vec![
            (
                "what does not pass is left alone",
                vec![Fails { retriable: false }],
                &["the error does not pass by waiting"],
                None,
            ),
            (
                "attempts are counted until there are enough",
                vec![fails(), Rings(Ring::Restart), Runs, fails(), Rings(Ring::Restart), fails()],
                &["attempt 1 of 2", "attempt 2 of 2", "attempt 2 of 2 has failed"],
                Some((2, 2)),
            ),
            (
                "a healthy while makes the next failure the first",
                vec![fails(), Rings(Ring::Restart), Runs, Rings(Ring::Healthy), fails()],
                &["attempt 1 of 2", "attempt 1 of 2"],
                Some((0, 1)),
            ),
            (
                "running and failing soon is not healthy",
                vec![fails(), Rings(Ring::Restart), Runs, Rests, Rings(Ring::Stale), fails()],
                &["attempt 1 of 2", "attempt 2 of 2"],
                Some((1, 1)),
            ),
            (
                "a user was faster",
                vec![fails(), IsRestartedByUser, Rings(Ring::Stale), fails()],
                &["attempt 1 of 2", "attempt 1 of 2"],
                None,
            ),
        ];
        for (name, turns, want, counts) in rows {
            let (said, counted) = play(&twice, turns);
            assert_eq!(said, want, "{name}");
            let counted: Vec<(u32, u64)> = counted.iter().map(|count| (count.attempts, count.total)).collect();
            assert_eq!(counted, Vec::from_iter(counts), "{name}");
        }
    }

    #[test]
    fn an_alarm_means_nothing_to_a_later_part_of_the_same_name() {
        let (mut restarts, policy) = (Restarts::default(), policy(&[]));
        let (_, alarm) = restarts.failed(&task(), true, &policy);
        let alarm = alarm.expect("a restart is due");
        restarts.forget(task().connector());
        assert_eq!(restarts.rang(&alarm), Ring::Stale, "the connector is gone");
        assert_eq!(restarts.failed(&task(), false, &policy).1, None);
        assert_eq!(restarts.rang(&alarm), Ring::Stale, "another connector of the name has failed for good");
    }

    #[test]
    fn nothing_is_said_when_it_is_off() {
        let off = RestartPolicy::of(&Props::new(), &Props::new()).expect("a policy");
        assert_eq!(Restarts::default().failed(&task(), true, &off), (None, None));
    }
}
