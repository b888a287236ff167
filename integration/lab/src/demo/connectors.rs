//! The demo's connectors: the files in `configs/connectors`, with the addresses of this run.

use anyhow::{Context, Result};
use couplet_harness::provision::cache;
use serde_json::Value;

fn template(name: &str) -> Result<Value> {
    let path = cache::repository().join("configs/connectors").join(name);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// PostgreSQL to Kafka.
pub fn source(port: u16, prefix: &str) -> Result<Value> {
    let mut request = template("mybank-postgres.json")?;
    let config = &mut request["config"];
    config["database.port"] = port.to_string().into();
    config["topic.prefix"] = prefix.into();
    Ok(request)
}

/// Kafka to S3. Files are closed by count only: a file that the clock closes would have another end after a crash.
pub fn sink(endpoint: &str, bucket: &str, topics: &[String], killable: bool) -> Result<Value> {
    let mut request = template("mybank-s3.json")?;
    let config = request["config"].as_object_mut().context("a connector needs a config")?;
    config.remove("rotate.schedule.interval.ms");
    config.insert("store.url".into(), endpoint.into());
    config.insert("s3.bucket.name".into(), bucket.into());
    config.insert("topics".into(), topics.join(",").into());
    if killable {
        // The group waits this long for a consumer that was killed; the default is 45 s.
        config.insert("consumer.override.session.timeout.ms".into(), "6000".into());
        config.insert("consumer.override.heartbeat.interval.ms".into(), "1500".into());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_get_the_addresses_of_the_run() {
        let source = source(5999, "run-1").unwrap();
        assert_eq!(source["config"]["database.port"], "5999");
        assert_eq!(source["config"]["topic.prefix"], "run-1");
        let sink = sink("http://127.0.0.1:1", "b", &["a".into(), "b".into()], true).unwrap();
        assert_eq!(sink["config"]["topics"], "a,b");
        assert!(sink["config"].get("rotate.schedule.interval.ms").is_none());
    }
}
