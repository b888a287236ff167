//! Calls between workers (KIP-507), which nobody but a worker may make.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;

use super::body;
use super::dispatch::Call;
use super::respond::{Answer, Failure};
use crate::worker_config::ModeConfig;

const SIGNATURE: &str = "x-connect-authorization";
const ALGORITHM: &str = "x-connect-request-signature-algorithm";
/// The algorithms of Java's `Mac` that signatures are made with.
const ALGORITHMS: &[&str] = &["HmacSHA256", "HmacSHA1", "HmacSHA224", "HmacSHA384", "HmacSHA512", "HmacMD5"];

/// Task configs that a follower sends to the leader.
pub(super) fn put_tasks(call: &Call<'_>) -> Answer {
    match body::parse(&call.body)? {
        Some(configs) => body::as_list(&configs, "a list of task configs")?,
        None => return Err(Failure::internal("The body must be a list of task configs, but there is none")),
    };
    match call.state.config.mode {
        ModeConfig::Distributed(_) => Err(refused(call)),
        ModeConfig::Standalone(_) => Err(Failure::internal(
            "Kafka Connect in standalone mode does not support externally setting task configurations.",
        )),
    }
}

/// A round of zombie fencing.
pub(super) fn fence(call: &Call<'_>) -> Answer {
    match call.state.config.mode {
        ModeConfig::Distributed(_) => Err(refused(call)),
        ModeConfig::Standalone(_) => {
            Err(Failure::internal("Kafka Connect in standalone mode does not support exactly-once source connectors."))
        }
    }
}

/// Why the signature is not good. In a group of one no other worker knows the key, so none is.
fn refused(call: &Call<'_>) -> Failure {
    let header = |name: &str| call.headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(signature), Some(algorithm)) = (header(SIGNATURE), header(ALGORITHM)) else {
        return Failure::bad_request("Internal request missing required signature");
    };
    if !ALGORITHMS.contains(&algorithm) {
        return Failure::bad_request(format!("Algorithm {algorithm} not available"));
    }
    match STANDARD.decode(signature) {
        Err(error) => Failure::bad_request(illegal_base64(&error)),
        Ok(_) => Failure::new(StatusCode::FORBIDDEN, "Internal request contained invalid signature."),
    }
}

/// The sentence about text that is not base64.
pub(super) fn illegal_base64(error: &base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(_, byte) => format!("Illegal base64 character {byte:x}"),
        other => format!("Illegal base64: {other}"),
    }
}
