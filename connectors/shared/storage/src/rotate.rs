//! When the files of a topic partition close. Pure: facts go in, decisions come out.
//!
//! All open files of a partition close together, so that one offset says what is stored.

use std::collections::HashMap;

use couplet_api::Result;
use couplet_api::data::SchemaRef;

use crate::compatibility::Compatibility;
use crate::joda::Zone;

/// `rotate.schedule.interval.ms`: files close at fixed times of the day.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Milliseconds between two closings, counted from midnight.
    pub interval_ms: i64,
    /// Whose midnight.
    pub zone: Zone,
}

/// The settings that decide.
#[derive(Debug, Clone)]
pub struct RotationRules {
    /// `flush.size`: records of all files of the partition together.
    pub flush_size: i64,
    /// `rotate.interval.ms`: time of records that one file spans, where records have a time.
    pub interval_ms: Option<i64>,
    /// `rotate.schedule.interval.ms`.
    pub schedule: Option<Schedule>,
    /// `rotate.file.on.partition.change`: with an interval, another directory closes the files.
    pub on_directory_change: bool,
    /// `partitioner.max.open.files`.
    pub open_files_max: Option<usize>,
    /// `schema.compatibility`.
    pub compatibility: Compatibility,
}

/// A record about to be written.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Its directory.
    pub directory: &'a str,
    /// Its time in milliseconds since the epoch, where records have one.
    pub timestamp: Option<i64>,
    /// The schema of its value.
    pub schema: Option<&'a SchemaRef>,
    /// Whether it goes to the directory of tombstones.
    pub tombstone: bool,
    /// Whether its directory has no open file yet.
    pub opens_file: bool,
    /// How many files are open.
    pub open_files: usize,
}

/// Why files close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// `flush.size` records.
    Size,
    /// The span of `rotate.interval.ms`, another directory under it, or the schedule.
    Time,
    /// The value's schema changed.
    Schema,
    /// A value with a schema next to one without.
    NullSchema,
    /// `partitioner.max.open.files`.
    OpenFiles,
}

/// What to do with an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Close all files, say so by [`Rotation::closed`], and ask again.
    Close(Reason),
    /// Write it.
    Append,
}

/// What has happened since the files of a partition last closed.
#[derive(Debug, Clone)]
pub struct Rotation {
    records: u64,
    first_timestamp: Option<i64>,
    last_timestamp: Option<i64>,
    last_directory: Option<String>,
    last_was_tombstone: bool,
    next_scheduled_ms: Option<i64>,
    schemas: HashMap<String, Option<SchemaRef>>,
}

impl Rotation {
    /// Nothing is open. `now_ms`: milliseconds since the epoch.
    pub fn new(rules: &RotationRules, now_ms: i64) -> Self {
        let mut rotation = Rotation {
            records: 0,
            first_timestamp: None,
            last_timestamp: None,
            last_directory: None,
            last_was_tombstone: false,
            next_scheduled_ms: None,
            schemas: HashMap::new(),
        };
        rotation.schedule_next(rules, now_ms);
        rotation
    }

    /// Records in open files.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The schema that the open file of `directory` has, or will have.
    pub fn schema_of(&self, directory: &str) -> Option<&SchemaRef> {
        self.schemas.get(directory)?.as_ref()
    }

    /// Takes note of `arrival` and says what to do. Ask once per try: noting is part of it.
    ///
    /// # Errors
    /// `Kind::Data` when schemas cannot be compared.
    pub fn decide(&mut self, rules: &RotationRules, arrival: &Arrival<'_>, now_ms: i64) -> Result<Decision> {
        self.last_timestamp = arrival.timestamp;
        self.first_timestamp = self.first_timestamp.or(arrival.timestamp);
        if self.notes_null_schema(arrival) {
            return Ok(Decision::Close(Reason::NullSchema));
        }
        let moved = !self.is_tombstone_move(arrival) && self.last_directory.as_deref() != Some(arrival.directory);
        if self.is_due(rules, moved, now_ms) {
            self.schedule_next(rules, now_ms);
            return Ok(Decision::Close(Reason::Time));
        }
        let current = self.schema_of(arrival.directory);
        if rules.compatibility.closes_file(arrival.schema, current)? && self.records > 0 {
            return Ok(Decision::Close(Reason::Schema));
        }
        match rules.open_files_max {
            Some(max) if arrival.opens_file && arrival.open_files > 0 && arrival.open_files >= max => {
                Ok(Decision::Close(Reason::OpenFiles))
            }
            _ => Ok(Decision::Append),
        }
    }

    /// A value without a schema meets files with one, or the other way round.
    fn notes_null_schema(&mut self, arrival: &Arrival<'_>) -> bool {
        match self.schemas.get(arrival.directory).map(Option::is_some) {
            Some(has_schema) if has_schema == arrival.schema.is_some() => false,
            known => {
                self.schemas.insert(arrival.directory.to_owned(), arrival.schema.cloned());
                known.is_some()
            }
        }
    }

    /// To or from the directory of tombstones: no reason to close files.
    fn is_tombstone_move(&self, arrival: &Arrival<'_>) -> bool {
        self.last_directory.is_some() && (arrival.tombstone || self.last_was_tombstone)
    }

    fn is_due(&self, rules: &RotationRules, moved: bool, now_ms: i64) -> bool {
        if self.records == 0 {
            return false;
        }
        let by_records = rules.interval_ms.is_some_and(|interval| {
            let span = self.first_timestamp.zip(self.last_timestamp).map(|(first, last)| last.saturating_sub(first));
            span.is_some_and(|span| span >= interval) || (rules.on_directory_change && moved)
        });
        by_records || self.is_scheduled(now_ms)
    }

    fn is_scheduled(&self, now_ms: i64) -> bool {
        self.next_scheduled_ms.is_some_and(|next| now_ms >= next)
    }

    fn schedule_next(&mut self, rules: &RotationRules, now_ms: i64) {
        self.next_scheduled_ms = rules.schedule.as_ref().map(|s| s.zone.next_period_of_day(now_ms, s.interval_ms));
    }

    /// The arrival in `directory` was written. Whether the files close now.
    pub fn appended(&mut self, rules: &RotationRules, arrival: &Arrival<'_>) -> Option<Reason> {
        self.records += 1;
        self.last_was_tombstone = arrival.tombstone;
        if self.last_directory.as_deref() != Some(arrival.directory) {
            self.last_directory = Some(arrival.directory.to_owned());
        }
        let full = i64::try_from(self.records).unwrap_or(i64::MAX) >= rules.flush_size;
        full.then_some(Reason::Size)
    }

    /// All files are closed; the next record starts new ones.
    pub fn closed(&mut self) {
        self.records = 0;
        self.first_timestamp = None;
        self.schemas.clear();
    }

    /// Before a batch: a scheduled time that passed while nothing was open is skipped.
    pub fn skip_idle_schedule(&mut self, rules: &RotationRules, now_ms: i64) {
        if self.records == 0 && self.is_scheduled(now_ms) {
            self.schedule_next(rules, now_ms);
        }
    }

    /// After a batch: whether the files close though no record arrives.
    pub fn closes_idle(&mut self, rules: &RotationRules, now_ms: i64) -> bool {
        let due = self.is_due(rules, false, now_ms);
        if due {
            self.schedule_next(rules, now_ms);
        }
        due
    }

    /// When open files close by schedule, in milliseconds since the epoch.
    pub fn wakes_at_ms(&self) -> Option<i64> {
        self.next_scheduled_ms.filter(|_| self.records > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use couplet_api::data::Schema;

    use super::*;

    const NOON: i64 = 1_767_268_800_000;

    fn rules() -> RotationRules {
        RotationRules {
            flush_size: 100,
            interval_ms: None,
            schedule: None,
            on_directory_change: true,
            open_files_max: None,
            compatibility: Compatibility::None,
        }
    }

    fn arrival<'a>(directory: &'a str, timestamp: i64, schema: Option<&'a SchemaRef>) -> Arrival<'a> {
        let timestamp = Some(timestamp);
        Arrival { directory, timestamp, schema, tombstone: false, opens_file: false, open_files: 0 }
    }

    /// Writes `arrivals`; the reasons for which files closed, with the number of the record that did it.
    fn reasons(rules: &RotationRules, arrivals: &[Arrival<'_>]) -> Vec<(usize, Reason)> {
        let mut rotation = Rotation::new(rules, NOON);
        let mut reasons = Vec::new();
        let mut open = BTreeSet::new();
        for (at, arrival) in arrivals.iter().enumerate() {
            loop {
                let opens_file = !open.contains(arrival.directory);
                let arrival = Arrival { opens_file, open_files: open.len(), ..*arrival };
                let reason = match rotation.decide(rules, &arrival, NOON).expect("comparable") {
                    Decision::Close(reason) => Some(reason),
                    Decision::Append => {
                        open.insert(arrival.directory);
                        rotation.appended(rules, &arrival)
                    }
                };
                let Some(reason) = reason else { break };
                reasons.push((at, reason));
                open.clear();
                rotation.closed();
                if reason == Reason::Size {
                    break;
                }
            }
        }
        reasons
    }

    #[test]
    fn each_reason_closes_files() {
        let (string, bytes) = (Schema::string(), Schema::bytes());
        let (s, b) = (Some(&string), Some(&bytes));
        let interval = RotationRules { interval_ms: Some(60), ..rules() };
        let calm = RotationRules { on_directory_change: false, ..interval.clone() };
        let forward = RotationRules { compatibility: Compatibility::Forward, ..rules() };
        let one_file = RotationRules { open_files_max: Some(1), ..rules() };
        type Row<'a> = (&'a str, &'a RotationRules, Vec<Arrival<'a>>, Vec<(usize, Reason)>);
        let rows: [Row<'_>; 9] = [
            (
                "size counts all directories",
                &RotationRules { flush_size: 2, ..rules() },
                vec![arrival("a", 0, s), arrival("b", 0, s), arrival("a", 0, s)],
                vec![(1, Reason::Size)],
            ),
            (
                "a span of time",
                &interval,
                vec![arrival("a", 0, s), arrival("a", 59, s), arrival("a", 60, s)],
                vec![(2, Reason::Time)],
            ),
            (
                "time runs from the first record after closing",
                &interval,
                vec![arrival("a", 0, s), arrival("a", 60, s), arrival("a", 119, s)],
                vec![(1, Reason::Time)],
            ),
            (
                "another directory under an interval",
                &interval,
                vec![arrival("a", 0, s), arrival("b", 0, s)],
                vec![(1, Reason::Time)],
            ),
            ("unless told not to", &calm, vec![arrival("a", 0, s), arrival("b", 0, s)], vec![]),
            ("another schema", &rules(), vec![arrival("a", 0, s), arrival("a", 0, b)], vec![(1, Reason::Schema)]),
            (
                "no schema",
                &forward,
                vec![arrival("a", 0, s), arrival("a", 0, None), arrival("a", 0, s)],
                vec![(1, Reason::NullSchema), (2, Reason::NullSchema)],
            ),
            (
                "too many files",
                &one_file,
                vec![arrival("a", 0, s), arrival("b", 0, s), arrival("b", 0, s)],
                vec![(1, Reason::OpenFiles)],
            ),
            (
                "schemas are per directory",
                &rules(),
                vec![arrival("a", 0, s), arrival("b", 0, b), arrival("a", 0, s)],
                vec![],
            ),
        ];
        for (claim, rules, arrivals, want) in rows {
            assert_eq!(reasons(rules, &arrivals), want, "{claim}");
        }
    }

    #[test]
    fn tombstones_between_values_close_nothing() {
        let string = Schema::string();
        let interval = RotationRules { interval_ms: Some(60), ..rules() };
        let tombstone = Arrival { tombstone: true, ..arrival("gone", 0, None) };
        let arrivals = [arrival("a", 0, Some(&string)), tombstone, arrival("a", 0, Some(&string))];
        assert_eq!(reasons(&interval, &arrivals), []);
    }

    #[test]
    fn schedules_fire_without_records_but_not_without_files() {
        let schedule = Schedule { interval_ms: 1_000, zone: Zone::utc() };
        let rules = RotationRules { schedule: Some(schedule), ..rules() };
        let mut rotation = Rotation::new(&rules, NOON);
        rotation.skip_idle_schedule(&rules, NOON + 5_500);
        assert!(!rotation.closes_idle(&rules, NOON + 5_500), "nothing is open");
        assert_eq!(rotation.wakes_at_ms(), None);
        rotation.appended(&rules, &arrival("a", 0, None));
        assert_eq!(rotation.wakes_at_ms(), Some(NOON + 6_000));
        assert!(!rotation.closes_idle(&rules, NOON + 5_999));
        assert!(rotation.closes_idle(&rules, NOON + 6_000));
        rotation.closed();
        rotation.appended(&rules, &arrival("a", 0, None));
        assert_eq!(
            rotation.decide(&rules, &arrival("a", 0, None), NOON + 7_000).ok(),
            Some(Decision::Close(Reason::Time))
        );
    }
}
