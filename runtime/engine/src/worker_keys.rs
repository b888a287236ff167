//! Every setting that Kafka's workers know, and what becomes of it here.

use std::collections::HashMap;
use std::sync::LazyLock;

use couplet_api::config::{ConfigType, Props};

/// Settings under these are for others: clients, converters, providers, topics.
const PREFIXES: &[&str] = &[
    "producer.",
    "consumer.",
    "admin.",
    "key.converter.",
    "value.converter.",
    "header.converter.",
    "config.providers.",
    "config.storage.",
    "offset.storage.",
    "status.storage.",
];

struct Row {
    kind: ConfigType,
    handling: &'static str,
}

static TABLE: LazyLock<HashMap<&'static str, Row>> = LazyLock::new(|| {
    let lines = include_str!("worker_keys.tsv").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let (key, rest) = line.split_once('\t')?;
            let (kind, handling) = rest.split_once('\t')?;
            let kind = match kind {
                "BOOLEAN" => ConfigType::Boolean,
                "INT" => ConfigType::Int,
                "SHORT" => ConfigType::Short,
                "LONG" => ConfigType::Long,
                "DOUBLE" => ConfigType::Double,
                "LIST" => ConfigType::List,
                "PASSWORD" => ConfigType::Password,
                _ => ConfigType::String,
            };
            Some((key, Row { kind, handling }))
        })
        .collect()
});

/// Values that do not have their key's type, of keys that `worker_config.rs` does not define: one sentence each.
pub(crate) fn problems(props: &Props) -> Vec<String> {
    let check = |(key, value): (&str, Option<&str>)| {
        let row = TABLE.get(key).filter(|row| row.handling != "engine")?;
        let value = value?;
        let problem = row.kind.parse(value).err()?;
        Some(format!("Invalid value {value} for configuration {key}: {problem}"))
    };
    props.iter().filter_map(check).collect()
}

/// Whether a worker takes a secret under `key`, also of a listener of its own.
pub(crate) fn is_password(key: &str) -> bool {
    let plain = ["admin.listeners.https.", "listeners.https."].iter().find_map(|prefix| key.strip_prefix(prefix));
    TABLE.get(plain.unwrap_or(key)).is_some_and(|row| row.kind == ConfigType::Password)
}

/// The given keys without effect, each with the reason.
pub(crate) fn unused(props: &Props) -> Vec<(&str, &'static str)> {
    let reason = |key: &str| match TABLE.get(key) {
        Some(row) if matches!(row.handling, "engine" | "client" | "worker") => None,
        Some(row) => Some(row.handling),
        None if key.starts_with("metrics.context.") => Some("JMX metrics are not kept"),
        None if key.starts_with("listeners.https.") || key.starts_with("admin.listeners.https.") => None,
        None if PREFIXES.iter().any(|prefix| key.starts_with(prefix)) => None,
        None => Some("the setting is not known to Kafka Connect"),
    };
    props.iter().filter_map(|(key, _)| Some((key, reason(key)?))).collect()
}
