//! Cross-origin requests: `access.control.allow.origin` and `access.control.allow.methods`.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

/// Which pages of other origins may call.
#[derive(Debug)]
pub(super) struct Cors {
    origins: Vec<String>,
    methods: HeaderValue,
}

impl Cors {
    /// None when no origin is set.
    pub(super) fn new(origins: &str, methods: &str) -> Option<Self> {
        let list = |text: &str| -> Vec<String> {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let origins = list(origins);
        if origins.is_empty() {
            return None;
        }
        let methods = HeaderValue::from_str(&list(methods).join(",")).ok().filter(|methods| !methods.is_empty());
        Some(Cors { origins, methods: methods.unwrap_or(HeaderValue::from_static("GET,POST,HEAD")) })
    }

    /// Puts the headers on the answer to a request.
    pub(super) fn apply(&self, method: &Method, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = request.get(ORIGIN).filter(|origin| self.allows(origin)) else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if *method == Method::OPTIONS && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            response.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
            response.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
            response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("60"));
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.origins.iter().any(|allowed| match allowed.split_once('*') {
            None => allowed == origin,
            Some((before, after)) => {
                origin.len() >= before.len() + after.len() && origin.starts_with(before) && origin.ends_with(after)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cors: &Cors, method: &Method, request: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let name = |name: &'static str| http::HeaderName::from_static(name);
        let request = request.iter().map(|(n, v)| (name(n), HeaderValue::from_static(v))).collect();
        let mut response = HeaderMap::new();
        cors.apply(method, &request, &mut response);
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let mut got: Vec<_> = response.iter().map(|(n, v)| (n.to_string(), text(v))).collect();
        got.sort();
        got
    }

    #[test]
    fn answers_carry_what_the_jvm_sends() {
        let one = Cors::new("https://ui.example.org", "GET,PUT").expect("an origin");
        let any = Cors::new("*", "").expect("an origin");
        assert!(Cors::new("", "GET").is_none());
        let (origin, other) = (("origin", "https://ui.example.org"), ("origin", "https://evil.example.org"));
        let asks = ("access-control-request-method", "PUT");
        assert_eq!(headers(&one, &Method::GET, &[]).len(), 1, "only Vary");
        assert_eq!(headers(&one, &Method::GET, &[other]).len(), 1);
        assert_eq!(headers(&one, &Method::GET, &[origin]).len(), 2);
        assert_eq!(headers(&any, &Method::GET, &[other])[0].1, "https://evil.example.org");
        let preflight = headers(&one, &Method::OPTIONS, &[origin, asks]);
        let want = ["access-control-allow-headers", "access-control-allow-methods", "access-control-allow-origin"];
        assert_eq!(preflight.iter().map(|(n, _)| n.as_str()).take(3).collect::<Vec<_>>(), want);
        assert_eq!(preflight[1].1, "GET,PUT");
        let wildcard = Cors::new("https://*.example.org", "").expect("an origin");
        assert_eq!(headers(&wildcard, &Method::GET, &[origin]).len(), 2);
    }
}
