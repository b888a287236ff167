use std::fmt::Write as _;

use couplet_api::Result;
use couplet_api::data::SinkRecord;

use super::{FieldPartitioner, TimePartitioner};

/// How directories are made, before anything is put around them.
#[derive(Debug)]
pub enum Scheme {
    /// `partition=N`.
    Default,
    /// By the value's fields.
    Field(FieldPartitioner),
    /// By time.
    Time(TimePartitioner),
}

/// Where the directory `schema_name=NAME` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affix {
    /// Before the others.
    Prefix,
    /// Behind them.
    Suffix,
}

/// What is put around the directories of a [`Scheme`].
#[derive(Debug, Clone)]
pub struct PathRules {
    /// `directory.delim`.
    pub delim: String,
    /// Whether the name of the value's schema is a directory too.
    pub affix: Option<Affix>,
    /// The directory of records without a value, when they are written at all.
    pub tombstones: Option<String>,
}

/// Says which directory a record belongs to.
#[derive(Debug)]
pub struct Partitioner {
    scheme: Scheme,
    rules: PathRules,
}

impl Partitioner {
    /// Directories by `scheme` under `rules`.
    pub const fn new(scheme: Scheme, rules: PathRules) -> Self {
        Partitioner { scheme, rules }
    }

    /// Whether records have a time here, so that files can close by it.
    pub const fn has_timestamps(&self) -> bool {
        matches!(self.scheme, Scheme::Time(_))
    }

    /// Whether `record` goes to the directory of tombstones.
    pub fn is_tombstone(&self, record: &SinkRecord) -> bool {
        self.rules.tombstones.is_some() && record.record.value.is_null()
    }

    /// The time of `record` in milliseconds since the epoch; `None` when the scheme has no times, or the record none.
    /// A written tombstone has its Kafka timestamp.
    ///
    /// # Errors
    /// `Kind::Data` when the extractor finds no time.
    pub fn timestamp(&self, record: &SinkRecord, now_ms: i64) -> Result<Option<i64>> {
        match &self.scheme {
            Scheme::Time(_) if self.is_tombstone(record) => Ok(record.record.timestamp),
            Scheme::Time(time) => time.extractor().extract(record, now_ms),
            Scheme::Default | Scheme::Field(_) => Ok(None),
        }
    }

    /// Appends topic and directories of `record`; `timestamp` is what [`Partitioner::timestamp`] said.
    ///
    /// # Errors
    /// `Kind::Data` when the record belongs nowhere; see [`super::is_unplaced`].
    pub fn directory(&self, record: &SinkRecord, timestamp: Option<i64>, out: &mut String) -> Result<()> {
        let rules = &self.rules;
        out.push_str(&record.record.topic);
        out.push_str(&rules.delim);
        if let Some(tombstones) = rules.tombstones.as_deref().filter(|_| record.record.value.is_null()) {
            out.push_str(tombstones);
            return Ok(());
        }
        if rules.affix == Some(Affix::Prefix) {
            schema_directory(record, out);
            out.push_str(&rules.delim);
        }
        match &self.scheme {
            Scheme::Default => {
                let partition = record.record.partition.unwrap_or(record.original.partition);
                let _ = write!(out, "partition={partition}");
            }
            Scheme::Field(fields) => fields.encode(record, out)?,
            Scheme::Time(time) => time.encode(record, timestamp, out)?,
        }
        if rules.affix == Some(Affix::Suffix) {
            out.push_str(&rules.delim);
            schema_directory(record, out);
        }
        Ok(())
    }
}

fn schema_directory(record: &SinkRecord, out: &mut String) {
    let name = record.record.value.schema.as_ref().and_then(|schema| schema.name());
    out.push_str("schema_name=");
    out.push_str(name.unwrap_or("null"));
}

#[cfg(test)]
pub(super) mod tests {
    use couplet_api::data::{Datum, Record, SchemaBuilder, Struct, TimestampType, TopicPartition};

    use super::*;
    use crate::partition::TimeSettings;

    pub(in crate::partition) fn record(value: Datum) -> SinkRecord {
        let mut record = Record::new("t", Datum::NULL, value);
        (record.partition, record.offset, record.timestamp) = (Some(3), Some(7), Some(1_767_225_600_000));
        SinkRecord {
            record,
            original: TopicPartition::new("t", 3),
            original_offset: 7,
            timestamp_type: TimestampType::CreateTime,
        }
    }

    pub(in crate::partition) fn time_settings() -> TimeSettings {
        TimeSettings {
            duration_ms: 86_400_000,
            path_format: "YYYY".to_owned(),
            locale: "en".to_owned(),
            timezone: "UTC".to_owned(),
            extractor: "RecordField".to_owned(),
            field: "ts".to_owned(),
            delim: "/".to_owned(),
        }
    }

    fn directory(scheme: Scheme, affix: Option<Affix>, tombstones: Option<&str>, value: Datum) -> String {
        let rules = PathRules { delim: "/".to_owned(), affix, tombstones: tombstones.map(str::to_owned) };
        let partitioner = Partitioner::new(scheme, rules);
        let mut out = String::new();
        let record = record(value);
        let timestamp = partitioner.timestamp(&record, 0).expect("a time or none");
        partitioner.directory(&record, timestamp, &mut out).expect("a directory");
        out
    }

    #[test]
    fn affixes_and_tombstones() {
        let schema = SchemaBuilder::structure().name("Rec").build();
        let named = Datum::new(schema.clone(), Struct::empty(schema));
        let rows = [
            (None, None, named.clone(), "t/partition=3"),
            (Some(Affix::Prefix), None, named.clone(), "t/schema_name=Rec/partition=3"),
            (Some(Affix::Suffix), None, named.clone(), "t/partition=3/schema_name=Rec"),
            (Some(Affix::Suffix), None, Datum::NULL, "t/partition=3/schema_name=null"),
            (Some(Affix::Prefix), Some("gone"), Datum::NULL, "t/gone"),
            (None, Some("gone"), named, "t/partition=3"),
        ];
        for (affix, tombstones, value, want) in rows {
            assert_eq!(directory(Scheme::Default, affix, tombstones, value), want);
        }
    }

    #[test]
    fn a_written_tombstone_needs_no_field() {
        let time = TimePartitioner::new(&time_settings()).expect("valid");
        assert_eq!(directory(Scheme::Time(time), None, Some("gone"), Datum::NULL), "t/gone");
    }
}
