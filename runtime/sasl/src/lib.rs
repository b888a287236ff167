//! SASL as Kafka's `security.protocol` and `sasl.*` settings describe it: settings and JAAS texts read once for every kind of
//! client, and the client's side of PLAIN, SCRAM and OAUTHBEARER for those that speak Kafka's protocol themselves.
//!
//! What only a Java virtual machine can do (Kerberos, callback classes) is refused by the name of its key.

mod credentials;
mod exchange;
mod jaas;
mod oauth;
mod protocol;
mod scram;

pub use credentials::{Credentials, ScramHash};
pub use exchange::Exchange;
pub use oauth::UnsecuredToken;
pub use protocol::SecurityProtocol;
