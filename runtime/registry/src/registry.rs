//! What a converter sees of the registry: answers that are known, or the lookup that gets them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use couplet_api::config::Props;
use couplet_api::error::Lookup;
use couplet_api::{Error, Result};

use crate::client::{Failure, Registered, RegistryClient, SchemaText, SchemaType};
use crate::config::IdSource;
use crate::failure::{asked_for, serialization};
use crate::{Bounded, Direction, RegistryConfig};

/// What the registry's client has to know about a language of schemas.
pub trait Dialect: Send + Sync {
    /// The language.
    fn kind(&self) -> SchemaType;

    /// The full name of what `schema` describes, if it has one; part of subjects.
    ///
    /// # Errors
    /// `Kind::Data` when the text is no schema.
    fn name(&self, schema: &SchemaText) -> Result<Option<String>>;

    /// Why data written with `writer` cannot be read with `reader`; empty when it can.
    ///
    /// # Errors
    /// `Kind::Data` when a text is no schema.
    fn incompatibilities(&self, reader: &SchemaText, writer: &SchemaText) -> Result<Vec<String>>;
}

/// How messages with a certain id are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The schema they were written with.
    pub writer: Registered,
    /// The schema to read them with, where that is another.
    pub reader: Option<Registered>,
    /// Version of the schema that data gets.
    pub version: Option<i32>,
}

/// The registry as one converter uses it. Answers are remembered; what is not is asked for with [`Error::lookup`].
pub struct Registry {
    config: RegistryConfig,
    client: RegistryClient,
    dialect: Box<dyn Dialect>,
    is_key: bool,
    written: Mutex<Answers<Arc<SchemaText>, Registered>>,
    read: Mutex<Answers<i32, Reading>>,
}

/// Answers by subject or topic, and by what was asked.
type Answers<K, V> = Bounded<(String, K), Known<V>>;

/// An answer, and until when it is good.
struct Known<T> {
    answer: Arc<T>,
    until: Option<Instant>,
}

/// What [`Registry::resolve`] is asked for.
enum Wanted {
    Write { topic: String, subject: String, schema: Arc<SchemaText> },
    Read { topic: String, id: i32 },
}

impl Registry {
    /// The registry of a converter for keys or values, from the converter's settings.
    ///
    /// # Errors
    /// `Kind::Config` for settings that cannot be used.
    pub fn open(props: &Props, is_key: bool, dialect: impl Dialect + 'static) -> Result<Self> {
        let config = RegistryConfig::parse(props, is_key)?;
        let remembered = match config.id_source {
            IdSource::Latest | IdSource::LatestWithMetadata(_) => config.latest_cache_size,
            _ => config.schemas_max,
        };
        Ok(Registry {
            client: RegistryClient::new(&config)?,
            dialect: Box::new(dialect),
            is_key,
            written: Mutex::new(Bounded::new(remembered)),
            read: Mutex::new(Bounded::new(config.schemas_max)),
            config,
        })
    }

    /// Until when answers that are got now may be kept; `None`: for ever.
    pub fn fresh_until(&self) -> Option<Instant> {
        self.config.latest_cache_ttl.filter(|_| self.config.read_latest).map(|ttl| Instant::now() + ttl)
    }

    /// The schema that data of `schema` is written with, and its id. Not for every record: keep the answer.
    ///
    /// # Errors
    /// `Kind::Lookup` when it is not known; `Kind::Data` when there is no subject.
    pub fn writing(&self, topic: &str, schema: &Arc<SchemaText>) -> Result<Arc<Registered>> {
        let name = if self.config.subjects.uses_schema() { self.dialect.name(schema)? } else { None };
        let subject = self.config.subjects.subject(topic, self.is_key, name.as_deref())?;
        let key = (subject, schema.clone());
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.get(&key).and_then(Known::fresh) {
            Some(answer) => Ok(answer),
            None => Err(Error::lookup(Wanted::Write { topic: topic.to_owned(), subject: key.0, schema: key.1 })),
        }
    }

    /// How messages of `topic` with `id` are read. Not for every record: keep the answer.
    ///
    /// # Errors
    /// `Kind::Lookup` when it is not known.
    pub fn reading(&self, topic: &str, id: i32) -> Result<Arc<Reading>> {
        let key = (topic.to_owned(), id);
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match read.get(&key).and_then(Known::fresh) {
            Some(answer) => Ok(answer),
            None => Err(Error::lookup(Wanted::Read { topic: key.0, id })),
        }
    }

    /// Gets what [`Registry::writing`] or [`Registry::reading`] did not know.
    ///
    /// # Errors
    /// `Kind::Remote` when the registry cannot be reached, `Kind::Auth` when it refuses us, `Kind::Data` for other answers;
    /// in the words of the format's converter.
    pub async fn resolve(&self, lookup: &Lookup) -> Result<()> {
        match lookup.get() {
            Some(Wanted::Write { topic, subject, schema }) => {
                let failed = |error| Direction::Serialize.failed(self.dialect.kind(), topic, error);
                let answer = self.get_written(subject, schema).await.map_err(failed)?;
                let known = Known { answer: Arc::new(answer), until: self.fresh_until() };
                let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                written.put((subject.clone(), schema.clone()), known);
                Ok(())
            }
            Some(Wanted::Read { topic, id }) => {
                let failed = |error| Direction::Deserialize.failed(self.dialect.kind(), topic, error);
                let answer = self.get_read(topic, *id).await.map_err(failed)?;
                let known = Known { answer: Arc::new(answer), until: self.fresh_until() };
                self.read.lock().unwrap_or_else(PoisonError::into_inner).put((topic.clone(), *id), known);
                Ok(())
            }
            None => Err(Error::bug("a lookup of another converter")),
        }
    }

    async fn get_written(&self, subject: &str, schema: &Arc<SchemaText>) -> Result<Registered> {
        let client = &self.client;
        let title = self.dialect.kind().title();
        // Confluent's Avro serializer has no colon before the schema.
        let colon = if self.dialect.kind() == SchemaType::Avro { "" } else { ": " };
        let text = &schema.text;
        match &self.config.id_source {
            IdSource::Register => {
                let asked = client.register(subject, schema, self.config.normalize).await;
                asked.map_err(|failure| asked_for(format!("Error registering {title} schema{colon}{text}"), failure))
            }
            IdSource::Find => {
                let asked = client.find(subject, schema, self.config.normalize, false).await;
                asked.map_err(|failure| asked_for(format!("Error retrieving {title} schema{colon}{text}"), failure))
            }
            IdSource::Id(id) => {
                let asked = client.by_id(*id, Some(subject)).await;
                let found = asked.map_err(|failure| asked_for(format!("Error retrieving schema ID{text}"), failure))?;
                self.check_readable(found, schema, "id.compatibility.strict")
            }
            IdSource::LatestWithMetadata(metadata) => {
                let asked = client.latest_with_metadata(subject, metadata).await;
                let what = "Error retrieving latest with metadata";
                self.of_our_kind(asked.map_err(|failure| asked_for(format!("{what} {metadata:?}{text}"), failure))?)
            }
            IdSource::Latest => {
                let asked = client.latest(subject).await;
                let of_what = if colon.is_empty() { format!(" of {title} schema") } else { ": ".to_owned() };
                let what = format!("Error retrieving latest version{of_what}{text}");
                let found = asked.map_err(|failure| asked_for(what, failure))?;
                self.check_readable(found, schema, "latest.compatibility.strict")
            }
        }
    }

    /// Checks that data of `schema` can be read with what was `found`, unless `key` is false.
    fn check_readable(&self, found: Registered, schema: &SchemaText, key: &str) -> Result<Registered> {
        let found = self.of_our_kind(found)?;
        if !self.config.strict {
            return Ok(found);
        }
        let problems = self.dialect.incompatibilities(&found.schema, schema)?;
        if problems.is_empty() {
            return Ok(found);
        }
        let title = self.dialect.kind().title();
        let kind = self.dialect.kind().name();
        let text = format!("Incompatible schema of type '{kind}'. Set {key}=false to disable this check");
        let cause = Error::data(format!("{text}. {}", problems.join(", "))).with_class("java.io.IOException");
        Err(serialization(format!("Error serializing {title} message")).caused_by(cause))
    }

    fn of_our_kind(&self, found: Registered) -> Result<Registered> {
        let (ours, theirs) = (self.dialect.kind(), found.schema.kind);
        if ours == theirs {
            return Ok(found);
        }
        let text = format!("schema {} has type {}, which is not for this converter", found.id, theirs.name());
        let cause = Error::data(text).with_class("java.io.IOException");
        Err(serialization(format!("Invalid schema of type {}", theirs.name())).caused_by(cause))
    }

    async fn get_read(&self, topic: &str, id: i32) -> Result<Reading> {
        let (subjects, role) = (self.config.subjects, if self.is_key { "key" } else { "value" });
        let title = self.dialect.kind().title();
        let place = |what: &str| format!("Error retrieving {title} {role} {what} for id {id}");
        let known = if subjects.uses_schema() { None } else { Some(subjects.subject(topic, self.is_key, None)?) };
        let found = self.client.by_id(id, known.as_deref()).await;
        let writer = self.of_our_kind(found.map_err(|failure| asked_for(place("schema"), failure))?)?;
        let subject = match known {
            Some(subject) => subject,
            None => subjects.subject(topic, self.is_key, self.dialect.name(&writer.schema)?.as_deref())?,
        };
        let reader = self.latest_for_reading(&subject).await;
        let reader = reader.map_err(|failure| asked_for(place("schema"), failure))?;
        let reader = reader.map(|found| self.of_our_kind(found)).transpose()?;
        let version = self.client.find(&subject, &writer.schema, false, true).await;
        let version = version.map_err(|failure| asked_for(place("schema version"), failure))?.version;
        let reader = reader.filter(|reader| reader.schema != writer.schema);
        Ok(Reading { writer, reader, version })
    }

    async fn latest_for_reading(&self, subject: &str) -> Result<Option<Registered>, Failure> {
        match &self.config.id_source {
            _ if !self.config.read_latest => Ok(None),
            IdSource::LatestWithMetadata(metadata) => {
                self.client.latest_with_metadata(subject, metadata).await.map(Some)
            }
            _ => self.client.latest(subject).await.map(Some),
        }
    }
}

impl<T> Known<T> {
    fn fresh(&self) -> Option<Arc<T>> {
        let stale = self.until.is_some_and(|until| Instant::now() >= until);
        (!stale).then(|| self.answer.clone())
    }
}
