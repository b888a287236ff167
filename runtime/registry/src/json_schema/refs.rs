use couplet_api::{Error, Result};
use serde_json::Value as Json;

/// A schema and the schemas it refers to.
pub(super) struct Documents {
    root: Json,
    /// By the name under which the root refers to them.
    others: Vec<(String, Json)>,
}

impl Documents {
    /// Parses a schema and what it refers to, as (name, text).
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when a text is not JSON.
    pub(super) fn new<'a>(text: &str, references: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let parse = |text: &str| serde_json::from_str::<Json>(text).map_err(|error| invalid(&error.to_string()));
        let others = references.into_iter().map(|(name, text)| Ok((name.to_owned(), parse(text)?)));
        Ok(Documents { root: parse(text)?, others: others.collect::<Result<_>>()? })
    }

    /// The schema itself.
    pub(super) const fn root(&self) -> &Json {
        &self.root
    }

    /// What the schema refers to, by name.
    pub(super) fn others(&self) -> &[(String, Json)] {
        &self.others
    }

    /// The schema that `reference` in `document` points to, and the document that holds it.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when it points nowhere.
    pub(super) fn resolve<'a>(&'a self, document: &'a Json, reference: &str) -> Result<(&'a Json, &'a Json)> {
        let (name, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if name.is_empty() || id_of(document) == Some(name) { Some(document) } else { self.named(name) };
        let found = document.and_then(|document| Some((at(document, fragment)?, document)));
        found.ok_or_else(|| {
            invalid(&format!("$ref {reference} points to nothing; is it among the schema's references?"))
        })
    }

    /// A document by its name, its `$id`, or the last part of a path.
    fn named(&self, name: &str) -> Option<&Json> {
        let bare = |name: &str| name.trim_start_matches("./").to_owned();
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let all = || self.others.iter().map(|(name, document)| (name.as_str(), document));
        let find = |same: &dyn Fn(&str, &Json) -> bool| all().find(|(n, d)| same(n, d)).map(|(_, document)| document);
        find(&|other, _| bare(other) == bare(name))
            .or_else(|| find(&|_, document| id_of(document) == Some(name)))
            .or_else(|| (id_of(&self.root) == Some(name)).then_some(&self.root))
            .or_else(|| find(&|other, _| last(other) == last(name)))
    }
}

fn id_of(document: &Json) -> Option<&str> {
    document.get("$id").or_else(|| document.get("id")).and_then(Json::as_str)
}

/// The place of a fragment: a JSON pointer, or the identifier of a schema inside.
fn at<'a>(document: &'a Json, fragment: &str) -> Option<&'a Json> {
    let decoded = percent_encoding::percent_decode_str(fragment).decode_utf8().ok()?;
    if decoded.is_empty() || decoded == "/" {
        return Some(document);
    }
    if !decoded.starts_with('/') {
        return anchored(document, &decoded);
    }
    // Drafts have two names for the place of definitions.
    let other = decoded
        .strip_prefix("/$defs/")
        .map(|rest| format!("/definitions/{rest}"))
        .or_else(|| decoded.strip_prefix("/definitions/").map(|rest| format!("/$defs/{rest}")));
    document.pointer(&decoded).or_else(|| document.pointer(&other?))
}

fn anchored<'a>(json: &'a Json, anchor: &str) -> Option<&'a Json> {
    let is_it = |json: &Json| {
        let id = id_of(json).and_then(|id| id.strip_prefix('#'));
        id == Some(anchor) || json.get("$anchor").and_then(Json::as_str) == Some(anchor)
    };
    match json {
        Json::Object(_) if is_it(json) => Some(json),
        Json::Object(members) => members.values().find_map(|member| anchored(member, anchor)),
        Json::Array(items) => items.iter().find_map(|item| anchored(item, anchor)),
        _ => None,
    }
}

/// A schema that cannot be used.
pub(super) fn invalid(why: &str) -> Error {
    Error::data(format!("Invalid JSON schema: {why}")).with_class("java.lang.IllegalArgumentException")
}
