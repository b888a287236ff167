//! Saying who we are: SaslHandshake and SaslAuthenticate (KIP-43, KIP-152, KIP-368).

use std::time::{Duration, Instant};

use bytes::Bytes;
use couplet_api::Error;
use couplet_sasl::{Credentials, Exchange};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::Node;
use super::connection::{Connection, fatal, unavailable};
use crate::membership::Failure;

/// Authenticates a fresh connection.
///
/// # Errors
/// [`Failure::Fatal`] when the broker refuses mechanism or credentials.
pub(super) async fn authenticate(
    connection: &mut Connection,
    credentials: &Credentials,
    node: &Node,
) -> Result<(), Failure> {
    let mechanism = StrBytes::from_static_str(credentials.mechanism());
    let handshake = SaslHandshakeRequest::default().with_mechanism(mechanism);
    let response = connection.call_as(1, &handshake).await.map_err(|error| unavailable(node, error))?;
    if let Some(code) = ResponseError::try_from_code(response.error_code) {
        let offered: Vec<&str> = response.mechanisms.iter().map(|m| &**m).collect();
        return Err(fatal(Error::auth(format!(
            "configuration sasl.mechanism={} is not enabled in broker {node} ({code:?}), which has {}",
            credentials.mechanism(),
            offered.join(", ")
        ))));
    }
    let version = connection.versions.pick::<SaslAuthenticateRequest>(2).unwrap_or(0);
    let (mut exchange, first) = Exchange::start(credentials).map_err(fatal)?;
    let mut message = Some(first);
    while let Some(bytes) = message {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(bytes));
        let response = connection.call_as(version, &request).await.map_err(|error| unavailable(node, error))?;
        if let Some(code) = ResponseError::try_from_code(response.error_code) {
            let words = response.error_message.as_deref().unwrap_or_default();
            return Err(fatal(Error::auth(format!(
                "broker {node} refuses the credentials of sasl.jaas.config ({}): {code:?}: {words}",
                credentials.mechanism()
            ))));
        }
        message = exchange.answer(&response.auth_bytes).map_err(fatal)?;
        // A little before the broker would cut the connection in the middle of a request.
        let lifetime = u64::try_from(response.session_lifetime_ms).unwrap_or(0);
        connection.expires = (lifetime > 0).then(|| Instant::now() + Duration::from_millis(lifetime * 9 / 10));
    }
    Ok(())
}
