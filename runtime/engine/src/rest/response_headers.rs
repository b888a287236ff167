//! Extra headers of answers: `response.http.headers.config` (KIP-577).

use couplet_api::clock::{Clock, SystemClock};
use couplet_api::{Error, Result};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::java_text::http_date;

const KEY: &str = "response.http.headers.config";

/// The rules, in order.
#[derive(Debug, Default)]
pub(super) struct ResponseHeaders(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    /// Whether the header is put beside others of its name, or in their place.
    adds: bool,
    name: HeaderName,
    value: RuleValue,
}

#[derive(Debug)]
enum RuleValue {
    Text(HeaderValue),
    /// A date so many milliseconds from now.
    DateIn(i64),
}

impl ResponseHeaders {
    /// Reads `[action] [name]: [value], …`; a rule that holds a comma stands in double quotes.
    ///
    /// # Errors
    /// `Kind::Config` that names the rule.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let rules = rules(text);
        rules.iter().map(|rule| Rule::parse(rule)).collect::<Result<_>>().map(ResponseHeaders)
    }

    /// Puts the headers on an answer.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for rule in &self.0 {
            let value = match &rule.value {
                RuleValue::Text(value) => value.clone(),
                RuleValue::DateIn(ms) => {
                    let date = http_date(SystemClock.now_ms().saturating_add(*ms));
                    HeaderValue::from_str(&date).unwrap_or(HeaderValue::from_static(""))
                }
            };
            if rule.adds {
                headers.append(rule.name.clone(), value);
            } else {
                headers.insert(rule.name.clone(), value);
            }
        }
    }
}

/// The rules between commas that are not quoted.
fn rules(text: &str) -> Vec<String> {
    let (mut found, mut current, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut current)),
            _ => current.push(c),
        }
    }
    found.push(current);
    found.iter().map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty()).collect()
}

impl Rule {
    fn parse(rule: &str) -> Result<Self> {
        let refuse = |why: &str| Error::config(format!("Invalid value '{rule}' for configuration {KEY}: {why}"));
        let (action, header) = rule.split_once(' ').ok_or_else(|| refuse("expected '[action] [header]:[value]'"))?;
        let (name, value) = header.split_once(':').ok_or_else(|| refuse("there is no ':' between header and value"))?;
        let (name, value) = (name.trim(), value.trim());
        let name = name.to_ascii_lowercase().parse().map_err(|_| refuse("the header's name is malformed"))?;
        let (adds, is_date) = match action {
            "set" => (false, false),
            "add" => (true, false),
            "setDate" => (false, true),
            "addDate" => (true, true),
            _ => return Err(refuse("the action must be one of set, add, setDate, addDate")),
        };
        let value = match is_date {
            true => RuleValue::DateIn(value.parse().map_err(|_| refuse("the date must be milliseconds from now"))?),
            false => RuleValue::Text(HeaderValue::from_str(value).map_err(|_| refuse("the value is malformed"))?),
        };
        Ok(Rule { adds, name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_headers() {
        let text = "add X-Frame-Options: DENY, \"add Cache-Control: no-cache, no-store, must-revalidate\", \
                    set X-Golden: yes, setDate X-Golden-Date: 0";
        let mut headers = HeaderMap::new();
        ResponseHeaders::parse(text).expect("four rules").apply(&mut headers);
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["cache-control"], "no-cache, no-store, must-revalidate");
        assert_eq!(headers["x-golden"], "yes");
        assert!(headers["x-golden-date"].to_str().is_ok_and(|date| date.ends_with(" GMT")));
        assert!(ResponseHeaders::parse("").is_ok_and(|rules| rules.0.is_empty()));
    }

    #[test]
    fn malformed_rules_are_named() {
        for rule in ["X-A: b", "put X-A: b", "set X-A", "set X A: b", "setDate X-A: soon"] {
            let error = ResponseHeaders::parse(rule).expect_err(rule).to_string();
            assert!(error.contains(rule) && error.contains(KEY), "{error}");
        }
    }
}
