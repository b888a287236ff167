//! Confluent's transforms (`connect-transforms`), written after their public documentation.

mod drop;
mod extract_topic;
mod filter;
mod message_timestamp_router;
mod tombstone_handler;

use super::side::Side;
use super::{Class, replace_field};

/// Version of the package whose transforms these are.
pub(super) const VERSION: &str = "1.6.1";

/// The transforms, in the order of their names.
pub(super) const CLASSES: [Class; 11] = [
    Class {
        name: "io.confluent.connect.transforms.Drop$Key",
        config_def: drop::config_def,
        create: |props| drop::create(props, Side::Key),
    },
    Class {
        name: "io.confluent.connect.transforms.Drop$Value",
        config_def: drop::config_def,
        create: |props| drop::create(props, Side::Value),
    },
    Class {
        name: "io.confluent.connect.transforms.ExtractTopic$Header",
        config_def: extract_topic::config_def,
        create: |props| extract_topic::create(props, extract_topic::From::Header),
    },
    Class {
        name: "io.confluent.connect.transforms.ExtractTopic$Key",
        config_def: extract_topic::config_def,
        create: |props| extract_topic::create(props, extract_topic::From::Side(Side::Key)),
    },
    Class {
        name: "io.confluent.connect.transforms.ExtractTopic$Value",
        config_def: extract_topic::config_def,
        create: |props| extract_topic::create(props, extract_topic::From::Side(Side::Value)),
    },
    Class {
        name: "io.confluent.connect.transforms.Filter$Key",
        config_def: filter::config_def,
        create: |props| filter::create(props, Side::Key),
    },
    Class {
        name: "io.confluent.connect.transforms.Filter$Value",
        config_def: filter::config_def,
        create: |props| filter::create(props, Side::Value),
    },
    Class {
        name: "io.confluent.connect.transforms.MessageTimestampRouter",
        config_def: message_timestamp_router::config_def,
        create: message_timestamp_router::create,
    },
    Class {
        name: "io.confluent.connect.transforms.ReplaceField$Key",
        config_def: replace_field::config_def,
        create: |props| replace_field::create(props, Side::Key),
    },
    Class {
        name: "io.confluent.connect.transforms.ReplaceField$Value",
        config_def: replace_field::config_def,
        create: |props| replace_field::create(props, Side::Value),
    },
    Class {
        name: "io.confluent.connect.transforms.TombstoneHandler",
        config_def: tombstone_handler::config_def,
        create: tombstone_handler::create,
    },
];
