//! Class names and aliases to plugins.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::Plugin;
use couplet_api::connector::{ConnectorPlugin, SinkPlugin, SourcePlugin};
use couplet_api::plugin::{ConverterFactory, HeaderConverterFactory, PredicateFactory, TransformFactory};

/// Every plugin this worker offers, in the order `/connector-plugins` lists them: sinks, sources, transforms, predicates,
/// converters, header converters, each sorted by class.
#[derive(Clone, Default)]
pub struct Plugins {
    list: Arc<[Plugin]>,
    /// Alias to full class name; only aliases that mean one class.
    aliases: Arc<HashMap<String, &'static str>>,
}

/// A connector plugin of either kind.
#[derive(Clone)]
pub enum ConnectorKind {
    /// Source.
    Source(Arc<dyn SourcePlugin>),
    /// Sink.
    Sink(Arc<dyn SinkPlugin>),
}

impl ConnectorKind {
    /// What both kinds have in common.
    pub fn plugin(&self) -> &dyn ConnectorPlugin {
        match self {
            ConnectorKind::Source(plugin) => plugin.as_ref(),
            ConnectorKind::Sink(plugin) => plugin.as_ref(),
        }
    }
}

impl Plugins {
    /// Takes the registry's list, in any order.
    pub fn new(mut list: Vec<Plugin>) -> Self {
        list.sort_by_key(|plugin| (rank(plugin), plugin.class()));
        let mut aliases: HashMap<String, Option<&'static str>> = HashMap::new();
        for plugin in &list {
            let class = plugin.class();
            for alias in [simple_name(class), pruned_name(class, suffix(plugin))] {
                let meant = aliases.entry(alias.to_owned()).or_insert(Some(class));
                if *meant != Some(class) {
                    *meant = None;
                }
            }
        }
        let unique = aliases.into_iter().filter_map(|(alias, class)| Some((alias, class?))).collect();
        Plugins { list: list.into(), aliases: Arc::new(unique) }
    }

    /// All plugins, in the order of the listing.
    pub fn all(&self) -> &[Plugin] {
        &self.list
    }

    /// The full name of the class users mean by `class_or_alias`, when there is a plugin of that name.
    pub fn class(&self, class_or_alias: &str) -> Option<&'static str> {
        let full = self.list.iter().map(Plugin::class).find(|class| *class == class_or_alias);
        full.or_else(|| self.aliases.get(class_or_alias).copied())
    }

    /// The connector users call `class_or_alias`: full name, simple name, or simple name without `Connector`.
    pub fn connector(&self, class_or_alias: &str) -> Option<ConnectorKind> {
        self.find(class_or_alias, |plugin| match plugin {
            Plugin::Source(p) => Some(ConnectorKind::Source(p.clone())),
            Plugin::Sink(p) => Some(ConnectorKind::Sink(p.clone())),
            _ => None,
        })
    }

    /// The converter of keys and values called `class_or_alias`.
    pub fn converter(&self, class_or_alias: &str) -> Option<Arc<ConverterFactory>> {
        self.find(class_or_alias, |plugin| match plugin {
            Plugin::Converter(p) => Some(p.clone()),
            _ => None,
        })
    }

    /// The converter of headers called `class_or_alias`.
    pub fn header_converter(&self, class_or_alias: &str) -> Option<Arc<HeaderConverterFactory>> {
        self.find(class_or_alias, |plugin| match plugin {
            Plugin::HeaderConverter(p) => Some(p.clone()),
            _ => None,
        })
    }

    /// The transform called `class_or_alias`.
    pub fn transform(&self, class_or_alias: &str) -> Option<Arc<TransformFactory>> {
        self.find(class_or_alias, |plugin| match plugin {
            Plugin::Transform(p) => Some(p.clone()),
            _ => None,
        })
    }

    /// The predicate called `class_or_alias`.
    pub fn predicate(&self, class_or_alias: &str) -> Option<Arc<PredicateFactory>> {
        self.find(class_or_alias, |plugin| match plugin {
            Plugin::Predicate(p) => Some(p.clone()),
            _ => None,
        })
    }

    /// The first plugin of the class that `pick` accepts.
    pub fn find<T>(&self, class_or_alias: &str, pick: impl Fn(&Plugin) -> Option<T>) -> Option<T> {
        let class = self.class(class_or_alias)?;
        self.list.iter().filter(|p| p.class() == class).find_map(pick)
    }
}

/// The name of the plugin's type, as listings show it.
pub const fn type_name(plugin: &Plugin) -> &'static str {
    match plugin {
        Plugin::Sink(_) => "sink",
        Plugin::Source(_) => "source",
        Plugin::Transform(_) => "transformation",
        Plugin::Predicate(_) => "predicate",
        Plugin::Converter(_) => "converter",
        Plugin::HeaderConverter(_) => "header_converter",
    }
}

/// Place of the plugin's type in listings.
const fn rank(plugin: &Plugin) -> u8 {
    match plugin {
        Plugin::Sink(_) => 0,
        Plugin::Source(_) => 1,
        Plugin::Transform(_) => 2,
        Plugin::Predicate(_) => 3,
        Plugin::Converter(_) => 4,
        Plugin::HeaderConverter(_) => 5,
    }
}

/// The end of a simple name that may be left out (`PluginUtils.prunedName`).
const fn suffix(plugin: &Plugin) -> &'static str {
    match plugin {
        Plugin::Sink(_) | Plugin::Source(_) => "Connector",
        Plugin::Transform(_) => "Transformation",
        Plugin::Predicate(_) => "Predicate",
        Plugin::Converter(_) => "Converter",
        Plugin::HeaderConverter(_) => "HeaderConverter",
    }
}

/// `Class.getSimpleName`: inner classes go by their own name.
fn simple_name(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

fn pruned_name<'a>(class: &'a str, suffix: &str) -> &'a str {
    let simple = simple_name(class);
    match simple.rfind(suffix) {
        Some(at) if at > 0 => &simple[..at],
        _ => simple,
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::config::ConfigDef;
    use couplet_api::plugin::Factory;

    use super::*;

    fn transform(class: &'static str) -> Plugin {
        let create = |_: &couplet_api::config::Props| Err(couplet_api::Error::bug("not made here"));
        Plugin::Transform(Arc::new(Factory { class, version: "1", config_def: ConfigDef::new, create }))
    }

    fn header_converter(class: &'static str) -> Plugin {
        let create = |_: &couplet_api::config::Props| Err(couplet_api::Error::bug("not made here"));
        Plugin::HeaderConverter(Arc::new(Factory { class, version: "1", config_def: ConfigDef::new, create }))
    }

    #[test]
    fn aliases_are_those_of_the_jvm() {
        let plugins = Plugins::new(vec![
            header_converter("x.SimpleHeaderConverter"),
            transform("x.RegexRouter"),
            transform("x.Hoist$Value"),
            transform("x.Cast$Value"),
            transform("y.Filter"),
        ]);
        let rows = [
            ("x.RegexRouter", Some("x.RegexRouter")),
            ("RegexRouter", Some("x.RegexRouter")),
            ("SimpleHeaderConverter", Some("x.SimpleHeaderConverter")),
            ("Simple", Some("x.SimpleHeaderConverter")),
            ("x.Hoist$Value", Some("x.Hoist$Value")),
            // Two classes share the name: it means neither.
            ("Value", None),
            ("Hoist$Value", None),
            ("regexrouter", None),
            ("x.Hoist", None),
            ("", None),
        ];
        for (given, want) in rows {
            assert_eq!(plugins.class(given), want, "{given}");
        }
        let listed: Vec<_> = plugins.all().iter().map(Plugin::class).collect();
        assert_eq!(listed, ["x.Cast$Value", "x.Hoist$Value", "x.RegexRouter", "y.Filter", "x.SimpleHeaderConverter"]);
    }

    #[test]
    fn connectors_lose_their_suffix() {
        assert_eq!(pruned_name("a.b.FileStreamSinkConnector", "Connector"), "FileStreamSink");
        assert_eq!(pruned_name("a.Connector", "Connector"), "Connector");
    }
}
