//! Checks of single settings that are more than a type, in Debezium's words.

use couplet_api::config::Props;
use couplet_cdc::{KeyColumns, Patterns};

/// `topic.prefix`: given, and valid in a topic name.
pub(super) fn topic_prefix(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value.unwrap_or_default().trim();
    if value.is_empty() {
        return Some("A value is required".to_owned());
    }
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (!value.chars().all(valid)).then(|| {
        format!("{value} has invalid format (only the underscore, hyphen, dot and alphanumeric characters are allowed)")
    })
}

/// `max.queue.size`: above `max.batch.size`.
pub(super) fn max_queue_size(value: Option<&str>, props: &Props) -> Option<String> {
    let Ok(queue) = value?.trim().parse::<i32>() else { return Some("An integer is expected".to_owned()) };
    if queue <= 0 {
        return Some("A positive queue size is required".to_owned());
    }
    let batch: i32 = props.get("max.batch.size").and_then(|v| v.trim().parse().ok()).unwrap_or(2048);
    (queue <= batch).then(|| "Must be larger than the maximum batch size".to_owned())
}

/// `skipped.operations`: a subset of c, u, d, t, or none alone.
pub(super) fn skipped_operations(value: Option<&str>, _props: &Props) -> Option<String> {
    let items: Vec<&str> = value?.split(',').map(str::trim).collect();
    if items.contains(&"none") {
        let other = items.iter().any(|item| *item != "none");
        return other.then(|| "\"none\" cannot be specified with other skipped operation types".to_owned());
    }
    let wrong = items.iter().find(|item| !matches!(**item, "c" | "u" | "d" | "t" | "r"))?;
    Some(format!("Invalid operation: {wrong}; use c, u, d, t or none"))
}

fn exclusive(value: Option<&str>, props: &Props, include: &str) -> Option<String> {
    let value = value?;
    if props.get(include).is_some() {
        return Some(format!("\"{include}\" is already specified"));
    }
    let problem = Patterns::new(value).err()?;
    Some(format!("A comma-separated list of valid regular expressions is expected, but {problem}"))
}

/// `column.exclude.list`: not beside the include list.
pub(super) fn column_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "column.include.list")
}

/// `table.exclude.list`: not beside the include list.
pub(super) fn table_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "table.include.list")
}

/// `message.key.columns`: `table:column,column;…`.
pub(super) fn message_key_columns(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value?;
    if value.is_empty() {
        return Some("Must not be empty".to_owned());
    }
    KeyColumns::new(value).err()
}

/// `topic.naming.strategy`: a class that is built.
pub(super) fn topic_naming(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value?.trim();
    let name = value.strip_prefix("io.debezium.schema.").unwrap_or_default();
    let known = [
        "SchemaTopicNamingStrategy",
        "DefaultTopicNamingStrategy",
        "SchemaUnicodeTopicNamingStrategy",
        "DefaultUnicodeTopicNamingStrategy",
        "SchemaRegexTopicNamingStrategy",
        "DefaultRegexTopicNamingStrategy",
    ];
    (!known.contains(&name)).then(|| {
        format!("Class {value} is not supported; use io.debezium.schema.{}", known.join(", io.debezium.schema."))
    })
}

/// `database.exclude.list`: not beside the include list.
pub(super) fn database_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "database.include.list")
}

/// `gtid.source.excludes`: not beside the include list.
pub(super) fn gtid_source_excludes(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "gtid.source.includes")
}

/// `database.server.id`: given, and what a replica may have.
pub(super) fn server_id(value: Option<&str>, _props: &Props) -> Option<String> {
    match value.map(|text| text.trim().parse::<i64>()) {
        None => Some("A value is required".to_owned()),
        Some(Err(_)) => Some("A long value is expected".to_owned()),
        Some(Ok(id)) if u32::try_from(id).map_or(true, |id| id == 0) => {
            Some("A number from 1 to 4294967295 is expected".to_owned())
        }
        Some(Ok(_)) => None,
    }
}

/// `time.precision.mode`: any but `adaptive`.
pub(super) fn time_precision(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value?.trim().to_lowercase();
    let known = ["adaptive_time_microseconds", "isostring", "microseconds", "nanoseconds", "connect"];
    match value.as_str() {
        "adaptive" => Some("The 'adaptive' time.precision.mode is no longer supported".to_owned()),
        other if known.contains(&other) => None,
        _ => Some(format!("Value must be one of {}", known.join(", "))),
    }
}
