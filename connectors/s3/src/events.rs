//! What operators read: one function per event.

use std::time::Duration;

use couplet_api::Error;
use couplet_api::data::TopicPartition;
use couplet_storage::rotate::Reason;

/// The files of a partition are about to be completed.
pub(crate) fn closing(partition: &TopicPartition, reason: Reason, records: u64) {
    tracing::debug!(%partition, ?reason, records, "closing files");
}

/// S3 failed; the records since the last files will be read again.
pub(crate) fn starting_again(partition: &TopicPartition, from: Option<i64>, pause: Duration, error: &Error) {
    tracing::warn!(%partition, ?from, pause_ms = pause.as_millis(), %error, "S3 failed; reading again after a pause");
}

/// The task runs.
pub(crate) fn started(connector: &str, task: u32, bucket: &str) {
    tracing::info!(connector, task, bucket, "S3 sink task started");
}
