//! Which settings are passwords.

use couplet_api::config::{ConfigDef, ConfigType, Props};

use crate::connector_config::{PREDICATES, TRANSFORMS};
use crate::plugins::Plugins;
use crate::validate::is_client_password;
use crate::worker_keys;

/// Ends of keys that hold a secret whatever plugin they are for.
const TELLING_ENDS: [&str; 5] = ["password", "secret", "secret.access.key", "jaas.config", "user.info"];
/// What settings of Kafka clients stand under.
const CLIENTS: [&str; 6] =
    ["producer.override.", "consumer.override.", "admin.override.", "producer.", "consumer.", "admin."];

/// The passwords among the settings of a connector, of its class, transforms, predicates, converters and clients.
pub(crate) fn in_connector(plugins: &Plugins, props: &Props) -> Vec<String> {
    let class = props.get("connector.class").and_then(|class| plugins.connector(class.trim()));
    let mut defined: Vec<(String, ConfigDef)> = Vec::new();
    defined.extend(class.map(|connector| (String::new(), connector.plugin().config_def())));
    let mut add = |prefix: String, class: Option<&str>| {
        let def = class.and_then(|class| plugins.find(class.trim(), |plugin| Some(plugin.config_def())));
        defined.extend(def.map(|def| (prefix, def)));
    };
    for list in [TRANSFORMS, PREDICATES] {
        for alias in props.get(list).unwrap_or_default().split(',').map(str::trim).filter(|alias| !alias.is_empty()) {
            let prefix = format!("{list}.{alias}.");
            let class = props.get(&format!("{prefix}type"));
            add(prefix, class);
        }
    }
    for key in ["key.converter", "value.converter", "header.converter"] {
        add(format!("{key}."), props.get(key));
    }
    let is_defined = |key: &str| {
        defined.iter().any(|(prefix, def)| {
            let own = key.strip_prefix(prefix.as_str()).and_then(|key| def.key(key));
            own.is_some_and(|key| key.kind == ConfigType::Password)
        })
    };
    values(props, |key| is_defined(key) || is_telling(key))
}

/// The passwords among the settings of a worker, of its converters and clients.
pub(crate) fn in_worker(props: &Props) -> Vec<String> {
    values(props, |key| worker_keys::is_password(key) || is_telling(key))
}

fn is_telling(key: &str) -> bool {
    let client = CLIENTS.iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    is_client_password(client) || TELLING_ENDS.iter().any(|end| key.ends_with(end))
}

fn values(props: &Props, is_password: impl Fn(&str) -> bool) -> Vec<String> {
    let value = |(key, value): (&str, Option<&str>)| is_password(key).then_some(value?.to_owned());
    props.iter().filter_map(value).filter(|value| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use couplet_api::Plugin;
    use couplet_api::config::{ConfigKey, Default, Importance};
    use couplet_api::plugin::Factory;

    use super::*;

    fn plugins() -> Plugins {
        fn def() -> ConfigDef {
            ConfigDef::new().define(ConfigKey::new("pin", ConfigType::Password, Default::Null, Importance::High, ""))
        }
        let create = |_: &Props| Err(couplet_api::Error::bug("not made here"));
        Plugins::new(vec![Plugin::Transform(Arc::new(Factory { class: "x.T", version: "1", config_def: def, create }))])
    }

    #[test]
    fn passwords_are_found_wherever_they_may_stand() {
        let rows = [
            ("transforms.a.pin", true),
            ("transforms.b.pin", false),
            ("transforms.a.other", false),
            ("producer.override.sasl.jaas.config", true),
            ("producer.override.ssl.key.password", true),
            ("producer.override.acks", false),
            ("value.converter.schema.registry.basic.auth.user.info", true),
            ("database.password", true),
            ("aws.secret.access.key", true),
            ("password.retries", false),
        ];
        for (key, want) in rows {
            let props = Props::from_iter([("transforms", "a"), ("transforms.a.type", "T"), (key, "v")]);
            assert_eq!(in_connector(&plugins(), &props).len(), usize::from(want), "{key}");
        }
        let worker = Props::from_iter([
            ("ssl.truststore.password", "a"),
            ("producer.sasl.jaas.config", "b"),
            ("listeners.https.ssl.key.password", "c"),
            ("group.id", "d"),
        ]);
        assert_eq!(in_worker(&worker), ["a", "b", "c"]);
    }
}
