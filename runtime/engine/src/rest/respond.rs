//! Answers in the shapes clients know.

use axum::body::Body;
use axum::response::Response;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::forward::Elsewhere;
use crate::herder::HerderError;
use crate::secrets::redact;

/// An answer that is an error, its secrets masked; each becomes `{"error_code":n,"message":"…"}`.
#[derive(Debug)]
pub(super) struct Failure(Box<Response>);

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        #[derive(Serialize)]
        struct ErrorMessage {
            error_code: u16,
            message: String,
        }
        let body = ErrorMessage { error_code: status.as_u16(), message: redact(&message.into()).into_owned() };
        Failure(Box::new(json(status, &body)))
    }

    /// An answer of another shape.
    pub(super) fn ready(response: Response) -> Self {
        Failure(Box::new(response))
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// What the router says by itself: `HTTP 404 Not Found` and the like, without a content type.
    pub(super) fn router(status: StatusCode) -> Self {
        let Failure(mut response) = Self::plain(status);
        response.headers_mut().remove(CONTENT_TYPE);
        Failure(response)
    }

    /// The same text as an answer of a resource.
    pub(super) fn plain(status: StatusCode) -> Self {
        let reason = status.canonical_reason().unwrap_or_default();
        Self::new(status, format!("HTTP {} {reason}", status.as_u16()))
    }

    /// The worker that must be asked instead, if this is what the failure means.
    pub(super) fn elsewhere(&self) -> Option<Elsewhere> {
        self.0.extensions().get::<Elsewhere>().cloned()
    }

    pub(super) fn into_response(self) -> Response {
        *self.0
    }
}

impl From<HerderError> for Failure {
    fn from(error: HerderError) -> Self {
        let status = match &error {
            HerderError::NotFound(_) => StatusCode::NOT_FOUND,
            HerderError::Conflict(_) | HerderError::Elsewhere(_) => StatusCode::CONFLICT,
            HerderError::BadRequest(_) => StatusCode::BAD_REQUEST,
            HerderError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut failure = Failure::new(status, error.message());
        if let HerderError::Elsewhere(target) = error {
            failure.0.extensions_mut().insert(Elsewhere(target));
        }
        failure
    }
}

/// What handlers return.
pub(super) type Answer = Result<Response, Failure>;

/// `value` as JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // Maps with text keys and plain structs: there is nothing in our answers that JSON cannot hold.
    let text = serde_json::to_string(value).unwrap_or_default();
    with_type(status, HeaderValue::from_static("application/json"), surrogate_escaped(text))
}

/// 200 with `value`.
pub(super) fn ok(value: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, value))
}

/// No body, no content type.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A body of any type.
pub(super) fn with_type(status: StatusCode, content_type: HeaderValue, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// The answer to `OPTIONS`: the methods in a header and, unless another type than text is asked for, in the body.
pub(super) fn options(methods: &[&str], content_type: Option<String>) -> Response {
    let other = content_type.and_then(|name| HeaderValue::from_str(&name).ok());
    let body = if other.is_some() { String::new() } else { methods.join(", ") };
    let content_type = other.unwrap_or(HeaderValue::from_static("text/plain"));
    let mut response = with_type(StatusCode::OK, content_type, body);
    if let Ok(allow) = HeaderValue::from_str(&methods.join(",")) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// Characters beyond the basic plane as two escapes, as Jackson writes them; other text stays as it is.
fn surrogate_escaped(json: String) -> String {
    if !json.chars().any(|c| c.len_utf16() == 2) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    let mut units = [0; 2];
    for c in json.chars() {
        match c.encode_utf16(&mut units) {
            [high, low] => escaped.push_str(&format!("\\u{high:04X}\\u{low:04X}")),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_beyond_the_basic_plane_is_escaped() {
        assert_eq!(surrogate_escaped("\"x😀ö\"".to_owned()), "\"x\\uD83D\\uDE00ö\"");
    }

    #[test]
    fn errors_of_the_router_have_no_content_type() {
        let router = Failure::router(StatusCode::NOT_FOUND).into_response();
        assert!(router.headers().get(CONTENT_TYPE).is_none());
        let resource = Failure::not_found("x").into_response();
        assert_eq!(resource.headers()[CONTENT_TYPE], "application/json");
    }
}
