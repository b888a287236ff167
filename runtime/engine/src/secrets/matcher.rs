//! Finding secrets in a text.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use couplet_api::config::HIDDEN;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

/// Shorter values are not looked for: they are no secrets, and masking them would leave nothing legible.
const SHORTEST: usize = 4;
/// A value of letters only, or of digits only, that is shorter than this may be a word of any text: it is masked where
/// it stands alone.
const WORD_MAX: usize = 12;
/// Shortest line of a secret of several lines that is looked for by itself.
const LINE_MIN: usize = 16;

/// What URLs leave as it is.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Secrets within secrets: passwords in JAAS settings and in the addresses of databases.
static INNER: LazyLock<[Regex; 2]> = LazyLock::new(|| {
    [r#"(?i)(?:password|secret|token)\w*\s*=\s*"?([^"\s;&]+)"#, r"://[^/@:\s]*:([^/@\s]+)@"]
        .map(|pattern| Regex::new(pattern).expect("a pattern of ours"))
});

/// Finds every form of some secrets.
pub(super) struct Matcher {
    automaton: AhoCorasick,
    /// By pattern: whether it counts only where it stands alone.
    alone: Vec<bool>,
}

impl Matcher {
    /// For `secrets`; `None` when there is nothing to look for.
    pub(super) fn new<'a>(secrets: impl Iterator<Item = &'a str>) -> Option<Self> {
        let patterns: BTreeSet<String> = secrets.flat_map(forms).collect();
        if patterns.is_empty() {
            return None;
        }
        let alone = patterns.iter().map(|pattern| is_word(pattern)).collect();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&patterns).ok()?;
        Some(Matcher { automaton, alone })
    }

    /// `text` with secrets masked.
    pub(super) fn mask<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut masked: Option<Vec<u8>> = None;
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = self.automaton.find(Input::new(text).range(from..)) {
            if self.alone[found.pattern()] && !stands_alone(text, found.start(), found.end()) {
                from = found.start() + 1;
                continue;
            }
            let out = masked.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(&text[copied..found.start()]);
            out.extend_from_slice(HIDDEN.as_bytes());
            (copied, from) = (found.end(), found.end());
        }
        match masked {
            None => Cow::Borrowed(text),
            Some(mut out) => {
                out.extend_from_slice(&text[copied..]);
                Cow::Owned(out)
            }
        }
    }
}

/// Whether a value says so much about itself that it is not found in a text by chance.
pub(crate) fn is_telling(value: &str) -> bool {
    is_looked_for(value) && !is_word(value)
}

fn is_looked_for(value: &str) -> bool {
    value.len() >= SHORTEST && !matches!(value, "true" | "false" | "null")
}

fn is_word(value: &str) -> bool {
    let (letters, digits) = (|b: u8| b.is_ascii_alphabetic(), |b: u8| b.is_ascii_digit());
    value.len() < WORD_MAX && (value.bytes().all(letters) || value.bytes().all(digits))
}

/// A secret as texts may contain it: as it is, escaped for Rust, JSON or URLs, by lines, and the secrets in it.
fn forms(secret: &str) -> Vec<String> {
    let secret = secret.trim();
    let debug = format!("{secret:?}");
    let mut forms = vec![
        secret.to_owned(),
        debug[1..debug.len() - 1].to_owned(),
        serde_json::to_string(secret).map(|json| json[1..json.len() - 1].to_owned()).unwrap_or_default(),
        utf8_percent_encode(secret, URL).to_string(),
    ];
    // The frame of a key in PEM is no secret.
    let lines = secret.lines().map(str::trim).filter(|line| line.len() >= LINE_MIN && !line.starts_with("-----"));
    forms.extend(lines.map(str::to_owned));
    for pattern in INNER.iter() {
        forms.extend(pattern.captures_iter(secret).filter_map(|found| Some(found.get(1)?.as_str().to_owned())));
    }
    forms.retain(|form| is_looked_for(form));
    forms
}

/// Whether what lies from `start` to `end` is no part of a longer word or name; dots join names.
fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let is_part = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'));
    let joined = |near: Option<&u8>, next: Option<&u8>| is_part(near) || (near == Some(&b'.') && is_part(next));
    let before = |n: usize| start.checked_sub(n).and_then(|at| text.get(at));
    !joined(before(1), before(2)) && !joined(text.get(end), text.get(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secret: &str, text: &str) -> String {
        let matcher = Matcher::new([secret].into_iter());
        matcher.map_or(text.to_owned(), |m| String::from_utf8_lossy(&m.mask(text.as_bytes())).into_owned())
    }

    #[test]
    fn secrets_are_masked_in_every_form() {
        let rows = [
            ("p4ss-w0rd", "login as me:p4ss-w0rd@host, p4ss-w0rdx", "login as me:[hidden]@host, [hidden]x"),
            ("a\"b\\cdef", r#"{"k":"a\"b\\cdef"}"#, r#"{"k":"[hidden]"}"#),
            ("p@ss/word", "https://me:p%40ss%2Fword@h", "https://me:[hidden]@h"),
            (" padded secret1\n", "is padded secret1!", "is [hidden]!"),
            ("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----", "x MIIEvQIBADANBgkqhkiG", "x [hidden]"),
            ("Login required username=\"u\" password=\"top-s3cret\";", "refused top-s3cret", "refused [hidden]"),
            ("postgres://u:hunter-22@h/db", "password hunter-22 is wrong", "password [hidden] is wrong"),
            ("ütf-8-secrät", "so: ütf-8-secrät.", "so: [hidden]."),
        ];
        for (secret, text, want) in rows {
            assert_eq!(masked(secret, text), want, "{secret}");
        }
    }

    #[test]
    fn common_words_are_masked_only_where_they_stand_alone() {
        let rows = [
            ("postgres", "io.debezium.connector.postgresql.X", "io.debezium.connector.postgresql.X"),
            ("connect", "org.apache.kafka.connect.errors.E", "org.apache.kafka.connect.errors.E"),
            ("connect", "login as connect: password=connect.", "login as [hidden]: password=[hidden]."),
            ("connect", "connect-status connect", "connect-status [hidden]"),
            ("9092", "localhost:9092 19092", "localhost:[hidden] 19092"),
            ("abc", "abc is too short", "abc is too short"),
            ("true", "true", "true"),
        ];
        for (secret, text, want) in rows {
            assert_eq!(masked(secret, text), want, "{secret}");
        }
    }

    #[test]
    fn the_longest_secret_wins() {
        let matcher = Matcher::new(["s3cret-1", "s3cret-1-and-more"].into_iter()).expect("two secrets");
        assert_eq!(&*matcher.mask(b"s3cret-1-and-more s3cret-1"), b"[hidden] [hidden]");
    }
}
