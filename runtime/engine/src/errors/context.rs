//! Where and why the processing of a record failed.

use std::fmt;
use std::sync::Arc;

use couplet_api::Error;

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

/// Coordinates of a record, for logs and dead letters; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition, once known.
    pub partition: Option<i32>,
    /// Offset, for records that were read from Kafka.
    pub offset: Option<i64>,
    /// Milliseconds since the epoch.
    pub timestamp: Option<i64>,
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |number: Option<i64>| number.map_or_else(|| "null".to_owned(), |n| n.to_string());
        let (partition, offset) = (shown(self.partition.map(i64::from)), shown(self.offset));
        write!(f, "{{topic='{}', partition={partition}, offset={offset}, ", self.topic)?;
        write!(f, "timestamp={}}}", shown(self.timestamp))
    }
}
