//! Single message transforms, one class a file; `$Key` and `$Value` of a class differ in the side they work on.

mod cast;
mod confluent;
mod debezium;
mod drop_headers;
mod extract_field;
mod field_path;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod mask_field;
mod regex_router;
mod replace_field;
mod row;
mod schema_cache;
mod set_schema_metadata;
mod side;
mod timestamp_converter;
mod timestamp_router;
mod validators;
mod value_to_key;

pub(crate) use validators::regex_pattern;

use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::plugin::Factory;
use couplet_api::transform::Transform;
use couplet_api::{Plugin, Result};

use crate::KAFKA_VERSION;
use side::Side;

/// What a transform class consists of: its name, its settings, and how to make one.
struct Class {
    name: &'static str,
    config_def: fn() -> ConfigDef,
    create: fn(&Props) -> Result<Arc<dyn Transform>>,
}

/// The class `$name` of Kafka Connect, made by `create` of the module.
macro_rules! class {
    ($module:ident, $name:literal) => {
        Class {
            name: concat!("org.apache.kafka.connect.transforms.", $name),
            config_def: $module::config_def,
            create: $module::create,
        }
    };
    ($module:ident, $name:literal, $side:ident) => {
        Class {
            name: concat!("org.apache.kafka.connect.transforms.", $name, "$", stringify!($side)),
            config_def: $module::config_def,
            create: |props| $module::create(props, Side::$side),
        }
    };
}

const CLASSES: [Class; 26] = [
    class!(cast, "Cast", Key),
    class!(cast, "Cast", Value),
    class!(drop_headers, "DropHeaders"),
    class!(extract_field, "ExtractField", Key),
    class!(extract_field, "ExtractField", Value),
    class!(filter, "Filter"),
    class!(flatten, "Flatten", Key),
    class!(flatten, "Flatten", Value),
    class!(header_from, "HeaderFrom", Key),
    class!(header_from, "HeaderFrom", Value),
    class!(hoist_field, "HoistField", Key),
    class!(hoist_field, "HoistField", Value),
    class!(insert_field, "InsertField", Key),
    class!(insert_field, "InsertField", Value),
    class!(insert_header, "InsertHeader"),
    class!(mask_field, "MaskField", Key),
    class!(mask_field, "MaskField", Value),
    class!(regex_router, "RegexRouter"),
    class!(replace_field, "ReplaceField", Key),
    class!(replace_field, "ReplaceField", Value),
    class!(set_schema_metadata, "SetSchemaMetadata", Key),
    class!(set_schema_metadata, "SetSchemaMetadata", Value),
    class!(timestamp_converter, "TimestampConverter", Key),
    class!(timestamp_converter, "TimestampConverter", Value),
    class!(timestamp_router, "TimestampRouter"),
    class!(value_to_key, "ValueToKey"),
];

/// The transforms of Kafka Connect, then Debezium's and Confluent's.
pub(crate) fn plugins() -> Vec<Plugin> {
    let packages = [
        (CLASSES.as_slice(), KAFKA_VERSION),
        (debezium::CLASSES.as_slice(), debezium::VERSION),
        (confluent::CLASSES.as_slice(), confluent::VERSION),
    ];
    let plugin = |class: &Class, version| {
        Plugin::Transform(Arc::new(Factory {
            class: class.name,
            version,
            config_def: class.config_def,
            create: class.create,
        }))
    };
    packages.iter().flat_map(|(classes, version)| classes.iter().map(|class| plugin(class, version))).collect()
}
