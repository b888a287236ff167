//! Requests and responses as bytes.

use bytes::Bytes;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// The largest response that is read; answers to our requests are far smaller.
pub(super) const RESPONSE_BYTES_MAX: usize = 100 << 20;

/// A request with its length in front.
///
/// # Errors
/// What this version of the request cannot carry.
pub(super) fn encode<R: Request>(
    client_id: &str,
    correlation_id: i32,
    version: i16,
    request: &R,
) -> Result<Vec<u8>, String> {
    let mut frame = vec![0; 4];
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    header.encode(&mut frame, R::header_version(version)).map_err(|error| error.to_string())?;
    request.encode(&mut frame, version).map_err(|error| error.to_string())?;
    let length = u32::try_from(frame.len() - 4).map_err(|error| error.to_string())?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// The response to the request `correlation_id`.
///
/// # Errors
/// It answers another request, or is malformed.
pub(super) fn decode<R: Request>(correlation_id: i32, version: i16, mut frame: Bytes) -> Result<R::Response, String> {
    // ApiVersions answers with the oldest header whatever was asked, so that its errors can be read.
    let header_version = R::Response::header_version(version);
    let header = ResponseHeader::decode(&mut frame, header_version).map_err(|error| error.to_string())?;
    if header.correlation_id != correlation_id {
        return Err(format!("response {} instead of {correlation_id}", header.correlation_id));
    }
    couplet_framing::check::<R::Response>(&frame, version)?;
    R::Response::decode(&mut frame, version).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::JoinGroupRequest;

    use super::*;

    #[test]
    fn a_response_that_promises_more_than_it_has_is_refused() {
        // Correlation id, no tags, throttle time, error, generation, no protocol, empty leader, ..., two thousand million members.
        let header = [0, 0, 0, 7, 0];
        let body = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1];
        let members = [0xff, 0xff, 0xff, 0xff, 0x07];
        let frame: Vec<u8> = header.iter().chain(&body).chain(&members).copied().collect();
        assert!(decode::<JoinGroupRequest>(7, 9, frame.clone().into()).is_err());
        let other = decode::<JoinGroupRequest>(8, 9, frame.into()).expect_err("another request's");
        assert!(other.contains("response 7 instead of 8"), "{other}");
    }
}
