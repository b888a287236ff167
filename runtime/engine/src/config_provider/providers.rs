//! The providers of a worker, and settings with their placeholders resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::{Error, Result};

use super::placeholder;
use super::provider::{ConfigProvider, make};
use crate::secrets;

/// Prefix of the settings of a provider: `config.providers.<name>.`.
const PREFIX: &str = "config.providers";
/// A parameter of ours, of any provider: after so many milliseconds values are looked up again.
const TTL: &str = "couplet.ttl.ms";

/// The providers of `config.providers`, by name. `Debug` prints names only.
#[derive(Default)]
pub struct Providers(BTreeMap<String, Named>);

struct Named {
    provider: Box<dyn ConfigProvider>,
    ttl: Option<Duration>,
}

/// A value that was looked up, and where it stood.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Looked {
    /// The placeholder.
    pub placeholder: String,
    /// Its value: a secret.
    pub value: String,
}

/// Settings whose placeholders are resolved.
pub struct Resolved {
    /// The settings.
    pub props: Props,
    /// The values that were put in.
    pub values: Vec<Looked>,
    /// After how long they may have changed; `None`: nobody knows.
    pub ttl: Option<Duration>,
}

impl Providers {
    /// The providers that `props` define.
    ///
    /// # Errors
    /// `Kind::Config` for a class that is not known and for parameters that cannot be used.
    pub fn new(props: &Props) -> Result<Self> {
        let names = props.get(PREFIX).unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        let mut providers = BTreeMap::new();
        for name in names {
            let key = format!("{PREFIX}.{name}.class");
            // As in Kafka, a name without a class is no provider.
            let Some(class) = props.get(&key).map(str::trim) else { continue };
            let params = props.with_prefix(&format!("{PREFIX}.{name}.param."));
            let made = make(class, &params).map_err(|error| {
                Error::config(format!("Invalid settings under {PREFIX}.{name}.param.: {}", error.message()))
            })?;
            let provider = made.ok_or_else(|| {
                Error::config(format!(
                    "Invalid value {class} for configuration {key}: Could not load config provider class or one of its \
                     dependencies; use FileConfigProvider, DirectoryConfigProvider or EnvVarConfigProvider of \
                     org.apache.kafka.common.config.provider"
                ))
            })?;
            providers.insert(name.to_owned(), Named { provider, ttl: ttl(name, &params)? });
        }
        Ok(Providers(providers))
    }

    /// `props` with all placeholders of known providers resolved. A key that a provider does not know stays as it is.
    ///
    /// # Errors
    /// What a provider says.
    pub fn resolve(&self, props: &Props) -> Result<Resolved> {
        let mut wanted: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for found in props.iter().filter_map(|(_, text)| text).flat_map(placeholder::all) {
            if let Some((name, _)) = self.0.get_key_value(found.provider) {
                wanted.entry((name, found.path)).or_default().insert(found.key);
            }
        }
        if wanted.is_empty() {
            return Ok(Resolved { props: props.clone(), values: Vec::new(), ttl: None });
        }
        let (mut looked, mut ttl) = (BTreeMap::new(), None);
        for ((name, path), keys) in &wanted {
            let named = &self.0[*name];
            looked.insert((*name, *path), named.provider.get(path, keys)?);
            ttl = [ttl, named.ttl].into_iter().flatten().min();
        }
        let value = |p: &placeholder::Placeholder<'_>| looked.get(&(p.provider, p.path))?.get(p.key).cloned();
        let mut resolved = Props::new();
        for (key, text) in props.iter() {
            resolved.set_nullable(key, text.map(|text| placeholder::replace(text, value)));
        }
        let values = props.iter().filter_map(|(_, text)| text).flat_map(placeholder::all);
        let values: BTreeSet<Looked> =
            values.filter_map(|p| Some(Looked { value: value(&p)?, placeholder: p.whole.to_owned() })).collect();
        Ok(Resolved { props: resolved, values: values.into_iter().collect(), ttl })
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Resolved {
    /// `task`, a config that the connector made of these settings, as it may be stored: keys that the connector's own
    /// config, `raw`, gives with placeholders have them again (Kafka's `reverseTransform`), and so do secrets that the
    /// connector put into keys of its own.
    pub fn restored(&self, raw: &Props, task: &Props) -> Props {
        let mut stored = Props::new();
        for (key, text) in task.iter() {
            let given = raw.get(key).filter(|given| placeholder::is_in(given));
            let text = text.map(|text| match given {
                Some(given) => given.to_owned(),
                None => self
                    .values
                    .iter()
                    .filter(|looked| secrets::is_telling(&looked.value))
                    .fold(text.to_owned(), |text, looked| text.replace(&looked.value, &looked.placeholder)),
            });
            stored.set_nullable(key, text);
        }
        stored
    }
}

fn ttl(name: &str, params: &Props) -> Result<Option<Duration>> {
    let Some(text) = params.get(TTL) else { return Ok(None) };
    let ms = text.trim().parse().ok().filter(|ms| *ms > 0);
    let ms = ms.ok_or_else(|| {
        Error::config(format!(
            "Invalid value {text} for configuration {PREFIX}.{name}.param.{TTL}: must be a number of milliseconds above 0"
        ))
    })?;
    Ok(Some(Duration::from_millis(ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";

    fn providers(more: &[(&str, &str)]) -> Result<Providers> {
        let base = [("config.providers", "file, none"), ("config.providers.file.class", CLASS)];
        Providers::new(&base.iter().chain(more).copied().collect())
    }

    #[test]
    fn placeholders_anywhere_are_resolved_and_unknown_ones_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s").display().to_string();
        std::fs::write(&path, "user=me\npass=s3cr${file:x:y}et\nn=\n").expect("a file");
        let providers = providers(&[("config.providers.file.param.couplet.ttl.ms", "1500")]).expect("valid");
        let rows = [
            (format!("${{file:{path}:user}}:${{file:{path}:pass}}@h"), "me:s3cr${file:x:y}et@h".to_owned()),
            (format!("a${{file:{path}:n}}b"), "ab".to_owned()),
            (format!("${{file:{path}:gone}}"), format!("${{file:{path}:gone}}")),
            ("${vault:a:b}".to_owned(), "${vault:a:b}".to_owned()),
            ("${none:b}".to_owned(), "${none:b}".to_owned()),
            ("plain $ {".to_owned(), "plain $ {".to_owned()),
        ];
        for (given, want) in rows {
            let resolved = providers.resolve(&Props::from_iter([("k", given.as_str())])).expect("resolved");
            assert_eq!(resolved.props.get("k"), Some(want.as_str()), "{given}");
            let is_looked_up = given.starts_with("${file") || given.starts_with("a$");
            assert_eq!(resolved.ttl, is_looked_up.then_some(Duration::from_millis(1500)), "{given}");
        }
        let mut props = Props::new();
        props.set_nullable("k", None);
        assert_eq!(providers.resolve(&props).expect("null").props, props);
        let error = providers.resolve(&Props::from_iter([("k", "${file:/no/file:x}")])).err().expect("no file");
        assert_eq!(error.message(), "Could not read properties from file /no/file");
    }

    #[test]
    fn task_configs_are_stored_with_placeholders() {
        let resolved = Resolved {
            props: Props::new(),
            values: vec![Looked { placeholder: "${env:P}".to_owned(), value: "p4ssw0rd!".to_owned() }],
            ttl: None,
        };
        let raw = Props::from_iter([("password", "${env:P}"), ("prefix", "x${env:NONE}"), ("plain", "1")]);
        let task = Props::from_iter([
            ("password", "p4ssw0rd!"),
            ("prefix", "x${env:NONE}"),
            ("url", "db://me:p4ssw0rd!@h"),
            ("plain", "1"),
        ]);
        let want = Props::from_iter([
            ("password", "${env:P}"),
            ("prefix", "x${env:NONE}"),
            ("url", "db://me:${env:P}@h"),
            ("plain", "1"),
        ]);
        assert_eq!(resolved.restored(&raw, &task), want);
    }

    #[test]
    fn mistakes_name_key_and_value() {
        let rows = [
            ("config.providers.file.class", "com.acme.Vault", "config.providers.file.class"),
            ("config.providers.file.param.allowed.paths", "relative", "Path relative is not absolute"),
            ("config.providers.file.param.couplet.ttl.ms", "0", "couplet.ttl.ms"),
        ];
        for (key, value, want) in rows {
            let error = providers(&[(key, value)]).expect_err(key);
            assert!(error.message().contains(want) && error.message().contains(value), "{error}");
        }
    }
}
