//! Settings of the connector: keys, what may be said together, and what is made of them.

mod checks;
mod keys;
mod known;
mod rules;
mod settings;

pub use keys::S3Config;
pub(crate) use known::ENVIRONMENT_CREDENTIALS;
pub(crate) use rules::validate;
pub(crate) use settings::{OnNull, Settings, endpoint_url};
