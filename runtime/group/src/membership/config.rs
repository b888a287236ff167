use couplet_api::config::Props;
use couplet_api::{Error, Result};

use crate::protocol::ConnectProtocol;

/// Settings of a member. Times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberConfig {
    /// `group.id`
    pub group_id: String,
    /// URL of the worker's REST server, as it is told to peers.
    pub url: String,
    /// `connect.protocol`
    pub protocol: ConnectProtocol,
    /// `session.timeout.ms`: how long the coordinator waits for a heartbeat.
    pub session_timeout_ms: i32,
    /// `heartbeat.interval.ms`
    pub heartbeat_interval_ms: i32,
    /// `rebalance.timeout.ms`: how long the coordinator waits for members to join again, and how long a handler's call may take.
    pub rebalance_timeout_ms: i32,
    /// `retry.backoff.ms`
    pub retry_backoff_ms: i64,
    /// `retry.backoff.max.ms`
    pub retry_backoff_max_ms: i64,
}

impl MemberConfig {
    /// Reads a worker's settings.
    ///
    /// # Errors
    /// `Kind::Config` that names the key: missing, no number, out of range, or a heartbeat slower than the session.
    pub fn from_props(worker: &Props, url: impl Into<String>) -> Result<Self> {
        let group_id = worker.get("group.id").map(str::trim).filter(|id| !id.is_empty());
        let group_id = group_id
            .ok_or_else(|| Error::config("Missing required configuration \"group.id\" which has no default value."))?;
        let at_least = |key: &str, default: i64, least: i64| -> Result<i64> {
            let Some(text) = worker.get(key) else { return Ok(default) };
            let number: i64 = text.trim().parse().map_err(|_| refused(key, text, "Not a number of type INT"))?;
            if number < least {
                return Err(refused(key, text, &format!("Value must be at least {least}")));
            }
            i32::try_from(number).map(i64::from).map_err(|_| refused(key, text, "Not a number of type INT"))
        };
        let session = at_least("session.timeout.ms", 10_000, 1)?;
        let heartbeat = at_least("heartbeat.interval.ms", 3_000, 1)?;
        if heartbeat >= session {
            return Err(refused(
                "heartbeat.interval.ms",
                &heartbeat.to_string(),
                &format!("it must be lower than session.timeout.ms ({session}), usually a third of it"),
            ));
        }
        Ok(MemberConfig {
            group_id: group_id.to_owned(),
            url: url.into(),
            protocol: worker.get("connect.protocol").unwrap_or("sessioned").parse()?,
            session_timeout_ms: session as i32,
            heartbeat_interval_ms: heartbeat as i32,
            rebalance_timeout_ms: at_least("rebalance.timeout.ms", 60_000, 1)? as i32,
            retry_backoff_ms: at_least("retry.backoff.ms", 100, 0)?,
            retry_backoff_max_ms: at_least("retry.backoff.max.ms", 1_000, 0)?,
        })
    }
}

fn refused(key: &str, value: &str, why: &str) -> Error {
    Error::config(format!("Invalid value {value} for configuration {key}: {why}"))
}
