//! A plugin of any kind, as crates hand them to the worker's registry.

use std::sync::Arc;

use crate::Result;
use crate::config::{ConfigDef, Props};
use crate::connector::{SinkPlugin, SourcePlugin};
use crate::converter::{Converter, HeaderConverter};
use crate::predicate::Predicate;
use crate::transform::Transform;

/// Makes one kind of small plugin: `create` gets the settings with their prefix cut off.
pub struct Factory<C> {
    /// Full Java class name; inner classes as Java prints them (`…InsertField$Value`).
    pub class: &'static str,
    /// Version of the original.
    pub version: &'static str,
    /// Its settings.
    pub config_def: fn() -> ConfigDef,
    /// Checks the settings and makes the plugin.
    pub create: C,
}

/// Makes a converter; the flag says whether it is for keys.
pub type ConverterFactory = Factory<fn(&Props, bool) -> Result<Arc<dyn Converter>>>;
/// Makes a header converter.
pub type HeaderConverterFactory = Factory<fn(&Props) -> Result<Arc<dyn HeaderConverter>>>;
/// Makes a transform.
pub type TransformFactory = Factory<fn(&Props) -> Result<Arc<dyn Transform>>>;
/// Makes a predicate.
pub type PredicateFactory = Factory<fn(&Props) -> Result<Arc<dyn Predicate>>>;

/// A plugin of any kind.
#[derive(Clone)]
pub enum Plugin {
    /// A source connector.
    Source(Arc<dyn SourcePlugin>),
    /// A sink connector.
    Sink(Arc<dyn SinkPlugin>),
    /// A converter for keys and values.
    Converter(Arc<ConverterFactory>),
    /// A converter for headers.
    HeaderConverter(Arc<HeaderConverterFactory>),
    /// A transform.
    Transform(Arc<TransformFactory>),
    /// A predicate.
    Predicate(Arc<PredicateFactory>),
}

impl Plugin {
    /// Full Java class name.
    pub fn class(&self) -> &'static str {
        match self {
            Plugin::Source(p) => p.class(),
            Plugin::Sink(p) => p.class(),
            Plugin::Converter(p) => p.class,
            Plugin::HeaderConverter(p) => p.class,
            Plugin::Transform(p) => p.class,
            Plugin::Predicate(p) => p.class,
        }
    }

    /// Version of the original.
    pub fn version(&self) -> &'static str {
        match self {
            Plugin::Source(p) => p.version(),
            Plugin::Sink(p) => p.version(),
            Plugin::Converter(p) => p.version,
            Plugin::HeaderConverter(p) => p.version,
            Plugin::Transform(p) => p.version,
            Plugin::Predicate(p) => p.version,
        }
    }

    /// Its own settings.
    pub fn config_def(&self) -> ConfigDef {
        match self {
            Plugin::Source(p) => p.config_def(),
            Plugin::Sink(p) => p.config_def(),
            Plugin::Converter(p) => (p.config_def)(),
            Plugin::HeaderConverter(p) => (p.config_def)(),
            Plugin::Transform(p) => (p.config_def)(),
            Plugin::Predicate(p) => (p.config_def)(),
        }
    }
}
