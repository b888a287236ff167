use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::Record;
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use crate::first_problem;
use crate::java::{DateFormat, record_text};

config_def! {
    /// Settings of TimestampRouter.
    struct TimestampRouterConfig {
        /// The new topic: ${topic} stands for the old one, ${timestamp} for the record's timestamp.
        topic_format: Str = "topic.format", High, default "${topic}-${timestamp}";
        /// Pattern of the timestamp, as Java's SimpleDateFormat reads it; the time zone is UTC.
        timestamp_format: Str = "timestamp.format", High, default "yyyyMMdd";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    TimestampRouterConfig::config_def()
}

/// Names topics after timestamps.
struct TimestampRouter {
    topic_format: String,
    /// A pattern that cannot be read is the error of each record, as in the JVM.
    timestamp_format: Result<DateFormat, String>,
}

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(TimestampRouterConfig::parse, TimestampRouterConfig::config_def, props)?;
    let timestamp_format = DateFormat::new(&config.timestamp_format);
    Ok(Arc::new(TimestampRouter { topic_format: config.topic_format, timestamp_format }))
}

impl Transform for TimestampRouter {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        let Some(timestamp) = record.timestamp else {
            return Err(Error::data(format!("Timestamp missing on record: {}", record_text(&record))));
        };
        let format = self.timestamp_format.as_ref();
        let format = format.map_err(|e| Error::data(e.as_str()).with_class("java.lang.IllegalArgumentException"))?;
        let topic = self.topic_format.replace("${topic}", &record.topic);
        record.topic = topic.replace("${timestamp}", &format.format(timestamp)).into();
        Ok(Some(record))
    }
}
