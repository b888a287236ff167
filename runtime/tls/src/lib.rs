//! TLS as Kafka's `ssl.*` settings describe it, for clients and servers alike.
//!
//! [`Tls::from_props`] reads key stores and trust stores of every kind Java users have (PEM in files or in settings, PKCS#12,
//! JKS), and makes of them a rustls configuration, or PEM texts for libraries that take those. Settings and defaults are those of
//! `org.apache.kafka.common.config.SslConfigs`; what a Java virtual machine alone can do is refused by the name of its key.

mod settings;
mod stores;
mod tls;
mod verifier;

pub use settings::ClientAuth;
pub use tls::Tls;
