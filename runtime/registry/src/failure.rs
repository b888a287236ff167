//! What goes wrong between a converter and a registry, in the words of Confluent's converters.

use couplet_api::{Error, Kind};

use crate::client::{Failure, SchemaType, is_transient};

const SERIALIZATION: &str = "org.apache.kafka.common.errors.SerializationException";
/// Class of errors of connections.
const NETWORK: &str = "org.apache.kafka.common.errors.NetworkException";
/// Class of answers with an error.
const REST: &str = "io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException";

/// Kafka's `SerializationException`.
pub fn serialization(message: impl Into<String>) -> Error {
    Error::data(message).with_class(SERIALIZATION)
}

/// Puts what the registry was asked for in front of its answer, as `AbstractKafkaSchemaSerDe.toKafkaException` does.
pub(crate) fn asked_for(message: impl Into<String>, failure: Failure) -> Error {
    let (status, code, text) = match failure {
        Failure::Network(text) => return Error::remote(text).with_class(NETWORK),
        Failure::Answer { status, code, message } => (status, code, message),
    };
    let (kind, class) = match status {
        401 => (Kind::Auth, "org.apache.kafka.common.errors.AuthenticationException"),
        403 => (Kind::Auth, "org.apache.kafka.common.errors.AuthorizationException"),
        _ if is_transient(status) => (Kind::Remote, "org.apache.kafka.common.errors.TimeoutException"),
        _ => (Kind::Data, SERIALIZATION),
    };
    let cause = Error::new(kind, format!("{text}; error code: {code}")).with_class(REST);
    Error::new(kind, message).with_class(class).caused_by(cause)
}

/// Which way data is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To Kafka.
    Serialize,
    /// From Kafka.
    Deserialize,
}

impl Direction {
    /// The error that a converter of `format` fails with because of `cause`.
    #[must_use]
    pub fn failed(self, format: SchemaType, topic: &str, cause: Error) -> Error {
        let name = format.title();
        match cause.kind() {
            Kind::Remote if cause.class() == NETWORK => {
                let (way, kind) = match self {
                    Direction::Serialize if format == SchemaType::Json => ("serializing", "Json data"),
                    Direction::Serialize => ("serializing", "{} data"),
                    Direction::Deserialize if format == SchemaType::Avro => ("deserializing", "{} data"),
                    Direction::Deserialize => ("deserializing", "data"),
                };
                let (kind, text) = (kind.replace("{}", name), cause.message());
                let text = format!("Network connection error while {way} {kind} for topic {topic}: {text}");
                Error::remote(text).with_class(NETWORK).caused_by(cause)
            }
            Kind::Remote => Error::remote(self.sentence(format, topic)).caused_by(cause),
            Kind::Data => Error::data(self.sentence(format, topic)).caused_by(cause),
            _ => cause,
        }
    }

    fn sentence(self, format: SchemaType, topic: &str) -> String {
        let name = format.title();
        match (self, format) {
            (Direction::Serialize, SchemaType::Json) => {
                format!("Converting Kafka Connect data to byte[] failed due to serialization error of topic {topic}: ")
            }
            (Direction::Deserialize, SchemaType::Json) => {
                format!("Converting byte[] to Kafka Connect data failed due to serialization error of topic {topic}: ")
            }
            (Direction::Serialize, _) => format!("Failed to serialize {name} data from topic {topic} :"),
            (Direction::Deserialize, _) => format!("Failed to deserialize data for topic {topic} to {name}: "),
        }
    }
}
