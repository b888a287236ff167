//! The REST API: Kafka Connect's paths, statuses and bodies.
//!
//! A request passes [`path`] (is it well-formed), [`route`] (which endpoint), [`negotiate`] (content types), the basic-auth
//! extension if there is one, and its handler in `connectors`, `offsets`, `plugins`, `root` or `loggers`. CORS and response
//! headers are put around all of it in `dispatch`. Until the Kafka cluster is found there is one page for everything,
//! [`starting`]; from then on reads are answered from the herder's snapshot and never wait.

mod basic_auth;
mod body;
mod connectors;
mod cors;
mod dispatch;
#[cfg(test)]
mod fake_herder;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod https;
#[cfg(test)]
mod https_tests;
mod internal;
mod java_text;
mod listener;
mod loggers;
mod negotiate;
mod offsets;
mod path;
mod plugins;
mod respond;
mod response_headers;
mod root;
mod route;
mod server;
mod starting;
mod state;
mod views;

pub use loggers::Loggers;
pub use server::RestServer;
pub use state::RestState;
