//! Requests that another worker must answer, in the JVM `HerderRequestHandler.completeOrForwardRequest`.
//!
//! A request takes two hops at most: from a follower to the leader, from there to the worker that runs what is meant.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::listener::Scheme;
use super::path::query_values;
use super::respond::{Answer, Failure};
use super::state::RestState;
use crate::peers::{PeerAnswer, PeerRequest};

/// Marks a failure: this worker must be asked instead, if it is known.
#[derive(Debug, Clone)]
pub(super) struct Elsewhere(pub(super) Option<String>);

/// Sends the request to the worker that `failure` names, unless that is none, or the request came far enough already.
pub(super) async fn follow(state: &RestState, scheme: Scheme, parts: &Parts, body: Bytes, failure: Failure) -> Answer {
    let Some(Elsewhere(target)) = failure.elsewhere() else { return Err(failure) };
    let query = parts.uri.query();
    let given = query_values(query, "forward").into_iter().next();
    if given.as_ref().is_some_and(|forward| !forward.eq_ignore_ascii_case("true")) {
        tracing::error!(
            "Request '{} {}' failed because it couldn't find the target Connect worker within two hops (between workers).",
            parts.method,
            parts.uri.path()
        );
        return Err(failure);
    }
    let Some(target) = target else {
        return Err(Failure::new(
            StatusCode::CONFLICT,
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
        ));
    };
    let mut pairs: Vec<String> =
        query.into_iter().flat_map(|q| q.split('&')).filter(|pair| !is_forward(pair)).map(str::to_owned).collect();
    pairs.retain(|pair| !pair.is_empty());
    pairs.push(format!("forward={}", given.is_none()));
    let url = format!("{}{}?{}", target.trim_end_matches('/'), parts.uri.path(), pairs.join("&"));
    tracing::debug!(method = %parts.method, url, "forwarding request");
    let request = PeerRequest { url: &url, method: parts.method.clone(), headers: &parts.headers, body };
    match state.peers.send(request).await {
        Ok(answer) => Ok(passed_on(answer, scheme, parts)),
        Err(why) => {
            tracing::error!(url, why, "IO error forwarding REST request");
            Err(Failure::internal(format!("IO Error trying to forward REST request: {why}")))
        }
    }
}

fn is_forward(pair: &str) -> bool {
    pair.split('=').next() == Some("forward")
}

/// The answer as if it were this worker's own: it names this worker, as the client knows it.
fn passed_on(answer: PeerAnswer, scheme: Scheme, parts: &Parts) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    if let Some(content_type) = answer.content_type {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let path = answer.location.as_ref().and_then(|location| location.to_str().ok()).and_then(path_of);
    let location = path.map(|path| HeaderValue::from_str(&format!("{}://{host}{path}", scheme.name())));
    if let Some(Ok(location)) = location {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// What follows scheme and host.
fn path_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map(|at| &rest[at..])
}
