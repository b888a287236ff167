use couplet_api::data::{Datum, Record};

use super::to_string;

/// `SinkRecord.toString()`. A record does not know where a source read it, so that part of a source record stays empty.
pub fn record_text(record: &Record) -> String {
    let partition = record.partition.map_or_else(|| "null".to_owned(), |p| p.to_string());
    let timestamp = record.timestamp.map_or_else(|| "null".to_owned(), |t| t.to_string());
    let own = match record.offset {
        Some(offset) => {
            let timestamp_type = if record.timestamp.is_some() { "CreateTime" } else { "NoTimestampType" };
            format!(
                "SinkRecord{{kafkaOffset={offset}, timestampType={timestamp_type}, originalTopic={}, \
                 originalKafkaPartition={partition}, originalKafkaOffset={offset}}}",
                record.topic
            )
        }
        None => "SourceRecord{}".to_owned(),
    };
    let headers = record.headers.iter().map(|h| {
        format!("ConnectHeader(key={}, value={}, schema={})", h.key, to_string(&h.value.value), schema(&h.value))
    });
    let headers = headers.collect::<Vec<_>>().join(", ");
    let headers = if headers.is_empty() { headers } else { format!("[{headers}]") };
    format!(
        "{own} ConnectRecord{{topic='{}', kafkaPartition={partition}, key={}, keySchema={}, value={}, valueSchema={}, \
         timestamp={timestamp}, headers=ConnectHeaders(headers={headers})}}",
        record.topic,
        to_string(&record.key.value),
        schema(&record.key),
        to_string(&record.value.value),
        schema(&record.value),
    )
}

fn schema(datum: &Datum) -> String {
    datum.schema.as_ref().map_or_else(|| "null".to_owned(), |s| s.to_string())
}
