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

/// `slot.name`: what the server accepts.
pub(super) fn slot_name(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value?;
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (value.is_empty() || value.len() > 63 || !value.chars().all(valid)).then(|| {
        "Valid replication slot name must contain only digits, lowercase characters and underscores with length <= 63"
            .to_owned()
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

/// `message.prefix.exclude.list`: not beside the include list.
pub(super) fn message_prefix_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "message.prefix.include.list")
}

/// `column.exclude.list`: not beside the include list.
pub(super) fn column_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "column.include.list")
}

/// `table.exclude.list`: not beside the include list.
pub(super) fn table_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "table.include.list")
}

/// `schema.exclude.list`: not beside the include list.
pub(super) fn schema_exclude_list(value: Option<&str>, props: &Props) -> Option<String> {
    exclusive(value, props, "schema.include.list")
}

/// `message.key.columns`: `table:column,column;…`.
pub(super) fn message_key_columns(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value?;
    if value.is_empty() {
        return Some("Must not be empty".to_owned());
    }
    KeyColumns::new(value).err()
}

/// `replica.identity.autoset.values`: `schema.table:IDENTITY,…`.
pub(super) fn replica_identities(value: Option<&str>, _props: &Props) -> Option<String> {
    let value = value?;
    if value.is_empty() {
        return Some("Must not be empty".to_owned());
    }
    value.split(',').find_map(|part| {
        let identity = part.trim().rsplit_once(':').map(|(_, identity)| identity.trim().to_ascii_uppercase());
        let known = identity.is_some_and(|i| {
            matches!(i.as_str(), "DEFAULT" | "FULL" | "NOTHING") || i.strip_prefix("INDEX ").is_some()
        });
        (!known)
            .then(|| format!("{part} has an invalid format (expecting 'schema.table:DEFAULT|FULL|NOTHING|INDEX name')"))
    })
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
