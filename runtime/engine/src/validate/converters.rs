//! The three converters of a connector: which class is meant, and their own settings.

use couplet_api::Plugin;
use couplet_api::config::{ConfigDef, ConfigKey, ConfigValue, Default, Props, Setting};

use super::config_infos::{ConfigInfo, ConfigInfos, KeyInfo};
use super::recommended::recommended;
use super::version_range::VersionRange;
use crate::hash_map_order;
use crate::plugins::Plugins;

/// One of the converters a connector has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Key,
    Value,
    Header,
}

impl Role {
    pub(super) const ALL: [Role; 3] = [Role::Key, Role::Value, Role::Header];

    /// The key that names the class.
    pub(super) const fn class_key(self) -> &'static str {
        match self {
            Role::Key => "key.converter",
            Role::Value => "value.converter",
            Role::Header => "header.converter",
        }
    }

    /// The key that names the version.
    pub(super) const fn version_key(self) -> &'static str {
        match self {
            Role::Key => "key.converter.plugin.version",
            Role::Value => "value.converter.plugin.version",
            Role::Header => "header.converter.plugin.version",
        }
    }

    /// What the converter's setting `converter.type` says.
    const fn converter_type(self) -> &'static str {
        match self {
            Role::Key => "key",
            Role::Value => "value",
            Role::Header => "header",
        }
    }

    const fn interface(self) -> &'static str {
        match self {
            Role::Key | Role::Value => "Converter",
            Role::Header => "HeaderConverter",
        }
    }

    /// Version and settings of the converter of this role that `name` means.
    fn find(self, plugins: &Plugins, name: &str) -> Option<(&'static str, ConfigDef)> {
        plugins.find(name, |plugin| match (self, plugin) {
            (Role::Header, Plugin::HeaderConverter(_)) | (Role::Key | Role::Value, Plugin::Converter(_)) => {
                Some((plugin.version(), plugin.config_def()))
            }
            _ => None,
        })
    }

    /// Kafka's own classes that can play this role.
    fn recommended(self, plugins: &Plugins) -> Vec<String> {
        let fits = |plugin: &Plugin| match self {
            Role::Header => matches!(plugin, Plugin::HeaderConverter(_)),
            Role::Key | Role::Value => matches!(plugin, Plugin::Converter(_)),
        };
        recommended(plugins, fits)
    }
}

/// Puts the class and version keys of `role` right, which the definition alone cannot: defaults come from the worker,
/// values are classes of this registry.
pub(super) fn resolve(
    role: Role,
    plugins: &Plugins,
    worker_class: Option<&str>,
    props: &Props,
    keys: &mut [ConfigKey],
    values: &mut [ConfigValue],
) {
    let given = props.get_nullable(role.class_key());
    let default_class = worker_class.map(|name| plugins.class(name).unwrap_or(name).to_owned());
    let mut errors = Vec::new();
    let mut value = Setting::Null;
    let mut version = None;
    match (given, &default_class) {
        (Some(Some(text)), _) => match plugins.class(text.trim()) {
            None => errors.push(format!(
                "Invalid value {text} for configuration {}: Class {text} could not be found.",
                role.class_key()
            )),
            Some(class) => {
                value = Setting::Str(class.to_owned());
                version = role.find(plugins, class).map(|(version, _)| version);
                if version.is_none() {
                    errors.push(format!("Class class {class} does not implement the {} interface", role.interface()));
                }
            }
        },
        (Some(None), Some(class)) => version = role.find(plugins, class).map(|(version, _)| version),
        (None, Some(class)) => {
            value = Setting::Str(class.clone());
            version = role.find(plugins, class).map(|(version, _)| version);
        }
        (_, None) => {}
    }
    let visible = value != Setting::Null;
    let range_error = match (given, props.get(role.version_key())) {
        (Some(Some(_)), Some(range)) => version.and_then(|_| unavailable(plugins, value_text(&value), range)),
        _ => None,
    };
    if let Some(key) = keys.iter_mut().find(|key| key.name == role.class_key()) {
        key.default = default_class.map_or(Default::Null, |class| Default::Text(class.into()));
    }
    if let Some(key) = keys.iter_mut().find(|key| key.name == role.version_key()) {
        key.default = version.map_or(Default::Null, |version| Default::Text(version.into()));
    }
    for entry in values {
        if entry.name == role.class_key() {
            entry.value = value.clone();
            entry.errors.clone_from(&errors);
            entry.errors.extend(range_error.clone());
            entry.recommended = role.recommended(plugins);
        } else if entry.name == role.version_key() {
            if !props.contains(role.version_key()) {
                entry.value = version.map_or(Setting::Null, |version| Setting::Str(version.to_owned()));
            }
            entry.errors.extend(range_error.clone());
            entry.errors.extend(props.get(role.version_key()).and_then(|range| VersionRange::parse(range).err()));
            entry.recommended = version.filter(|_| visible).map(str::to_owned).into_iter().collect();
            entry.visible = visible;
        }
    }
}

fn value_text(value: &Setting) -> &str {
    match value {
        Setting::Str(text) => text,
        _ => "",
    }
}

/// The sentence about a plugin whose version is not in `range`; none when it is, or when `range` cannot be read, which
/// is reported elsewhere.
pub(super) fn unavailable(plugins: &Plugins, class: &str, range: &str) -> Option<String> {
    let range = VersionRange::parse(range).ok()??;
    let versions: Vec<&str> = plugins.all().iter().filter(|p| p.class() == class).map(Plugin::version).collect();
    (!versions.iter().any(|version| range.contains(version))).then(|| {
        format!(
            "Plugin {class} not found that matches the version range {range}, available versions: [{}]",
            versions.join(", ")
        )
    })
}

/// Checks the settings of the converter of `role` that the connector names itself, unless `values` say that its class or
/// version is wrong.
pub(super) fn validate(role: Role, plugins: &Plugins, props: &Props, values: &[ConfigValue]) -> ConfigInfos {
    let mut infos = ConfigInfos::empty();
    let about = |value: &&ConfigValue| value.name == role.class_key() || value.name == role.version_key();
    let fine = values.iter().filter(about).all(|value| value.errors.is_empty());
    let own = props.get(role.class_key()).filter(|_| fine);
    let Some((_, def)) = own.and_then(|name| role.find(plugins, name)) else { return infos };
    let prefix = format!("{}.", role.class_key());
    let mut settings = props.with_prefix(&prefix);
    if !settings.contains("converter.type") {
        settings.set("converter.type", role.converter_type());
    }
    let mut values = def.validate(&settings);
    hash_map_order::sort(&mut values, |value| &value.name);
    for mut value in values {
        let key = def.key(&value.name);
        if let Some(group) = key.and_then(|key| key.group.as_deref())
            && !infos.groups.iter().any(|known| known == group)
        {
            infos.groups.push(group.to_owned());
        }
        infos.error_count += usize::from(!value.errors.is_empty());
        value.name = format!("{prefix}{}", value.name);
        infos
            .configs
            .push(ConfigInfo { definition: key.map(|key| KeyInfo::new(key, &prefix)), value: Some(value.into()) });
    }
    infos
}
