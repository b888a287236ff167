//! Whether values of one JSON Schema can be read with another.
//!
//! Coarser than Confluent's comparison, which knows every keyword: here types must stay, and what the reader requires the
//! writer must have.

use serde_json::{Map, Value as Json};

use super::keywords::{Criterion, Kind, Node, Part, node, properties, requires};
use super::refs::Documents;

/// Deepest comparison.
const DEPTH_MAX: usize = 100;

/// What of the `writer`'s values cannot be read with `reader`.
pub(super) fn problems(reader: &Documents, writer: &Documents) -> Vec<String> {
    let mut comparison = Comparison { reader, writer, problems: Vec::new() };
    comparison.schemas(reader.root(), writer.root(), "#", 0);
    comparison.problems
}

struct Comparison<'a> {
    reader: &'a Documents,
    writer: &'a Documents,
    problems: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn schemas(&mut self, reader: &'a Json, writer: &'a Json, path: &str, depth: usize) {
        let (Some(mine), Some(theirs)) = (plain(self.reader, reader), plain(self.writer, writer)) else { return };
        if depth == DEPTH_MAX {
            return;
        }
        if mine.class() != theirs.class() {
            // A choice may have become wider, or a schema without demands.
            let wider = matches!(mine.kind, Kind::Choice(..) | Kind::Other("EmptySchema" | "TrueSchema"));
            if !wider {
                self.problems.push(format!("TYPE_CHANGED: {path}"));
            }
            return;
        }
        match (&mine.kind, &theirs.kind) {
            (Kind::Number { integer: true }, Kind::Number { integer: false }) => {
                self.problems.push(format!("TYPE_NARROWED: {path}"));
            }
            (Kind::Array { items: Some(mine) }, Kind::Array { items: Some(theirs) }) => {
                self.schemas(mine, theirs, &format!("{path}/items"), depth + 1);
            }
            (Kind::Object(mine), Kind::Object(theirs)) => self.objects(mine, theirs, path, depth),
            (Kind::Choice(a, mine), Kind::Choice(b, theirs)) if a == b && *a != Criterion::All => {
                if mine.len() < theirs.len() {
                    self.problems.push(format!("SUM_TYPE_NARROWED: {path}"));
                }
                for (mine, theirs) in mine.iter().zip(theirs) {
                    if let (Part::Written(mine), Part::Written(theirs)) = (mine, theirs) {
                        self.schemas(mine, theirs, path, depth + 1);
                    }
                }
            }
            _ => {}
        }
    }

    fn objects(&mut self, reader: &'a Map<String, Json>, writer: &'a Map<String, Json>, path: &str, depth: usize) {
        let theirs = properties(writer);
        for (name, mine) in properties(reader) {
            let path = format!("{path}/properties/{name}");
            match theirs.iter().find(|(other, _)| *other == name) {
                Some((_, theirs)) => self.schemas(mine, theirs, &path, depth + 1),
                None if requires(reader, &name) && mine.get("default").is_none() => {
                    self.problems.push(format!("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL: {path}"));
                }
                None => {}
            }
        }
        let closed = reader.get("additionalProperties") == Some(&Json::Bool(false));
        for (name, _) in theirs {
            if closed && reader.get("properties").and_then(|p| p.get(&name)).is_none() {
                self.problems.push(format!("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL: {path}/properties/{name}"));
            }
        }
    }
}

/// The schema behind references.
fn plain<'a>(documents: &'a Documents, json: &'a Json) -> Option<Node<'a>> {
    let mut found = node(json)?;
    for _ in 0..DEPTH_MAX {
        let Kind::Reference(reference) = found.kind else { return Some(found) };
        found = node(documents.resolve(documents.root(), reference).ok()?.0)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_must_stay() {
        let object = |p: &str, more: &str| format!(r#"{{"type":"object","properties":{{{p}}}{more}}}"#);
        let rows = [
            (r#"{"type":"string"}"#.to_owned(), r#"{"type":"string"}"#.to_owned(), true),
            (r#"{"type":"number"}"#.to_owned(), r#"{"type":"integer"}"#.to_owned(), true),
            (r#"{"type":"integer"}"#.to_owned(), r#"{"type":"number"}"#.to_owned(), false),
            (r#"{"type":"string"}"#.to_owned(), r#"{"type":"boolean"}"#.to_owned(), false),
            (object(r#""a":{"type":"string"}"#, ""), object("", ""), true),
            (object(r#""a":{"type":"string"}"#, r#","required":["a"]"#), object("", ""), false),
            (object("", r#","additionalProperties":false"#), object(r#""a":{"type":"string"}"#, ""), false),
            (object(r#""a":{"type":"string"}"#, ""), object(r#""a":{"type":"boolean"}"#, ""), false),
        ];
        for (reader, writer, compatible) in rows {
            let documents = |text: &str| Documents::new(text, []).expect("JSON");
            let found = problems(&documents(&reader), &documents(&writer));
            assert_eq!(found.is_empty(), compatible, "{reader} / {writer}: {found:?}");
        }
    }
}
