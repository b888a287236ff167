//! Where and why the processing of a record failed.

use std::fmt;

use couplet_api::Error;
use couplet_api::data::{Record, TimestampType, TopicPartition};
use couplet_plugins::record_text;

/// A step in the way of a record, under the name that logs and dead letters show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A sink task's `put`.
    TaskPut,
    /// A transform or its predicate.
    Transformation,
    /// The key's converter.
    KeyConverter,
    /// The value's converter.
    ValueConverter,
    /// A header's converter.
    HeaderConverter,
    /// Writing to Kafka.
    KafkaProduce,
}

impl Stage {
    /// The JVM's name.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::TaskPut => "TASK_PUT",
            Stage::Transformation => "TRANSFORMATION",
            Stage::KeyConverter => "KEY_CONVERTER",
            Stage::ValueConverter => "VALUE_CONVERTER",
            Stage::HeaderConverter => "HEADER_CONVERTER",
            Stage::KafkaProduce => "KAFKA_PRODUCE",
        }
    }
}

/// A failure with the stage and the class that failed.
#[derive(Debug)]
pub struct StageError {
    /// Stage.
    pub stage: Stage,
    /// Java class name of the plugin.
    pub class: &'static str,
    /// What happened.
    pub error: Error,
}

/// A record that failed, as logs show it (`LogReporter`).
#[derive(Debug, Clone)]
pub enum RecordPlace {
    /// Read from Kafka: its coordinates, no content.
    Consumed {
        /// Where.
        at: TopicPartition,
        /// Its offset.
        offset: i64,
        /// Milliseconds since the epoch, and who set it.
        timestamp: Option<(i64, TimestampType)>,
    },
    /// On its way to Kafka: all of it, for there is no other way to find it again.
    Outgoing(Box<Record>),
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordPlace::Consumed { at, offset, timestamp } => {
                write!(f, "where consumed record is {{topic='{}', partition={}, ", at.topic, at.partition)?;
                write!(f, "offset={offset}")?;
                if let Some((timestamp, set_by)) = timestamp {
                    let set_by = match set_by {
                        TimestampType::LogAppendTime => "LogAppendTime",
                        TimestampType::CreateTime | TimestampType::None => "CreateTime",
                    };
                    write!(f, ", timestamp={timestamp}, timestampType={set_by}")?;
                }
                f.write_str("}")
            }
            RecordPlace::Outgoing(record) => write!(f, "where source record is = {}", record_text(record)),
        }
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema};

    use super::*;

    #[test]
    fn records_are_shown_as_the_jvm_shows_them() {
        let consumed = |timestamp| RecordPlace::Consumed { at: TopicPartition::new("t", 2), offset: 7, timestamp };
        let record = Record::new("t", Datum::NULL, Datum::new(Schema::string(), "v"));
        let rows = [
            (
                consumed(Some((5, TimestampType::LogAppendTime))),
                "where consumed record is {topic='t', partition=2, offset=7, timestamp=5, timestampType=LogAppendTime}",
            ),
            (consumed(None), "where consumed record is {topic='t', partition=2, offset=7}"),
            (
                RecordPlace::Outgoing(Box::new(record)),
                "where source record is = SourceRecord{} ConnectRecord{topic='t', kafkaPartition=null, key=null, \
                 keySchema=null, value=v, valueSchema=Schema{STRING}, timestamp=null, headers=ConnectHeaders(headers=)}",
            ),
        ];
        for (place, want) in rows {
            assert_eq!(place.to_string(), want);
        }
    }
}
