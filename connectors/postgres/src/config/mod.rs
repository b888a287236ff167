//! The connector's settings: every key of Debezium's PostgreSQL connector with its type, default and check, and what
//! they mean together.

mod checks;
mod connection;
mod converters;
mod events;
mod not_built;
mod process;
mod reader;
mod settings;

use couplet_api::config::{ConfigType, Importance, Width};
use couplet_cdc::{Check, Field, Group};

pub(crate) use converters::check_converters;
pub(crate) use settings::validate;
pub use settings::{
    ConnectionConfig, HstoreMode, IsolationMode, PgConfig, PublicationMode, SnapshotConfig, SslMode, TableOrder,
    ValueConfig,
};

/// All settings under the headings Debezium gives them.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "Postgres", fields: connection::CONNECTION },
    Group { name: "Connector", fields: process::PROCESS },
    Group { name: "Events", fields: events::EVENTS },
];

const fn row(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    importance: Importance,
    (width, display): (Width, &'static str),
    check: Check,
    doc: &'static str,
) -> Field {
    Field { name, kind, default, importance, width, display, check, doc }
}

/// A row of little importance whose label is its name.
const fn unlabelled(name: &'static str, kind: ConfigType, default: Option<&'static str>, doc: &'static str) -> Field {
    row(name, kind, default, Importance::Low, (Width::None, name), Check::None, doc)
}
