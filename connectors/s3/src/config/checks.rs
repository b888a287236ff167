//! Checks of single settings, in the JVM's words where it checks too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use couplet_api::config::{Setting, Validator, with};
use couplet_storage::joda::Zone;

/// S3's least size of a part that is not the last.
const PART_BYTES_MIN: i64 = 5 * 1024 * 1024;

/// A check of text; null passes.
fn text(check: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Validator {
    with(move |setting| match setting {
        Setting::Str(text) => check(text),
        _ => Ok(()),
    })
}

/// A class that there is: what the JVM finds while it loads the class.
pub(super) fn known_class(known: &'static [&'static str]) -> Validator {
    text(move |class| match known.contains(&class) {
        true => Ok(()),
        false => Err(format!("Class {class} could not be found.")),
    })
}

/// As `ValidString.in`, but case does not count.
pub(super) fn one_of_ignoring_case(allowed: &'static [&'static str]) -> Validator {
    text(move |text| match allowed.contains(&text.to_lowercase().as_str()) {
        true => Ok(()),
        false => Err(format!("String must be one of: {}", allowed.join(", "))),
    })
}

/// One of a list that the message shows in brackets.
pub(super) fn one_of_listed(allowed: &'static [&'static str]) -> Validator {
    text(move |text| match allowed.contains(&text) {
        true => Ok(()),
        false => Err(format!("Value must be one of: [{}]", allowed.join(", "))),
    })
}

pub(super) fn part_size() -> Validator {
    with(|setting| match setting {
        Setting::Int(bytes) if *bytes < PART_BYTES_MIN => {
            Err(format!("Part size must be at least: {PART_BYTES_MIN} bytes (5MB)"))
        }
        Setting::Null => Err("Part size must be non-null".to_owned()),
        _ => Ok(()),
    })
}

pub(super) fn time_zone() -> Validator {
    text(|id| match id.is_empty() {
        true => Ok(()),
        false => Zone::for_id(id).map(|_| ()),
    })
}

pub(super) fn field_names() -> Validator {
    with(|setting| {
        let Setting::List(names) = setting else { return Ok(()) };
        for name in names {
            if name.is_empty() {
                return Err("Field name cannot be null or empty".to_owned());
            }
            if name.split('.').any(|segment| segment.trim().is_empty()) {
                return Err("Field name cannot contain an empty or whitespace-only path segment".to_owned());
            }
        }
        Ok(())
    })
}

pub(super) fn tag_pairs() -> Validator {
    with(|setting| {
        let Setting::List(pairs) = setting else { return Ok(()) };
        match pairs.iter().find(|pair| tag_pair(pair).is_none()) {
            Some(pair) => Err(format!("'{pair}' is no tag: write key:value")),
            None => Ok(()),
        }
    })
}

/// Key and value of `key:value`; what follows a second colon is dropped, as the original does.
pub(super) fn tag_pair(pair: &str) -> Option<(&str, &str)> {
    let mut parts = pair.split(':');
    Some((parts.next().filter(|key| !key.is_empty())?, parts.next()?))
}

pub(super) fn customer_key() -> Validator {
    with(|setting| {
        let Setting::Password(key) = setting else { return Ok(()) };
        match STANDARD.decode(key.reveal()) {
            Ok(bytes) if bytes.is_empty() || bytes.len() == 32 => Ok(()),
            _ => Err("The key must be the base64 of 32 bytes".to_owned()),
        }
    })
}

pub(super) fn proxy_url() -> Validator {
    text(|url| match url.is_empty() || is_http_url(url) {
        true => Ok(()),
        false => Err("The proxy must be a URL such as http://proxy.example.com:3128".to_owned()),
    })
}

pub(super) fn endpoint() -> Validator {
    text(|url| match url.is_empty() || is_http_url(&with_scheme(url)) {
        true => Ok(()),
        false => Err("The endpoint must be a URL such as http://127.0.0.1:9000".to_owned()),
    })
}

/// An endpoint without scheme is reached by HTTPS.
pub(super) fn with_scheme(url: &str) -> String {
    match url.contains("://") {
        true => url.to_owned(),
        false => format!("https://{url}"),
    }
}

fn is_http_url(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use couplet_api::config::{ConfigType, Password};

    use super::*;

    #[test]
    fn endpoints_and_proxies() {
        let rows = [
            (endpoint(), "127.0.0.1:9000", true),
            (endpoint(), "http://minio:9000", true),
            (endpoint(), "", true),
            (endpoint(), "ftp://minio", false),
            (endpoint(), "http://", false),
            (endpoint(), "http://a b", false),
            (proxy_url(), "proxy:3128", false),
            (proxy_url(), "https://proxy:3128", true),
        ];
        for (check, url, want) in rows {
            assert_eq!(check.check(&Setting::Str(url.to_owned())).is_ok(), want, "{url}");
        }
    }

    #[test]
    fn lists_and_keys() {
        let list = |text: &str| ConfigType::List.parse(text).expect("a list");
        for (text, want) in [("a:1,b:2", true), ("", true), ("a", false), (":1", false), ("a:1:2", true)] {
            assert_eq!(tag_pairs().check(&list(text)).is_ok(), want, "{text}");
        }
        for (text, want) in [("a,b.c", true), ("", true), ("a,,b", false), ("a..b", false)] {
            assert_eq!(field_names().check(&list(text)).is_ok(), want, "{text}");
        }
        let key = |text: &str| Setting::Password(Password::new(text));
        assert!(customer_key().check(&key(&STANDARD.encode([7; 32]))).is_ok());
        let problem = customer_key().check(&key("t0p secret")).expect_err("no key");
        assert!(!problem.contains("t0p"), "a secret must not be shown");
    }
}
