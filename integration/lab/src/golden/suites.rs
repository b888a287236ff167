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

/// A file of change-data-capture scenarios for `cdc/replay.py`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdcSuite {
    /// Path under the root of the recordings.
    pub file: String,
    /// Regular expression on scenario names; all of them when empty.
    #[serde(default)]
    pub only: String,
    /// What is compared besides the events: `--offsets`, `--status`.
    #[serde(default)]
    pub compare: Vec<String>,
    /// Scenario to reason.
    #[serde(default)]
    pub deviations: BTreeMap<String, String>,
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
        let files = suites.cdc.iter().map(|s| (root.join(&s.file), "scenario", &s.deviations));
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
}
