//! Content types of requests and answers.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// What a request's content type means for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentType {
    Absent,
    Json,
    Other,
    /// Not a media type at all.
    Malformed,
}

/// The content type of a request; parameters do not matter.
pub(super) fn content_type(headers: &HeaderMap) -> ContentType {
    let Some(value) = headers.get(CONTENT_TYPE) else { return ContentType::Absent };
    let media_type = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match media_type.split_once('/') {
        None => ContentType::Malformed,
        Some((kind, sub)) if kind.eq_ignore_ascii_case("application") && sub.eq_ignore_ascii_case("json") => {
            ContentType::Json
        }
        Some(_) => ContentType::Other,
    }
}

/// Whether the client takes JSON. Weights do not matter, as with the JVM's router.
pub(super) fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges = accepted(headers).peekable();
    if ranges.peek().is_none() {
        return true;
    }
    ranges.any(|range| ["*/*", "application/*", "application/json"].iter().any(|json| range.eq_ignore_ascii_case(json)))
}

/// The content type of an answer to `OPTIONS`: text with the methods in it, or an empty body of the type asked for.
pub(super) fn options_type(headers: &HeaderMap) -> Option<String> {
    let first = accepted(headers).next()?;
    let is_text = ["*/*", "text/*", "text/plain"].iter().any(|text| first.eq_ignore_ascii_case(text));
    (!is_text).then(|| first.to_owned())
}

fn accepted(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|range| range.split(';').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn with(name: http::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn content_types() {
        let rows = [
            ("application/json", ContentType::Json),
            ("application/JSON; charset=utf-8", ContentType::Json),
            ("text/plain", ContentType::Other),
            ("application/merge-patch+json", ContentType::Other),
            ("application/*", ContentType::Other),
            ("garbage", ContentType::Malformed),
        ];
        for (given, want) in rows {
            assert_eq!(content_type(&with(CONTENT_TYPE, given)), want, "{given}");
        }
        assert_eq!(content_type(&HeaderMap::new()), ContentType::Absent);
    }

    #[test]
    fn accepted_types() {
        let rows = [
            ("*/*", true),
            ("text/html, application/json;q=0.9", true),
            ("application/json;q=0", true),
            ("application/*", true),
            ("text/plain", false),
            ("garbage", false),
        ];
        for (given, want) in rows {
            assert_eq!(accepts_json(&with(ACCEPT, given)), want, "{given}");
        }
        assert!(accepts_json(&HeaderMap::new()));
        assert_eq!(options_type(&with(ACCEPT, "text/html")).as_deref(), Some("text/html"));
        assert_eq!(options_type(&with(ACCEPT, "*/*")), None);
    }
}
