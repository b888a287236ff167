//! The operations that converters need.

use std::sync::Arc;

use couplet_api::Result;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Failure, Http};
use super::{Reference, Registered, SchemaText, SchemaType};
use crate::RegistryConfig;

/// Deepest chain of references that is followed.
const REFERENCE_DEPTH_MAX: usize = 32;
/// Most schemas that one schema may refer to, directly or not.
const REFERENCES_MAX: usize = 1_000;

/// Talks to the registry; retries and changes between its URLs as the settings say. Remembers nothing.
pub struct RegistryClient {
    http: Http,
}

/// What answers about schemas consist of; which parts are there depends on the question.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    id: Option<i32>,
    version: Option<i32>,
    schema: Option<Arc<str>>,
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
}

impl RegistryClient {
    /// # Errors
    /// `Kind::Config` for settings that cannot be used.
    pub fn new(config: &RegistryConfig) -> Result<Self> {
        Ok(RegistryClient { http: Http::new(config)? })
    }

    /// Registers `schema` under `subject`, if it is not there yet.
    pub async fn register(
        &self,
        subject: &str,
        schema: &Arc<SchemaText>,
        normalize: bool,
    ) -> Result<Registered, Failure> {
        let path = ["subjects", subject, "versions"];
        let query = [("normalize", text_of(normalize))];
        let answer: Answer = self.http.call(Method::POST, &path, &query, Some(&body(schema))).await?;
        registered(answer, schema)
    }

    /// Finds `schema` under `subject`.
    pub async fn find(
        &self,
        subject: &str,
        schema: &Arc<SchemaText>,
        normalize: bool,
        deleted: bool,
    ) -> Result<Registered, Failure> {
        let query = [("normalize", text_of(normalize)), ("deleted", text_of(deleted))];
        let answer: Answer = self.http.call(Method::POST, &["subjects", subject], &query, Some(&body(schema))).await?;
        registered(answer, schema)
    }

    /// The latest version under `subject`.
    pub async fn latest(&self, subject: &str) -> Result<Registered, Failure> {
        self.version(subject, "latest").await
    }

    /// The latest version under `subject` that has all of `metadata`.
    pub async fn latest_with_metadata(
        &self,
        subject: &str,
        metadata: &[(String, String)],
    ) -> Result<Registered, Failure> {
        let mut query: Vec<(&str, &str)> = Vec::new();
        for (key, value) in metadata {
            query.extend([("key", key.as_str()), ("value", value.as_str())]);
        }
        query.push(("deleted", "false"));
        let answer: Answer = self.http.call(Method::GET, &["subjects", subject, "metadata"], &query, None).await?;
        self.complete(answer, None).await
    }

    /// One version under `subject`.
    async fn version(&self, subject: &str, version: &str) -> Result<Registered, Failure> {
        let path = ["subjects", subject, "versions", version];
        let answer: Answer = self.http.call(Method::GET, &path, &[], None).await?;
        self.complete(answer, None).await
    }

    /// The schema with `id`; registries that know contexts look in the one of `subject`.
    pub async fn by_id(&self, id: i32, subject: Option<&str>) -> Result<Registered, Failure> {
        let number = id.to_string();
        let mut query = vec![("fetchMaxId", "false")];
        query.extend(subject.map(|subject| ("subject", subject)));
        let answer: Answer = self.http.call(Method::GET, &["schemas", "ids", &number], &query, None).await?;
        self.complete(answer, Some(id)).await
    }

    /// Adds the texts of everything that the schema of `answer` refers to.
    async fn complete(&self, answer: Answer, id: Option<i32>) -> Result<Registered, Failure> {
        let kind = kind_of(answer.schema_type.as_deref())?;
        let text = answer.schema.ok_or_else(|| odd("an answer without a schema"))?;
        let id = answer.id.filter(|_| id.is_none()).or(id).ok_or_else(|| odd("an answer without an id"))?;
        let references = answer.references.unwrap_or_default();
        let resolved = self.resolve(&references).await?;
        let schema = Arc::new(SchemaText { kind, text, references, resolved });
        Ok(Registered { id, version: answer.version, schema })
    }

    /// Names and texts of `references` and of what these refer to, each before those that need it.
    async fn resolve(&self, references: &[Reference]) -> Result<Vec<(String, Arc<str>)>, Failure> {
        enum Step {
            Visit(Reference, usize),
            Add(String, Arc<str>),
        }
        let mut found: Vec<(String, Arc<str>)> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let mut steps: Vec<Step> = references.iter().rev().map(|r| Step::Visit(r.clone(), 0)).collect();
        while let Some(step) = steps.pop() {
            let (reference, depth) = match step {
                Step::Add(name, text) => {
                    found.push((name, text));
                    continue;
                }
                Step::Visit(reference, _) if seen.contains(&reference.name) => continue,
                Step::Visit(reference, depth) => (reference, depth),
            };
            if depth > REFERENCE_DEPTH_MAX || seen.len() >= REFERENCES_MAX {
                return Err(odd("a schema that refers to too many others"));
            }
            let version = reference.version.to_string();
            let path = ["subjects", &reference.subject, "versions", &version];
            // What versions in use refer to may be deleted meanwhile.
            let answer: Answer = self.http.call(Method::GET, &path, &[("deleted", "true")], None).await?;
            let text = answer.schema.ok_or_else(|| odd("an answer without a schema"))?;
            seen.push(reference.name.clone());
            steps.push(Step::Add(reference.name, text));
            let deeper = answer.references.unwrap_or_default();
            steps.extend(deeper.into_iter().rev().map(|reference| Step::Visit(reference, depth + 1)));
        }
        Ok(found)
    }
}

fn body(schema: &SchemaText) -> Value {
    let mut body = json!({ "schema": &*schema.text });
    if schema.kind != SchemaType::Avro {
        body["schemaType"] = schema.kind.name().into();
    }
    if !schema.references.is_empty() {
        body["references"] = json!(schema.references);
    }
    body
}

fn registered(answer: Answer, schema: &Arc<SchemaText>) -> Result<Registered, Failure> {
    let id = answer.id.ok_or_else(|| odd("an answer without an id"))?;
    Ok(Registered { id, version: answer.version, schema: schema.clone() })
}

fn kind_of(name: Option<&str>) -> Result<SchemaType, Failure> {
    match name {
        None | Some("AVRO") => Ok(SchemaType::Avro),
        Some("JSON") => Ok(SchemaType::Json),
        Some("PROTOBUF") => Ok(SchemaType::Protobuf),
        Some(other) => Err(odd(&format!("a schema of type {other}"))),
    }
}

fn text_of(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

/// An answer that is well-formed, yet cannot be used.
fn odd(what: &str) -> Failure {
    Failure::Answer { status: 200, code: 50_005, message: format!("the schema registry sent {what}") }
}
