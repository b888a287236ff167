//! Calls between workers (KIP-507), which nobody but a worker may make.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use super::body;
use super::dispatch::Call;
use super::respond::{self, Answer, Failure};
use crate::peers::{ALGORITHM_HEADER, SIGNATURE_HEADER};
use crate::worker_config::ModeConfig;

/// The algorithms of Java's `Mac` that signatures are made with.
const ALGORITHMS: &[&str] = &["HmacSHA256", "HmacSHA1", "HmacSHA224", "HmacSHA384", "HmacSHA512", "HmacMD5"];

/// Task configs that a follower sends to the leader.
pub(super) async fn put_tasks(call: &Call<'_>, name: &str) -> Answer {
    let configs = match body::parse(&call.body)? {
        Some(configs) => body::as_list(&configs, "a list of task configs")?
            .iter()
            .map(|config| body::as_object(config, "an object as task config")?.into_props())
            .collect::<Result<Vec<_>, Failure>>()?,
        None => return Err(Failure::internal("The body must be a list of task configs, but there is none")),
    };
    if let ModeConfig::Standalone(_) = call.state.config.mode {
        return Err(Failure::internal(
            "Kafka Connect in standalone mode does not support externally setting task configurations.",
        ));
    }
    check_signature(call)?;
    call.within_limit(call.state.herder.put_task_configs(name, configs)).await?;
    Ok(respond::empty(StatusCode::NO_CONTENT))
}

/// A round of zombie fencing.
pub(super) async fn fence(call: &Call<'_>, name: &str) -> Answer {
    match call.state.config.mode {
        ModeConfig::Distributed(_) => {
            check_signature(call)?;
            call.within_limit(call.state.herder.fence_source_tasks(name)).await?;
            Ok(respond::empty(StatusCode::NO_CONTENT))
        }
        ModeConfig::Standalone(_) => {
            Err(Failure::internal("Kafka Connect in standalone mode does not support exactly-once source connectors."))
        }
    }
}

/// Refuses a call without a good signature, unless the group does not sign.
///
/// # Errors
/// 400 without a signature, or with one that cannot be checked; 503 before there is a key; 403.
pub(super) fn check_signature(call: &Call<'_>) -> Result<(), Failure> {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let signature = match (header(SIGNATURE_HEADER), header(ALGORITHM_HEADER)) {
        (Some(signature), Some(algorithm)) => {
            if !ALGORITHMS.iter().any(|known| known.eq_ignore_ascii_case(algorithm)) {
                return Err(Failure::bad_request(format!("Algorithm {algorithm} not available")));
            }
            let decoded = STANDARD.decode(signature).map_err(|e| Failure::bad_request(illegal_base64(&e)))?;
            Some((decoded, algorithm))
        }
        _ => None,
    };
    let snapshot = call.state.herder.snapshot();
    let group = snapshot.group.as_ref();
    if group.is_some_and(|group| !group.signs_requests) {
        return Ok(());
    }
    let Some((signature, algorithm)) = signature else {
        return Err(Failure::bad_request("Internal request missing required signature"));
    };
    let signatures = &call.state.peers.signatures;
    if !signatures.accepts(algorithm) {
        return Err(Failure::bad_request(format!(
            "This worker does not support the '{algorithm}' key signing algorithm used by other workers. This worker is \
             currently configured to use: {}. Check that all workers' configuration files permit the same set of signature \
             algorithms, and correct any misconfigured worker and restart it.",
            signatures.accepted()
        )));
    }
    let Some(key) = group.and_then(|group| group.session_key.as_ref()) else {
        return Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "This worker is still starting up and has not been able to read a session key from the config topic yet",
        ));
    };
    match signatures.is_valid(algorithm, key, &call.body, &signature) {
        true => Ok(()),
        false => Err(Failure::new(StatusCode::FORBIDDEN, "Internal request contained invalid signature.")),
    }
}

/// The sentence about text that is not base64.
pub(super) fn illegal_base64(error: &base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(_, byte) => format!("Illegal base64 character {byte:x}"),
        other => format!("Illegal base64: {other}"),
    }
}
