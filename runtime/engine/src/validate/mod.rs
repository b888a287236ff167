//! Whether a connector's settings are right: what `PUT /connector-plugins/{p}/config/validate` answers, and what is asked
//! before a connector is created or changed.
//!
//! Order and wording follow `AbstractHerder.validateConnectorConfig` of Kafka 4.1.

mod client_keys;
mod client_overrides;
mod config_infos;
mod connector;
mod converters;
mod hints;
mod recommended;
mod record_plugins;
pub(crate) mod version_range;

pub(crate) use client_keys::is_client_password;
pub use config_infos::{ConfigInfo, ConfigInfos, KeyInfo, ValueInfo};
pub use connector::{Refused, check, plugin_config, validate_connector};
pub use hints::{UnknownKey, unknown_keys};
pub use version_range::VersionRange;
