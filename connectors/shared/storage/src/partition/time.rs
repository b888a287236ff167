use std::sync::{Mutex, PoisonError};

use couplet_api::data::SinkRecord;
use couplet_api::{Error, Result};

use super::{TimestampExtractor, unplaced};
use crate::joda::{JodaPattern, Zone};

/// What users say about time-based directories, as text.
#[derive(Debug, Clone)]
pub struct TimeSettings {
    /// `partition.duration.ms`: length of a bucket of local time, in milliseconds.
    pub duration_ms: i64,
    /// `path.format`: Joda pattern of the directories.
    pub path_format: String,
    /// `locale`: language of names.
    pub locale: String,
    /// `timezone`: where local time is taken.
    pub timezone: String,
    /// `timestamp.extractor`.
    pub extractor: String,
    /// `timestamp.field`: for the extractor `RecordField`.
    pub field: String,
    /// `directory.delim`.
    pub delim: String,
}

impl TimeSettings {
    /// The settings of `DailyPartitioner`: these with its own pattern and bucket.
    #[must_use]
    pub fn daily(self) -> Self {
        let d = &self.delim;
        TimeSettings { duration_ms: 86_400_000, path_format: format!("'year'=YYYY{d}'month'=MM{d}'day'=dd"), ..self }
    }

    /// The settings of `HourlyPartitioner`.
    #[must_use]
    pub fn hourly(self) -> Self {
        let daily = self.daily();
        let path_format = format!("{}{}'hour'=HH", daily.path_format, daily.delim);
        TimeSettings { duration_ms: 3_600_000, path_format, ..daily }
    }
}

/// Directories by time: buckets of local time, written by a pattern.
#[derive(Debug)]
pub struct TimePartitioner {
    duration_ms: i64,
    pattern: JodaPattern,
    zone: Zone,
    extractor: TimestampExtractor,
    /// The bucket written last and its text: neighbours in a topic are neighbours in time.
    last: Mutex<Option<(i64, String)>>,
}

impl TimePartitioner {
    /// Checks `settings` in the order of the JVM.
    ///
    /// # Errors
    /// `Kind::Config` in the JVM's words.
    pub fn new(settings: &TimeSettings) -> Result<Self> {
        let invalid = |key: &str, value: &str, problem: &str| {
            Error::config(format!("Invalid value {value} for configuration {key}: {problem}"))
        };
        if settings.duration_ms <= 0 {
            let value = settings.duration_ms.to_string();
            return Err(invalid("partition.duration.ms", &value, "Partition duration needs to be a positive."));
        }
        let path = settings.path_format.as_str();
        if path.trim().is_empty() || path == settings.delim {
            return Err(invalid("path.format", path, "Path format cannot be empty."));
        }
        let path = match settings.delim.trim().is_empty() {
            true => path,
            false => path.strip_suffix(&settings.delim).unwrap_or(path),
        };
        if settings.locale.trim().is_empty() {
            return Err(invalid("locale", &settings.locale, "Locale cannot be empty."));
        }
        if settings.timezone.trim().is_empty() {
            return Err(invalid("timezone", &settings.timezone, "Timezone cannot be empty."));
        }
        let zone = Zone::for_id(&settings.timezone).map_err(|p| invalid("timezone", &settings.timezone, &p))?;
        let pattern =
            JodaPattern::parse(path, &settings.locale).map_err(|problem| invalid("path.format", path, &problem))?;
        let extractor = TimestampExtractor::from_name(&settings.extractor, &settings.field)
            .ok_or_else(|| Error::config(format!("Invalid timestamp extractor: {}", settings.extractor)))?;
        Ok(TimePartitioner { duration_ms: settings.duration_ms, pattern, zone, extractor, last: Mutex::new(None) })
    }

    /// Where times come from.
    pub const fn extractor(&self) -> &TimestampExtractor {
        &self.extractor
    }

    /// Appends the directories of `record`, whose time the extractor gave as `timestamp`.
    ///
    /// # Errors
    /// `Kind::Data` (`PartitionException`) for a record without a time, or with one outside the calendar.
    pub fn encode(&self, record: &SinkRecord, timestamp: Option<i64>, out: &mut String) -> Result<()> {
        let undated = || {
            unplaced(format!(
                "Unable to determine timestamp using timestamp.extractor {:?} for record: topic {}, partition {}, \
                 offset {}",
                self.extractor, record.record.topic, record.original.partition, record.original_offset
            ))
        };
        let bucket = timestamp.and_then(|t| self.zone.bucket_start(t, self.duration_ms)).ok_or_else(undated)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, text)) = &*last
            && *known == bucket
        {
            out.push_str(text);
            return Ok(());
        }
        let start = out.len();
        self.pattern.format(bucket, &self.zone, out).ok_or_else(undated)?;
        *last = Some((bucket, out[start..].to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Datum;

    use super::*;
    use crate::partition::partitioner::tests::{record, time_settings};

    #[test]
    fn times_become_directories() {
        let rows = [
            (time_settings().daily(), "Asia/Kolkata", "year=2026/month=01/day=02"),
            (time_settings().hourly(), "UTC", "year=2026/month=01/day=01/hour=19"),
            (TimeSettings { delim: "_".to_owned(), ..time_settings() }.daily(), "UTC", "year=2026_month=01_day=01"),
            (TimeSettings { path_format: "'d'=YYYY-MM-dd/".to_owned(), ..time_settings() }, "UTC", "d=2026-01-01"),
        ];
        for (settings, timezone, want) in rows {
            let settings = TimeSettings { timezone: timezone.to_owned(), ..settings };
            let partitioner = TimePartitioner::new(&settings).expect("valid");
            for _ in 0..2 {
                let mut out = String::new();
                partitioner.encode(&record(Datum::NULL), Some(1_767_294_000_000), &mut out).expect("dated");
                assert_eq!(out, want);
            }
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        type Break = fn(&mut TimeSettings);
        let broken: [(Break, &str); 6] = [
            (|s| s.duration_ms = -1, "Invalid value -1 for configuration partition.duration.ms: Partition duration"),
            (|s| s.path_format.clear(), "Invalid value  for configuration path.format: Path format cannot be empty."),
            (|s| s.locale.clear(), "Invalid value  for configuration locale: Locale cannot be empty."),
            (|s| s.timezone.clear(), "Invalid value  for configuration timezone: Timezone cannot be empty."),
            (|s| s.path_format = "bb".to_owned(), "Invalid value bb for configuration path.format: Illegal pattern"),
            (|s| s.extractor = "com.acme.X".to_owned(), "Invalid timestamp extractor: com.acme.X"),
        ];
        for (break_it, want) in broken {
            let mut settings = time_settings();
            break_it(&mut settings);
            let error = TimePartitioner::new(&settings).expect_err(want);
            assert!(error.message().starts_with(want), "{error}");
        }
    }

    #[test]
    fn a_record_without_time_has_no_directory() {
        let partitioner = TimePartitioner::new(&time_settings()).expect("valid");
        for timestamp in [None, Some(i64::MAX)] {
            let error = partitioner.encode(&record(Datum::NULL), timestamp, &mut String::new()).expect_err("no time");
            assert!(super::super::is_unplaced(&error), "{error}");
        }
    }
}
