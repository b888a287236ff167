//! Class names and aliases to plugins.

use couplet_api::Plugin;
use couplet_api::connector::{SinkPlugin, SourcePlugin};
use std::sync::Arc;

/// Every plugin this worker offers, in the order of the registry.
#[derive(Clone, Default)]
pub struct Plugins {
    list: Vec<Plugin>,
}

/// A connector plugin of either kind.
#[derive(Clone)]
pub enum ConnectorKind {
    /// Source.
    Source(Arc<dyn SourcePlugin>),
    /// Sink.
    Sink(Arc<dyn SinkPlugin>),
}

impl Plugins {
    /// Takes the registry's list.
    pub fn new(list: Vec<Plugin>) -> Self {
        Plugins { list }
    }

    /// All plugins.
    pub fn all(&self) -> &[Plugin] {
        &self.list
    }

    /// The connector users call `class_or_alias`: full name, simple name, or simple name without `Connector`.
    pub fn connector(&self, class_or_alias: &str) -> Option<ConnectorKind> {
        self.list.iter().find_map(|plugin| match plugin {
            Plugin::Source(p) if names(p.class(), "Connector", class_or_alias) => {
                Some(ConnectorKind::Source(p.clone()))
            }
            Plugin::Sink(p) if names(p.class(), "Connector", class_or_alias) => Some(ConnectorKind::Sink(p.clone())),
            _ => None,
        })
    }

    /// The first plugin that `class_or_alias` names and `pick` accepts. `suffix` is the part of a simple name that may
    /// be left out, as `PluginUtils.prunedName` has it: `Converter`, `HeaderConverter`, `Transformation`, `Predicate`.
    pub fn find<T>(&self, class_or_alias: &str, suffix: &str, pick: impl Fn(&Plugin) -> Option<T>) -> Option<T> {
        self.list.iter().filter(|p| names(p.class(), suffix, class_or_alias)).find_map(pick)
    }
}

/// Whether `given` names `class`: in full, by its simple name, or by that without `suffix`.
fn names(class: &str, suffix: &str, given: &str) -> bool {
    let simple = class.rsplit('.').next().unwrap_or(class);
    given == class || given == simple || simple.strip_suffix(suffix) == Some(given)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn aliases_are_those_of_the_jvm() {
        let class = "org.apache.kafka.connect.file.FileStreamSinkConnector";
        for given in [class, "FileStreamSinkConnector", "FileStreamSink"] {
            assert!(names(class, "Connector", given), "{given}");
        }
        for given in ["FileStream", "file.FileStreamSinkConnector", "", "filestreamsink"] {
            assert!(!names(class, "Connector", given), "{given}");
        }
    }
}
