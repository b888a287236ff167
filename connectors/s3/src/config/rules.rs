//! What may be said together, and what this implementation does not honour yet.

use couplet_api::config::{ConfigType, ConfigValue, Props, Setting};

use super::S3Config;
use super::known::{
    AVRO, BYTES, DAILY_PARTITIONER, FIELD_PARTITIONER, HOURLY_PARTITIONER, JSON, PARQUET, TIME_PARTITIONER,
};
use super::settings;

/// A problem and the keys it is shown at.
pub(super) struct Problem {
    pub(super) keys: &'static [&'static str],
    pub(super) message: String,
}

fn problem(keys: &'static [&'static str], message: impl Into<String>) -> Problem {
    Problem { keys, message: message.into() }
}

/// Everything wrong with `props`, one value per key in order: each key, then the rules across keys when all parse.
pub(crate) fn validate(props: &Props) -> Vec<ConfigValue> {
    let def = S3Config::config_def();
    let mut values = def.validate(props);
    for (key, value) in def.keys().iter().zip(&mut values) {
        // A class that is not found has no value.
        if key.kind == ConfigType::Class && !value.errors.is_empty() {
            value.value = Setting::Null;
        }
    }
    let fields = props.get("partition.field.name").is_none_or(|fields| fields.trim().is_empty());
    if props.get("partitioner.class") == Some(FIELD_PARTITIONER) && fields {
        let message = "Partition field name cannot be null or empty when using FieldPartitioner.";
        add(&mut values, &problem(&["partition.field.name"], message));
    }
    if let Ok(config) = S3Config::parse(props) {
        problems(&config).iter().for_each(|problem| add(&mut values, problem));
    }
    let text = |key: &str| values.iter().find(|v| v.name == key).and_then(|v| v.value.to_text()).unwrap_or_default();
    let (format, partitioner, encryption) = (text("format.class"), text("partitioner.class"), text("s3.ssea.name"));
    let (keys, headers) = (text("store.kafka.keys") == "true", text("store.kafka.headers") == "true");
    for value in &mut values {
        value.visible = match value.name.as_str() {
            "avro.codec" => format == AVRO,
            "parquet.codec" => format == PARQUET,
            "s3.sse.kms.key.id" => encryption.eq_ignore_ascii_case("aws:kms"),
            "keys.format.class" => keys,
            "headers.format.class" => headers,
            "partition.field.name" => partitioner == FIELD_PARTITIONER,
            "partition.duration.ms" | "path.format" => partitioner == TIME_PARTITIONER,
            "locale" | "timezone" => {
                [TIME_PARTITIONER, DAILY_PARTITIONER, HOURLY_PARTITIONER].contains(&partitioner.as_str())
            }
            _ => true,
        };
    }
    values
}

fn add(values: &mut [ConfigValue], problem: &Problem) {
    for value in values.iter_mut().filter(|value| problem.keys.contains(&value.name.as_str())) {
        value.add_error(problem.message.clone());
    }
}

/// What is wrong with settings that are right one by one.
pub(super) fn problems(config: &S3Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    compression(config, &mut problems);
    if config.on_null_values.eq_ignore_ascii_case("write") && !config.store_keys {
        let message = "Writing Kafka record keys to storage is mandatory when tombstone writing is enabled.";
        problems.push(problem(&["store.kafka.keys", "behavior.on.null.values"], message));
    }
    if config.wan_mode && config.path_style {
        let message = "Both accelerate mode and path style access are being enabled. These options are mutually \
                       exclusive and cannot be enabled together. Please disable one of them";
        problems.push(problem(&["s3.wan.mode", "s3.path.style.access.enabled"], message));
    }
    unsupported(config, &mut problems);
    problems
}

/// The files a config asks for: the key that names their format, the format, and what they hold.
fn files(config: &S3Config) -> impl Iterator<Item = (&'static str, &str, &'static str)> {
    let values = Some(("format.class", config.format_class.as_str(), "data"));
    let keys = config.store_keys.then_some(("keys.format.class", config.keys_format_class.as_str(), "keys"));
    let headers =
        config.store_headers.then_some(("headers.format.class", config.headers_format_class.as_str(), "headers"));
    [values, keys, headers].into_iter().flatten()
}

fn compression(config: &S3Config, problems: &mut Vec<Problem>) {
    if config.compression_type == "none" {
        return;
    }
    for (_, class, what) in files(config).filter(|(_, class, _)| ![JSON, BYTES].contains(class)) {
        let keys: &[&str] = match what {
            "data" => &["format.class", "s3.compression.type"],
            "keys" => &["store.kafka.keys", "keys.format.class", "s3.compression.type"],
            _ => &["store.kafka.headers", "headers.format.class", "s3.compression.type"],
        };
        let kind = &config.compression_type;
        problems
            .push(problem(keys, format!("Compression Type {kind} not valid for {what} format class: ( {class} ).")));
    }
}

/// What the original can do and this implementation refuses.
fn unsupported(config: &S3Config, problems: &mut Vec<Problem>) {
    for (key, class, what) in files(config) {
        let keys: &[&str] = match what {
            "data" => &["format.class"],
            "keys" => &["keys.format.class"],
            _ => &["headers.format.class"],
        };
        if [AVRO, PARQUET].contains(&class) {
            let message = format!(
                "Invalid value {class} for configuration {key}: this format is not supported yet; use {JSON}{}",
                if what == "headers" { String::new() } else { format!(" or {BYTES}") }
            );
            problems.push(problem(keys, message));
        } else if what == "headers" && class == BYTES {
            let message = format!("Invalid value {class} for configuration {key}: headers have no bytes; use {JSON}");
            problems.push(problem(keys, message));
        }
    }
    // Only what the original would take is refused here; the rest fails when the task starts, as it does there.
    if let Some((keys, message)) = settings::unwritable_time(config) {
        problems.push(problem(keys, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(more: &[(&str, &str)]) -> Props {
        let base = [
            ("format.class", JSON),
            ("flush.size", "3"),
            ("s3.bucket.name", "b"),
            ("storage.class", "io.confluent.connect.s3.storage.S3Storage"),
        ];
        Props::from_iter(base.iter().chain(more).copied())
    }

    fn errors(props: &Props) -> Vec<String> {
        let line = |value: ConfigValue| value.errors.into_iter().map(move |e| format!("{}: {e}", value.name));
        validate(props).into_iter().flat_map(line).collect()
    }

    #[test]
    fn rules_across_keys_are_shown_at_all_their_keys() {
        let time: &[(&str, &str)] = &[
            ("partitioner.class", TIME_PARTITIONER),
            ("partition.duration.ms", "1"),
            ("locale", "fr"),
            ("timezone", "UTC"),
            ("path.format", "MMM"),
        ];
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);
        let rows: [Row<'_>; 8] = [
            (&[], &[], ""),
            (&[("format.class", AVRO)], &["format.class"], "not supported yet"),
            (
                &[("format.class", PARQUET), ("s3.compression.type", "gzip")],
                &["format.class", "format.class", "s3.compression.type"],
                "Compression Type gzip not valid for data",
            ),
            (&[("store.kafka.keys", "true")], &["keys.format.class"], "not supported yet"),
            (&[("behavior.on.null.values", "write")], &["behavior.on.null.values", "store.kafka.keys"], "mandatory"),
            (&[("s3.wan.mode", "true")], &["s3.wan.mode", "s3.path.style.access.enabled"], "mutually exclusive"),
            (&[("partitioner.class", FIELD_PARTITIONER)], &["partition.field.name"], "cannot be null or empty"),
            (time, &["path.format"], "only English names"),
        ];
        for (more, keys, text) in rows {
            let errors = errors(&props(more));
            let found: Vec<&str> = errors.iter().filter_map(|e| e.split(": ").next()).collect();
            assert_eq!(found, keys, "{more:?}: {errors:?}");
            assert!(errors.is_empty() || errors.iter().any(|e| e.contains(text)), "{errors:?}");
        }
    }

    #[test]
    fn a_path_the_original_refuses_at_start_is_not_refused_here() {
        assert_eq!(errors(&props(&[("partitioner.class", TIME_PARTITIONER)])), Vec::<String>::new());
    }
}
