//! Settings of Kafka clients that a connector overrides (KIP-458), and who may.

use couplet_api::config::{ConfigType, ConfigValue, Props, Setting};

use super::client_keys::Client;
use super::config_infos::{ConfigInfo, ConfigInfos, KeyInfo};
use crate::hash_map_order;
use crate::worker_config::OverridePolicy;

/// Every override of `client` in `props`, and whether `policy` allows it.
///
/// # Errors
/// The sentence about a value that does not have its key's type.
pub(super) fn validate(client: Client, props: &Props, policy: &OverridePolicy) -> Result<ConfigInfos, String> {
    // The settings come out of one map by their whole keys, and go into another by the rest.
    let mut all: Vec<(&str, Option<&str>)> = props.iter().collect();
    hash_map_order::sort_copy(&mut all, |(key, _)| key);
    let own = |(key, value)| Some((str::strip_prefix(key, client.prefix())?, value));
    let mut entries: Vec<(&str, Option<&str>)> = all.into_iter().filter_map(own).collect();
    hash_map_order::sort(&mut entries, |(key, _)| key);
    let mut infos = ConfigInfos::empty();
    for (name, given) in entries {
        let key = client.key(name);
        let value = match (given, &key) {
            (None, _) => Setting::Null,
            (Some(text), None) => Setting::Str(text.to_owned()),
            (Some(text), Some(key)) => parse(key.kind, text)
                .map_err(|problem| format!("Invalid value {text} for configuration {name}: {problem}"))?,
        };
        let errors = policy.refusal(name).into_iter().collect::<Vec<_>>();
        infos.error_count += usize::from(!errors.is_empty());
        let name = format!("{}{name}", client.prefix());
        let value = ConfigValue { name, value, recommended: Vec::new(), errors, visible: true };
        infos.configs.push(ConfigInfo {
            definition: key.map(|key| KeyInfo::new(&key, client.prefix())),
            value: Some(value.into()),
        });
    }
    Ok(infos)
}

/// Reads a value. Only Kafka's own classes can be meant: there is no class path that could hold others.
fn parse(kind: ConfigType, text: &str) -> Result<Setting, String> {
    let setting = kind.parse(text)?;
    match &setting {
        Setting::Str(class) if kind == ConfigType::Class && !class.starts_with("org.apache.kafka.") => {
            Err(format!("Class {class} could not be found."))
        }
        _ => Ok(setting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_refuse_by_key() {
        let props = Props::from_iter([
            ("producer.override.acks", "1"),
            ("producer.override.sasl.jaas.config", "secret"),
            ("producer.override.zzz", "5"),
            ("consumer.override.x", "1"),
        ]);
        let errors = |policy| {
            let infos = validate(Client::Producer, &props, &policy).expect("values have their types");
            (infos.configs.len(), infos.error_count, infos.errors().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(errors(OverridePolicy::All), (3, 0, vec![]));
        let (_, count, texts) = errors(OverridePolicy::Principal);
        assert_eq!(count, 2);
        assert!(texts.contains(
            &"The 'Principal' policy does not allow 'acks' to be overridden in the connector configuration.".to_owned()
        ));
        assert_eq!(errors(OverridePolicy::None).1, 3);
        assert_eq!(errors(OverridePolicy::Allowlist(vec!["acks".to_owned()])).1, 2);
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_and_a_secret_is_hidden() {
        let props = Props::from_iter([("producer.override.linger.ms", "abc")]);
        let refused = validate(Client::Producer, &props, &OverridePolicy::All).expect_err("not a number");
        assert_eq!(refused, "Invalid value abc for configuration linger.ms: Not a number of type LONG");
        let props = Props::from_iter([("producer.override.sasl.jaas.config", "secret")]);
        let infos = validate(Client::Producer, &props, &OverridePolicy::All).expect("text");
        let shown = infos.configs[0].value.as_ref().and_then(|v| v.value.clone());
        assert_eq!(shown.as_deref(), Some("[hidden]"));
    }
}
