//! `integration/golden-suites.toml`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use couplet_harness::provision::cache;
use serde::Deserialize;

/// Everything that is played.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suites {
    #[serde(default)]
    pub cdc: Vec<CdcSuite>,
    #[serde(default)]
    pub rest: Vec<RestSuite>,
    pub rest_rules: RestRules,
}

/// What of a recorded REST answer is not contract.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestRules {
    /// JSON members whose text is ours.
    pub own_members: Vec<String>,
    /// Parts of recorded texts that come from Java's libraries: of such an answer only the status is compared.
    pub library_texts: Vec<String>,
}

/// The filter that plays all change-data-capture recordings in full.
pub const CDC_FULL: &str = "cdc-golden";

/// A file of change-data-capture scenarios for `cdc/replay.py`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdcSuite {
    /// Path under the root of the recordings.
    pub file: String,
    /// Regular expression on the names of the scenarios that every run plays; none when missing.
    pub always: Option<String>,
    /// Scenario to reason.
    #[serde(default)]
    pub deviations: BTreeMap<String, String>,
    /// Scenarios that differ from run to run with the original too, to reason: played, not judged.
    #[serde(default)]
    pub varying: BTreeMap<String, String>,
}

impl CdcSuite {
    /// What `filter` plays: a regular expression on names of scenarios, or nothing.
    ///
    /// In full what is asked for by [`CDC_FULL`] or by (a part of) the file's own name; else what belongs to every run.
    pub fn played(&self, filter: &str) -> Option<&str> {
        let stem = self.file.rsplit('/').next().unwrap_or_default();
        if filter == CDC_FULL || !filter.is_empty() && stem.contains(filter) {
            return Some(".");
        }
        self.always.as_deref().filter(|_| self.file.contains(filter))
    }

    /// The server it is about, after its folder: suites of one server are played one after another.
    pub fn server(&self) -> &str {
        self.file.rsplit('/').nth(1).unwrap_or_default()
    }
}

/// A suite of REST cases for `connect/rest/replay.py`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestSuite {
    pub suite: String,
    /// Case to reason.
    #[serde(default)]
    pub deviations: BTreeMap<String, String>,
}

impl RestSuite {
    /// As printed, and as matched by a filter.
    pub fn name(&self) -> String {
        format!("connect/rest/{}", self.suite)
    }
}

impl Suites {
    /// Reads the list.
    pub fn load() -> Result<Self> {
        let path = cache::repository().join("integration/golden-suites.toml");
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_suites_and_cases_exist_in_the_recordings() {
        let root = cache::repository().join("integration/golden");
        let suites = Suites::load().unwrap();
        let files = suites.cdc.iter().flat_map(|suite| {
            [&suite.deviations, &suite.varying].map(|cases| (root.join(&suite.file), "scenario", cases))
        });
        let rest = suites.rest.iter().map(|s| (root.join(format!("{}.jsonl", s.name())), "name", &s.deviations));
        for (file, field, deviations) in files.chain(rest) {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            for (case, reason) in deviations {
                let mark = serde_json::to_string(case).unwrap();
                let known =
                    text.contains(&format!("\"{field}\":{mark}")) || text.contains(&format!("\"{field}\": {mark}"));
                assert!(known, "{} has no case {case}", file.display());
                assert!(reason.len() > 10, "{case}: say why it differs");
            }
        }
    }

    #[test]
    fn a_filter_plays_the_part_for_every_run_unless_it_names_the_file() {
        let suite = |file: &str, always: Option<&str>| CdcSuite {
            file: file.to_owned(),
            always: always.map(str::to_owned),
            deviations: BTreeMap::new(),
            varying: BTreeMap::new(),
        };
        let (small, rest) = (suite("cdc/mysql/my_dml.jsonl", Some("_basic$")), suite("cdc/mysql/my_ddl.jsonl", None));
        for (filter, of_small, of_rest) in [
            ("", Some("_basic$"), None),
            ("mysql", Some("_basic$"), None),
            ("cdc/", Some("_basic$"), None),
            ("postgres", None, None),
            ("my_ddl", None, Some(".")),
            ("my_d", Some("."), Some(".")),
            (CDC_FULL, Some("."), Some(".")),
        ] {
            assert_eq!((small.played(filter), rest.played(filter)), (of_small, of_rest), "{filter}");
        }
    }
}
