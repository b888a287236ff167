//! The secrets this process knows, and how they are kept out of every text that leaves it: log lines, states, REST
//! messages, headers of dead letters.
//!
//! A value is a secret when a config provider gave it, or when it stands under a key of type PASSWORD of a connector, its
//! converters, transforms or clients, or of the worker. Known to the whole process, because logs are the process's.

mod matcher;
mod password_keys;
mod vault;

pub(crate) use matcher::is_telling;
pub(crate) use password_keys::{in_connector, in_worker};
pub(crate) use vault::{hold, keep};
pub use vault::{redact, redact_bytes};
