//! `EnvVarConfigProvider`: values from the worker's environment, as it was at its start.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_plugins::JavaRegex;

use super::ConfigProvider;

/// The setting: a regular expression that the whole name of a variable must match.
pub(super) const ALLOWLIST_PATTERN: &str = "allowlist.pattern";

pub(super) struct EnvVarProvider {
    variables: HashMap<String, String>,
}

impl EnvVarProvider {
    /// Takes the variables that `params` allow.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub(super) fn new(params: &Props, all: impl Iterator<Item = (OsString, OsString)>) -> Result<Self, String> {
        let pattern = params.get(ALLOWLIST_PATTERN).map(JavaRegex::new).transpose()?;
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        // A name whose match takes too long is not allowed.
        let allowed = |(name, _): &(String, String)| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(name).unwrap_or(false))
        };
        Ok(EnvVarProvider { variables: all.filter_map(text).filter(allowed).collect() })
    }
}

impl ConfigProvider for EnvVarProvider {
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>> {
        if !path.is_empty() {
            return Err(Error::config(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )));
        }
        let value = |key: &&str| Some(((*key).to_owned(), self.variables.get(*key)?.clone()));
        Ok(keys.iter().filter_map(value).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(pattern: Option<&str>) -> Result<EnvVarProvider, String> {
        let params: Props = pattern.map(|pattern| (ALLOWLIST_PATTERN, pattern)).into_iter().collect();
        let all = [("DB_PASSWORD", "p"), ("OTHER", "o")].map(|(name, value)| (name.into(), value.into()));
        EnvVarProvider::new(&params, all.into_iter())
    }

    #[test]
    fn names_must_match_as_a_whole() {
        let keys = BTreeSet::from(["DB_PASSWORD", "OTHER", "NONE"]);
        let rows = [(None, 2), (Some("DB_.*"), 1), (Some("DB_"), 0), (Some(""), 0), (Some("DB_.*|OTHER"), 2)];
        for (pattern, want) in rows {
            let found = provider(pattern).expect("a pattern").get("", &keys).expect("no path");
            assert_eq!(found.len(), want, "{pattern:?}");
        }
        assert!(provider(Some("(")).is_err());
        let error = provider(None).expect("no pattern").get("x", &keys).expect_err("a path");
        assert_eq!(error.message(), "Path is not supported for EnvVarConfigProvider, invalid value 'x'");
    }
}
