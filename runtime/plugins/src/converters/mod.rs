//! Converters between Connect's data and bytes, one class a file. Each also converts headers, as in the JVM.

mod boolean;
mod byte_array;
mod json;
mod number;
mod plain_header;
mod simple_header;
mod string;

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::plugin::Factory;
use couplet_api::{Plugin, Result, config_def};

use crate::KAFKA_VERSION;

config_def! {
    /// The setting that all converters have.
    pub(crate) struct ConverterConfig {
        /// Whether the converter is for keys, values or headers. The worker sets it.
        converter_type: Str = "converter.type", Low, required, one_of_types();
    }
}

/// `ValidString.in` of the three roles.
fn one_of_types() -> couplet_api::config::Validator {
    couplet_api::config::one_of(&["key", "value", "header"])
}

/// `props` with the role that the caller knows.
fn with_type(props: &Props, role: &str) -> Props {
    let mut props = props.clone();
    props.set("converter.type", role);
    props
}

/// What a converter class consists of: its name, its settings, and how to make one.
struct Class {
    name: &'static str,
    config_def: fn() -> couplet_api::config::ConfigDef,
    create: fn(&Props, bool) -> Result<Arc<dyn Converter>>,
    create_header: fn(&Props) -> Result<Arc<dyn HeaderConverter>>,
}

const CLASSES: [Class; 9] = [
    boolean::CLASS,
    byte_array::CLASS,
    number::DOUBLE,
    number::FLOAT,
    number::INTEGER,
    number::LONG,
    number::SHORT,
    json::CLASS,
    string::CLASS,
];

/// The converters of Kafka Connect, then the same as header converters.
pub(crate) fn plugins() -> Vec<Plugin> {
    let converter = |class: &Class| {
        Plugin::Converter(Arc::new(Factory {
            class: class.name,
            version: KAFKA_VERSION,
            config_def: class.config_def,
            create: class.create,
        }))
    };
    let header_converter = |class: &Class| {
        Plugin::HeaderConverter(Arc::new(Factory {
            class: class.name,
            version: KAFKA_VERSION,
            config_def: class.config_def,
            create: class.create_header,
        }))
    };
    let simple = Plugin::HeaderConverter(Arc::new(Factory {
        class: simple_header::NAME,
        version: KAFKA_VERSION,
        config_def: simple_header::config_def,
        create: simple_header::create,
    }));
    let (string, others) = CLASSES.split_last().map_or((None, &CLASSES[..]), |(last, others)| (Some(last), others));
    let headers = others.iter().map(header_converter).chain([simple]).chain(string.map(header_converter));
    CLASSES.iter().map(converter).chain(headers).collect()
}
