//! The shape of validation answers.

use couplet_api::config::{ConfigKey, ConfigValue, Default};
use serde::Serialize;

use crate::secrets::redact;

/// What a validation says: `ConfigInfos`.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigInfos {
    /// The class as the user wrote it.
    pub name: String,
    /// Number of problems.
    pub error_count: usize,
    /// Headings of the keys.
    pub groups: Vec<String>,
    /// One entry per key.
    pub configs: Vec<ConfigInfo>,
}

/// A key and what was found under it.
#[derive(Debug, Clone, Serialize)]
pub struct ConfigInfo {
    /// The key's definition; none for a key nobody defines.
    pub definition: Option<KeyInfo>,
    /// What was found; none for a key that was not looked at.
    pub value: Option<ValueInfo>,
}

/// Everything known about a key.
#[derive(Debug, Clone, Serialize)]
pub struct KeyInfo {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    default_value: Option<String>,
    importance: &'static str,
    documentation: String,
    group: Option<String>,
    width: &'static str,
    display_name: String,
    dependents: Vec<String>,
    order: i32,
}

impl KeyInfo {
    /// Of `key`, whose name gets `prefix`.
    pub fn new(key: &ConfigKey, prefix: &str) -> Self {
        KeyInfo {
            name: format!("{prefix}{}", key.name),
            kind: key.kind.name(),
            required: key.default == Default::Required,
            default_value: key.default_setting().to_text(),
            importance: key.importance.name(),
            documentation: key.doc.to_string(),
            group: key.group.as_deref().map(str::to_owned),
            width: key.width.name(),
            display_name: key.label().to_owned(),
            dependents: key.dependents.iter().map(ToString::to_string).collect(),
            order: key.order,
        }
    }
}

/// What was found under a key.
#[derive(Debug, Clone, Serialize)]
pub struct ValueInfo {
    /// The key.
    pub name: String,
    /// Its value as text; secrets hidden.
    pub value: Option<String>,
    /// Values worth offering.
    pub recommended_values: Vec<String>,
    /// Problems.
    pub errors: Vec<String>,
    /// Whether the key applies.
    pub visible: bool,
}

impl From<ConfigValue> for ValueInfo {
    fn from(value: ConfigValue) -> Self {
        ValueInfo {
            value: value.value.to_text(),
            name: value.name,
            recommended_values: value.recommended,
            errors: value.errors,
            visible: value.visible,
        }
    }
}

impl ConfigInfos {
    /// No keys.
    pub fn empty() -> Self {
        ConfigInfos { name: String::new(), error_count: 0, groups: Vec::new(), configs: Vec::new() }
    }

    /// Adds the entries of `other`, and its headings that are not there yet.
    pub fn merge(&mut self, other: ConfigInfos) {
        self.error_count += other.error_count;
        self.configs.extend(other.configs);
        for group in other.groups {
            if !self.groups.contains(&group) {
                self.groups.push(group);
            }
        }
    }

    /// Masks secrets: in all problems, and in values that `was_resolved` names as not the user's own words.
    pub(super) fn redact(&mut self, was_resolved: impl Fn(&str) -> bool) {
        for value in self.configs.iter_mut().filter_map(|config| config.value.as_mut()) {
            for error in &mut value.errors {
                *error = redact(error).into_owned();
            }
            if was_resolved(&value.name) {
                value.value = value.value.take().map(|text| redact(&text).into_owned());
            }
        }
    }

    /// Why a connector with these settings is refused; none when nothing is wrong.
    pub fn refusal(&self) -> Option<String> {
        if self.error_count == 0 {
            return None;
        }
        let begin =
            format!("Connector configuration is invalid and contains the following {} error(s):", self.error_count);
        let end = "You can also find the above list of errors at the endpoint \
                   `/connector-plugins/{connectorType}/config/validate`";
        let lines: Vec<&str> = [begin.as_str()].into_iter().chain(self.errors()).chain([end]).collect();
        Some(lines.join("\n"))
    }

    /// The keys that somebody defines.
    pub fn known_keys(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().filter_map(|config| config.definition.as_ref()).map(|key| key.name.as_str())
    }

    /// All problems, in the order of the keys.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().filter_map(|c| c.value.as_ref()).flat_map(|v| &v.errors).map(String::as_str)
    }
}
