//! Config providers: placeholders `${provider:[path:]key}` in settings, and where their values come from.
//!
//! As Kafka's `ConfigTransformer` and `WorkerConfigTransformer`: settings are stored, shown and sent to other workers with
//! their placeholders; values are looked up when a connector is checked or started, and only the plugin sees them.

mod allowed_paths;
mod directory;
mod env_var;
mod file;
mod placeholder;
mod provider;
mod providers;

pub use provider::ConfigProvider;
pub use providers::{Looked, Providers, Resolved};
