use couplet_api::{Error, Result, config_def};

use crate::transforms::debezium::checks::{pattern, refused};

config_def! {
    /// Settings of EventRouter.
    pub(super) struct EventRouterConfig {
        /// Column of the event's id, which becomes the header id.
        id: Str = "table.field.event.id", Low, default "id"
            => { group: "Table", order: 1, width: Medium, display: "Event ID Field" };
        /// Column that becomes the message's key.
        key: Str = "table.field.event.key", Low, default "aggregateid"
            => { group: "Table", order: 2, width: Medium, display: "Event Key Field" };
        /// Column of the event's type; it is only used where additional fields name it.
        event_type: Str = "table.field.event.type", Low, default "type"
            => { group: "Table", order: 3, width: Medium, display: "Event Type Field" };
        /// Column that becomes the message's value.
        payload: Str = "table.field.event.payload", Low, default "payload"
            => { group: "Table", order: 4, width: Medium, display: "Event Payload Field" };
        /// Column of the message's timestamp; without one it is the time at which the change was processed.
        timestamp: Str = "table.field.event.timestamp", Medium, optional
            => { group: "Table", order: 5, width: Medium, display: "Event Timestamp Field" };
        /// Columns to add: column:placement or column:placement:name, where the placement is header, envelope or
        /// partition.
        additional: List = "table.fields.additional.placement", High, optional
            => { group: "Table", order: 6, width: Medium, display: "Settings for each additional column in the outbox table" };
        /// Whether an additional column that the table does not have is an error.
        additional_error_on_missing: Bool = "table.fields.additional.error.on.missing", Medium, default "true"
            => { group: "Table", order: 7, width: Medium, display: "Should the transform error if an additional field is missing in the change data" };
        /// Column of the version that the value's schema gets.
        schema_version: Str = "table.field.event.schema.version", Low, optional
            => { group: "Table", order: 8, width: Medium, display: "Event Schema Version Field" };
        /// What happens to updates of the outbox table: warn and error log them and drop them, fatal fails.
        invalid_operation: Str = "table.op.invalid.behavior", Medium, default "warn"
            => { group: "Table", order: 9, width: Medium, display: "Behavior when capturing an unexpected outbox event" };
        /// Whether JSON text in the payload becomes structs and arrays; text that is none stays as it is.
        expand_json: Bool = "table.expand.json.payload", Medium, default "false"
            => { group: "Table", order: 10, width: Medium, display: "Expand Payload escaped string as real JSON" };
        /// What becomes of nulls in such JSON: ignore leaves them out, optional_bytes keeps them.
        json_nulls: Str = "table.json.payload.null.behavior", Medium, default "ignore"
            => { group: "Table", order: 11, width: Medium, display: "Behavior when json payload including null value" };
        /// Column whose value is routed by.
        route_by: Str = "route.by.field", High, default "aggregatetype"
            => { group: "Router", order: 1, width: Medium, display: "Field to route events by" };
        /// Java regular expression that the value must match as a whole to become a topic by the replacement.
        topic_regex: Str = "route.topic.regex", Low, default "(?<routedByValue>.*)", pattern()
            => { group: "Router", order: 2, width: Medium, display: "The name of the routed topic" };
        /// The topic; ${routedByValue} stands for the value.
        topic_replacement: Str = "route.topic.replacement", High, default "outbox.event.${routedByValue}"
            => { group: "Router", order: 3, width: Medium, display: "The name of the routed topic" };
        /// Whether an empty payload makes a tombstone.
        tombstone_on_empty: Bool = "route.tombstone.on.empty.payload", High, default "false"
            => { group: "Router", order: 4, width: Medium, display: "Empty payloads cause a tombstone message" };
        /// Field that carries the context of a trace. There is no tracing agent here that would read it.
        span_field: Str = "tracing.span.context.field", High, default "tracingspancontext"
            => { group: "Tracing", order: 1, width: Medium, display: "Serialized tracing span context field" };
        /// Name of the operation in traces.
        span_operation: Str = "tracing.operation.name", High, default "debezium-read"
            => { group: "Tracing", order: 2, width: Medium, display: "Tracing operation name" };
        /// Whether only events with such a context are traced.
        span_required: Bool = "tracing.with.context.field.only", High, default "false"
            => { group: "Tracing", order: 3, width: Medium, display: "Trace only events with context field present" };
        /// How names of fields of expanded JSON are made fit for Avro: none, avro or avro_unicode.
        field_names: Str = "field.name.adjustment.mode", Low, default "none" => { internal: true };
    }
}

/// What happens to updates of the outbox table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InvalidOperation {
    Warn,
    Error,
    Fatal,
}

impl InvalidOperation {
    /// Reads the setting.
    ///
    /// # Errors
    /// When there is no such behaviour.
    pub(super) fn new(name: &str) -> Result<Self> {
        match name.trim().to_lowercase().as_str() {
            "warn" => Ok(InvalidOperation::Warn),
            "error" => Ok(InvalidOperation::Error),
            "fatal" => Ok(InvalidOperation::Fatal),
            _ => {
                let problem = "Value must be one of warn, error, fatal";
                Err(refused("table.op.invalid.behavior", Some(name), problem))
            }
        }
    }
}

/// Whether nulls in expanded JSON are kept.
///
/// # Errors
/// When there is no such behaviour.
pub(super) fn keeps_nulls(name: &str) -> Result<bool> {
    match name.trim().to_lowercase().as_str() {
        "ignore" => Ok(false),
        "optional_bytes" => Ok(true),
        _ => {
            let problem = "Value must be one of ignore, optional_bytes";
            Err(refused("table.json.payload.null.behavior", Some(name), problem))
        }
    }
}

/// Where an additional column goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    Header,
    Envelope,
    Partition,
}

/// One additional column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AdditionalField {
    pub column: String,
    pub placement: Placement,
    /// Its name there.
    pub name: String,
}

const ADDITIONAL: &str = "table.fields.additional.placement";

/// Reads the additional columns.
///
/// # Errors
/// When one is not a pair or trio, or its placement is unknown. The original accepts the latter, and then fails with
/// every record.
pub(super) fn additional_fields(items: &[String]) -> Result<Vec<AdditionalField>> {
    if items.is_empty() {
        return additional_field("", items).map(|field| vec![field]);
    }
    items.iter().map(|item| additional_field(item, items)).collect()
}

fn additional_field(item: &str, all: &[String]) -> Result<AdditionalField> {
    let parts: Vec<&str> = item.trim_end_matches(':').split(':').map(str::trim).collect();
    let (column, placement, name) = match parts[..] {
        [column, placement] => (column, placement, column),
        [column, placement, name] => (column, placement, name),
        _ => {
            let got = all.join(", ");
            let problem = format!("A comma-separated list of valid String pairs or trios is expected but got: [{got}]");
            return Err(refused(ADDITIONAL, Some(&all.join(",")), &problem));
        }
    };
    let placement = match placement.to_lowercase().as_str() {
        "header" => Placement::Header,
        "envelope" => Placement::Envelope,
        "partition" => Placement::Partition,
        _ => {
            let problem = format!("{placement} is no placement; it must be one of header, envelope, partition");
            return Err(Error::config(format!("Invalid value {item} for configuration {ADDITIONAL}: {problem}")));
        }
    };
    Ok(AdditionalField { column: column.to_owned(), placement, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additional_fields_are_pairs_or_trios() {
        let items = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let field = |column: &str, placement, name: &str| AdditionalField {
            column: column.to_owned(),
            placement,
            name: name.to_owned(),
        };
        let want = [field("type", Placement::Header, "eventType"), field("p", Placement::Partition, "p")];
        assert_eq!(additional_fields(&items("type:header:eventType,p:PARTITION")).expect("fields"), want);
        let rows = [
            ("type", "String pairs or trios is expected but got: [type]"),
            ("a:b:c:d,e:header", "is expected but got: [a:b:c:d, e:header]"),
            ("a:nowhere", "one of header, envelope, partition"),
        ];
        for (text, want) in rows {
            let problem = additional_fields(&items(text)).expect_err(text);
            assert!(problem.message().ends_with(want), "{problem}");
        }
    }
}
