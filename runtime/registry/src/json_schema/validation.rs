//! `json.fail.invalid.schema`: values are checked against their JSON Schema, with the crate jsonschema.

use couplet_api::Result;

use super::refs::Documents;

/// Checks values against one schema.
#[cfg(feature = "json-validation")]
#[derive(Debug)]
pub(super) struct Validation(jsonschema::Validator);

/// Whether this build can check values.
pub(super) const AVAILABLE: bool = cfg!(feature = "json-validation");

#[cfg(feature = "json-validation")]
impl Validation {
    /// For values of a schema; without `$schema` it is of draft 7, as Confluent has it.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when the schema is none.
    pub(super) fn new(documents: &Documents) -> Result<Self> {
        let mut options = jsonschema::options();
        if documents.root().get("$schema").is_none() {
            options = options.with_draft(jsonschema::Draft::Draft7);
        }
        for (name, document) in documents.others() {
            let resource = jsonschema::Resource::from_contents(document.clone());
            let resource = resource.map_err(|error| super::refs::invalid(&error.to_string()))?;
            options = options.with_resource(format!("json-schema:///{}", name.trim_start_matches("./")), resource);
        }
        let validator = options.build(documents.root());
        validator.map(Validation).map_err(|error| super::refs::invalid(&error.to_string()))
    }

    /// Checks a value. The error says where and which keyword, not the value.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when it is not valid.
    pub(super) fn check(&self, json: &[u8]) -> Result<()> {
        let value: serde_json::Value = serde_json::from_slice(json)
            .map_err(|_| crate::serialization("JSON does not match schema of type JSON"))?;
        let Some(error) = self.0.iter_errors(&value).next() else { return Ok(()) };
        let place = (error.instance_path.to_string(), error.schema_path.to_string());
        Err(crate::serialization(format!(
            "Validation error in JSON, Error report:\nthe value at #{} does not satisfy #{}",
            place.0, place.1
        )))
    }
}

/// Stands in where values cannot be checked; settings that would need it are refused.
#[cfg(not(feature = "json-validation"))]
#[derive(Debug)]
pub(super) struct Validation;

#[cfg(not(feature = "json-validation"))]
impl Validation {
    pub(super) fn new(_documents: &Documents) -> Result<Self> {
        Ok(Validation)
    }

    pub(super) fn check(&self, _json: &[u8]) -> Result<()> {
        Ok(())
    }
}

#[cfg(all(test, feature = "json-validation"))]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        let text = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"integer","maximum":5},"o":{"$ref":"other.json"}}}"#;
        let documents = Documents::new(text, [("other.json", r#"{"type":"string"}"#)]).expect("documents");
        let validation = Validation::new(&documents).expect("schema");
        let rows = [
            (r#"{"a":1}"#, true),
            (r#"{"a":5,"o":"x","more":true}"#, true),
            (r#"{"a":6}"#, false),
            (r#"{"a":"secret"}"#, false),
            (r#"{"a":1,"o":1}"#, false),
            ("{}", false),
            ("{", false),
        ];
        for (json, valid) in rows {
            let outcome = validation.check(json.as_bytes());
            assert_eq!(outcome.is_ok(), valid, "{json}");
            assert!(outcome.err().is_none_or(|error| !error.message().contains("secret")));
        }
    }
}
