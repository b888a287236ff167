//! What a provider does, and which there are.

use std::collections::{BTreeMap, BTreeSet};

use couplet_api::config::Props;
use couplet_api::{Error, Result};

use super::directory::DirectoryProvider;
use super::env_var::EnvVarProvider;
use super::file::FileProvider;

/// A source of values for placeholders.
pub trait ConfigProvider: Send + Sync {
    /// The values of `keys` at `path`, which is empty when a placeholder names none. Unknown keys are left out.
    ///
    /// # Errors
    /// `Kind::Config` when they cannot be read, worded as Kafka words it; never with a value.
    fn get(&self, path: &str, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, String>>;
}

/// Makes the provider of a Java class from its `param.` settings; `None` for a class that is not known.
///
/// # Errors
/// `Kind::Config` for settings that cannot be used.
pub(super) fn make(class: &str, params: &Props) -> Result<Option<Box<dyn ConfigProvider>>> {
    const PACKAGE: &str = "org.apache.kafka.common.config.provider.";
    let simple = class.strip_prefix(PACKAGE).unwrap_or(class);
    Ok(Some(match simple {
        "FileConfigProvider" => Box::new(FileProvider::new(params)?),
        "DirectoryConfigProvider" => Box::new(DirectoryProvider::new(params)?),
        "EnvVarConfigProvider" => Box::new(EnvVarProvider::new(params, std::env::vars_os()).map_err(|why| {
            let pattern = params.get(super::env_var::ALLOWLIST_PATTERN).unwrap_or_default();
            Error::config(format!(
                "Invalid value {pattern} for configuration {}: {why}",
                super::env_var::ALLOWLIST_PATTERN
            ))
        })?),
        _ => return Ok(None),
    }))
}
