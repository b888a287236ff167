//! Placeholders in a text: `${provider:[path:]key}`, found as Kafka's `ConfigTransformer` finds them.

use std::sync::LazyLock;

use regex::Regex;

static PATTERN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").expect("Kafka's pattern"));

/// One placeholder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placeholder<'a> {
    /// As it stands in the text.
    pub(super) whole: &'a str,
    /// Name of the provider.
    pub(super) provider: &'a str,
    /// Path; empty when there is none.
    pub(super) path: &'a str,
    /// Key.
    pub(super) key: &'a str,
}

/// Whether there is a placeholder in `text`, of a known provider or not.
pub(super) fn is_in(text: &str) -> bool {
    text.contains("${") && PATTERN.is_match(text)
}

/// The placeholders in `text`.
pub(super) fn all(text: &str) -> impl Iterator<Item = Placeholder<'_>> {
    let found = text.contains("${").then(|| PATTERN.captures_iter(text));
    found.into_iter().flatten().map(|found| {
        let group = |n| found.get(n).map_or("", |group| group.as_str());
        Placeholder { whole: group(0), provider: group(1), path: group(3), key: group(4) }
    })
}

/// `text` with each placeholder that `value` knows replaced; others stay as they are.
pub(super) fn replace(text: &str, value: impl Fn(&Placeholder<'_>) -> Option<String>) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    for placeholder in all(text) {
        let Some((before, after)) = rest.split_once(placeholder.whole) else { break };
        out.push_str(before);
        out.push_str(&value(&placeholder).unwrap_or_else(|| placeholder.whole.to_owned()));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_as_kafka_finds_them() {
        type Row = (&'static str, &'static [(&'static str, &'static str, &'static str)]);
        let rows: [Row; 9] = [
            ("${file:/a/b.properties:key}", &[("file", "/a/b.properties", "key")]),
            ("${env:KEY}", &[("env", "", "KEY")]),
            ("x${env:A}y${env:B}z", &[("env", "", "A"), ("env", "", "B")]),
            ("${a:b:c:d}", &[("a", "b", "c:d")]),
            ("${a:}", &[("a", "", "")]),
            ("${:k}", &[("", "", "k")]),
            ("${nokey}", &[]),
            ("$${env:A}}", &[("env", "", "A")]),
            ("${x ${env:A}", &[("x ${env", "", "A")]),
        ];
        for (text, want) in rows {
            let found: Vec<_> = all(text).map(|p| (p.provider, p.path, p.key)).collect();
            assert_eq!(found, want, "{text}");
            assert_eq!(is_in(text), !want.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_stays() {
        let value = |p: &Placeholder<'_>| (p.key == "A").then(|| "${env:A}".to_owned() + "1");
        assert_eq!(replace("a${env:A}b${env:B}c${env:A}", value), "a${env:A}1b${env:B}c${env:A}1");
        assert_eq!(replace("plain", value), "plain");
    }
}
