//! Keys that nobody reads: most often a slip of the pen. For the command line; REST answers say nothing of them.

use couplet_api::config::Props;

use super::ConfigInfos;
use crate::connector_config::TOPIC_CREATION_PREFIX;

/// A key without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// The known key that looks most like it, if any looks like it at all.
    pub nearest: Option<String>,
}

/// The keys of `props` that `infos`, the answer to a validation of them, does not define.
pub fn unknown_keys(infos: &ConfigInfos, props: &Props) -> Vec<UnknownKey> {
    let known: Vec<&str> = infos.known_keys().collect();
    let is_unknown = |key: &&str| !known.contains(key) && !key.starts_with(TOPIC_CREATION_PREFIX);
    let unknown = props.iter().map(|(key, _)| key).filter(is_unknown);
    unknown.map(|key| UnknownKey { key: key.to_owned(), nearest: nearest(key, &known) }).collect()
}

fn nearest(key: &str, known: &[&str]) -> Option<String> {
    // A slip changes a letter or two, in a long key perhaps a word's ending.
    let limit = 2.max(key.len() / 5);
    // Of two that are as near, the one of the same length: letters change places more often than they get lost.
    let rated =
        known.iter().map(|candidate| (distance(key, candidate), key.len().abs_diff(candidate.len()), *candidate));
    rated.filter(|(distance, ..)| *distance <= limit).min().map(|(.., candidate)| candidate.to_owned())
}

/// Letters to insert, remove or change to get from `a` to `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named_when_it_is_near() {
        let known = ["tasks.max", "topic", "topics", "errors.tolerance", "batch.size"];
        let rows = [
            ("task.max", Some("tasks.max")),
            ("topcis", Some("topics")),
            ("error.tolerence", Some("errors.tolerance")),
            ("something.else", None),
        ];
        for (key, want) in rows {
            assert_eq!(nearest(key, &known).as_deref(), want, "{key}");
        }
        assert_eq!((distance("", "abc"), distance("abc", ""), distance("kitten", "sitting")), (3, 3, 3));
    }
}
