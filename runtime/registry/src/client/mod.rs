//! A client of Confluent's schema registry REST API, version 1 (`application/vnd.schemaregistry.v1+json`).
//!
//! Source: Confluent documentation, "Schema Registry API Reference".

mod auth;
mod http;
mod rest;
mod types;

pub use auth::Credentials;
pub use http::{Failure, is_transient};
pub use rest::RegistryClient;
pub use types::{Reference, Registered, SchemaText, SchemaType};
