//! Transforms and predicates of a connector: the keys each alias adds, and what is wrong with them.

use std::cmp::Ordering;

use couplet_api::Plugin;
use couplet_api::config::{ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, Props, Setting, Width};

use super::converters::unavailable;
use super::recommended::recommended;
use super::version_range::VersionRange;
use crate::connector_config::{PREDICATES, TRANSFORMS};
use crate::plugins::Plugins;

/// The two kinds of plugin that records pass through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordPlugin {
    Transform,
    Predicate,
}

impl RecordPlugin {
    /// The key that lists the aliases, and the first part of their settings.
    const fn list_key(self) -> &'static str {
        match self {
            RecordPlugin::Transform => TRANSFORMS,
            RecordPlugin::Predicate => PREDICATES,
        }
    }

    const fn group(self) -> &'static str {
        match self {
            RecordPlugin::Transform => "Transforms",
            RecordPlugin::Predicate => "Predicates",
        }
    }

    const fn interface(self) -> &'static str {
        match self {
            RecordPlugin::Transform => "Transformation",
            RecordPlugin::Predicate => "Predicate",
        }
    }

    const fn is(self, plugin: &Plugin) -> bool {
        match self {
            RecordPlugin::Transform => matches!(plugin, Plugin::Transform(_)),
            RecordPlugin::Predicate => matches!(plugin, Plugin::Predicate(_)),
        }
    }

    /// Keys and values of every alias, in the order of the list.
    pub(super) fn keys_and_values(self, plugins: &Plugins, props: &Props) -> (Vec<ConfigKey>, Vec<ConfigValue>) {
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let mut seen: Vec<String> = Vec::new();
        let listed = props.get(self.list_key()).map(|text| ConfigType::List.parse(text));
        let Some(Ok(Setting::List(aliases))) = listed else { return (keys, values) };
        for alias in aliases {
            if !seen.contains(&alias) {
                self.alias(plugins, props, &alias, &mut keys, &mut values);
                seen.push(alias);
            }
        }
        (keys, values)
    }

    fn alias(
        self,
        plugins: &Plugins,
        props: &Props,
        alias: &str,
        keys: &mut Vec<ConfigKey>,
        values: &mut Vec<ConfigValue>,
    ) {
        let prefix = format!("{}.{alias}.", self.list_key());
        let group = format!("{}: {alias}", self.group());
        let class = props.get(&format!("{prefix}type")).and_then(|name| plugins.class(name.trim()));
        let plugin = class.and_then(|class| plugins.find(class, |p| self.is(p).then(|| (p.version(), p.config_def()))));
        let version_key = format!("{prefix}plugin.version");
        let range = props.get(&version_key);
        let found = class.filter(|_| plugin.is_some());
        let range_error = range.and_then(|range| {
            let unreadable = VersionRange::parse(range).err();
            unreadable.or_else(|| found.and_then(|class| unavailable(plugins, class, range)))
        });

        let (key, mut value) = self.type_key(plugins, props, alias, &prefix, &group, class);
        // The JVM looks the settings up by the name as it is written, blanks and all.
        let as_written = props.get(&format!("{prefix}type")).is_some_and(|name| plugins.class(name).is_some());
        let usable = plugin.as_ref().filter(|_| range_error.is_none() && as_written);
        value.errors.extend(range_error.clone().filter(|_| found.is_some()));
        keys.push(key);
        values.push(value);
        let (key, mut value) = self.version_key(props, alias, &version_key, &group, plugin.as_ref().map(|(v, _)| *v));
        value.errors.extend(range_error);
        keys.push(key);
        values.push(value);

        let Some((_, def)) = usable else { return };
        for (place, key) in self.sorted(def).into_iter().enumerate() {
            values.extend(ConfigDef::new().define(key.clone()).validate_prefixed(props, &prefix));
            keys.push(embedded(key, &prefix, &group, place as i32 + 2));
        }
    }

    fn type_key(
        self,
        plugins: &Plugins,
        props: &Props,
        alias: &str,
        prefix: &str,
        group: &str,
        class: Option<&'static str>,
    ) -> (ConfigKey, ConfigValue) {
        let name = format!("{prefix}type");
        let doc = format!("Class of the {} `{alias}`.", self.interface().to_lowercase());
        let key = ConfigKey::new(name.clone(), ConfigType::Class, Default::Required, Importance::High, doc)
            .group(group.to_owned(), 0)
            .display(Width::Long, format!("{} type for {alias}", self.interface()));
        let mut errors = Vec::new();
        match props.get_nullable(&name) {
            None => errors.push(format!("Missing required configuration \"{name}\" which has no default value.")),
            Some(Some(given)) if class.is_none() => {
                errors
                    .push(format!("Invalid value {given} for configuration {name}: Class {given} could not be found."));
            }
            Some(_) => {}
        }
        let negate = format!("{prefix}negate");
        let predicate = format!("{prefix}predicate");
        if self == RecordPlugin::Transform && props.contains(&negate) && !props.contains(&predicate) {
            errors.push(format!(
                "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be negated."
            ));
        } else if let Some(class) = class.filter(|class| plugins.find(class, |p| self.is(p).then_some(())).is_none()) {
            errors.push(format!("Class class {class} does not implement the {} interface", self.interface()));
        }
        let recommended = recommended(plugins, |plugin| self.is(plugin));
        let value = class.map_or(Setting::Null, |class| Setting::Str(class.to_owned()));
        (key, ConfigValue { name, value, recommended, errors, visible: true })
    }

    fn version_key(
        self,
        props: &Props,
        alias: &str,
        name: &str,
        group: &str,
        version: Option<&'static str>,
    ) -> (ConfigKey, ConfigValue) {
        let doc = format!("Version of the {} `{alias}`.", self.interface().to_lowercase());
        let default = version.map_or(Default::Null, |version| Default::Text(version.into()));
        let key = ConfigKey::new(name.to_owned(), ConfigType::String, default, Importance::High, doc)
            .group(group.to_owned(), 1)
            .display(Width::Long, format!("{} version for {alias}", self.interface()));
        let value = match props.get_nullable(name) {
            Some(given) => given.map_or(Setting::Null, |text| Setting::Str(text.trim().to_owned())),
            None => version.map_or(Setting::Null, |version| Setting::Str(version.to_owned())),
        };
        let recommended = version.map(str::to_owned).into_iter().collect();
        (key, ConfigValue { name: name.to_owned(), value, recommended, errors: Vec::new(), visible: true })
    }

    /// The keys of `def`, and those every transform has, as `ConfigDef.sortedConfigs` orders them.
    fn sorted(self, def: &ConfigDef) -> Vec<ConfigKey> {
        let implicit: &[ConfigKey] = &match self {
            RecordPlugin::Predicate => vec![],
            RecordPlugin::Transform => vec![
                ConfigKey::new(
                    "predicate",
                    ConfigType::String,
                    Default::Null,
                    Importance::Medium,
                    "Name of the predicate that says whether a record is transformed.",
                ),
                ConfigKey::new(
                    "negate",
                    ConfigType::Boolean,
                    Default::Text("false".into()),
                    Importance::Medium,
                    "Whether the predicate's answer is turned round.",
                ),
            ],
        };
        let own = def.keys().iter().filter(|key| !implicit.iter().any(|masking| masking.name == key.name));
        let mut keys: Vec<ConfigKey> = implicit.iter().chain(own).cloned().collect();
        let groups: Vec<String> = def.groups().into_iter().map(str::to_owned).collect();
        keys.sort_by(|a, b| compare(a, b, &groups));
        keys
    }
}

/// Headings first come first; then place under the heading, required keys, importance, name.
fn compare(a: &ConfigKey, b: &ConfigKey, groups: &[String]) -> Ordering {
    let heading = |key: &ConfigKey| key.group.as_deref().map(|group| groups.iter().position(|g| g == group));
    let rank = |key: &ConfigKey| {
        let importance = match key.importance {
            Importance::High => 0,
            Importance::Medium => 1,
            Importance::Low => 2,
        };
        (heading(key), key.order, key.default != Default::Required, importance)
    };
    rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
}

/// `key` under `prefix`, at `place` under the heading of its alias (`ConfigDef.embed`).
fn embedded(key: ConfigKey, prefix: &str, group: &str, place: i32) -> ConfigKey {
    let group = match &key.group {
        Some(own) => format!("{group}: {own}"),
        None => group.to_owned(),
    };
    let label = key.label().to_owned();
    let dependents = key.dependents.iter().map(|dependent| format!("{prefix}{dependent}").into()).collect();
    ConfigKey {
        name: format!("{prefix}{}", key.name).into(),
        group: Some(group.into()),
        order: place,
        display_name: Some(label.into()),
        dependents,
        ..key
    }
}
