use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::{Error, Result};
use prost::Message;
use prost_reflect::prost_types::{DescriptorProto, FileDescriptorProto};
use prost_reflect::{DescriptorPool, MessageDescriptor};

use super::known;
use super::message_index;

/// Name that a schema's own file has in the pool; imports cannot collide with it.
const OWN_FILE: &str = "default";
/// Deepest nesting of braces in a schema's text, beyond which parsing is refused instead of exhausting the stack.
const DEPTH_MAX: usize = 200;

/// A registered schema: its file, what it imports, and the order of its messages.
#[derive(Debug)]
pub(super) struct ProtoSchema {
    pool: DescriptorPool,
    package: String,
    messages: Vec<Named>,
}

/// A message and those declared in it, in the order of the text. Entries that `map<…>` fields imply do not count.
#[derive(Debug)]
struct Named {
    name: String,
    nested: Vec<Named>,
}

impl Named {
    fn of(messages: &[DescriptorProto]) -> Vec<Named> {
        let implied = |m: &&DescriptorProto| !m.options.as_ref().is_some_and(|options| options.map_entry());
        let named = |m: &DescriptorProto| Named { name: m.name().to_owned(), nested: Named::of(&m.nested_type) };
        messages.iter().filter(implied).map(named).collect()
    }
}

impl ProtoSchema {
    /// Parses `text` and the files that it imports, as (name, text).
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when a file is not valid, or an import is missing.
    pub(super) fn new(text: &str, references: &[(String, String)]) -> Result<Self> {
        let own = file(OWN_FILE, text)?;
        let mut imports = Imports { references, pool: DescriptorPool::new(), open: Vec::new() };
        own.dependency.iter().try_for_each(|name| imports.add(name))?;
        let mut pool = imports.pool;
        let (package, messages) = (own.package().to_owned(), Named::of(&own.message_type));
        add(&mut pool, own)?;
        Ok(ProtoSchema { pool, package, messages })
    }

    /// The message that `indexes` point to: the place among the file's messages, then among those nested in it, and so on.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when there is none.
    pub(super) fn message_at(&self, indexes: &[i32]) -> Result<MessageDescriptor> {
        let mut name = self.package.clone();
        let mut level = &self.messages;
        for index in indexes {
            let missing = || {
                Error::data(format!("Invalid message indexes: {indexes:?}"))
                    .with_class("java.lang.IllegalArgumentException")
            };
            let message = usize::try_from(*index).ok().and_then(|at| level.get(at)).ok_or_else(missing)?;
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(&message.name);
            level = &message.nested;
        }
        self.message(&name)
    }

    /// The message called `name` in full.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Data`] when there is none.
    pub(super) fn message(&self, name: &str) -> Result<MessageDescriptor> {
        self.pool.get_message_by_name(name).ok_or_else(|| {
            Error::data(format!("Could not find descriptor with name {name}"))
                .with_class("org.apache.kafka.common.errors.SerializationException")
        })
    }

    /// The messages of the file, those declared in others behind them.
    pub(super) fn messages(&self) -> Vec<MessageDescriptor> {
        let own = self.pool.get_file_by_name(OWN_FILE);
        let mut found: Vec<MessageDescriptor> =
            own.iter().flat_map(|file| file.messages().collect::<Vec<_>>()).collect();
        let mut at = 0;
        while let Some(message) = found.get(at).cloned() {
            found.extend(message.child_messages());
            at += 1;
        }
        found
    }

    /// The bytes that point to the message called `name`; the first message's if this schema has no such message.
    pub(super) fn indexes_of(&self, name: &str) -> Vec<u8> {
        let mut indexes = Vec::new();
        let mut level = &self.messages;
        for part in name.split('.') {
            if let Some(at) = level.iter().position(|message| message.name == part) {
                indexes.push(at as i32);
                level = &level[at].nested;
            }
        }
        message_index::encode(&indexes)
    }
}

/// Brings imported files into a pool, those first that they import themselves.
struct Imports<'a> {
    references: &'a [(String, String)],
    pool: DescriptorPool,
    /// Files whose imports are being added.
    open: Vec<String>,
}

impl Imports<'_> {
    fn add(&mut self, name: &str) -> Result<()> {
        if self.pool.get_file_by_name(name).is_some() {
            return Ok(());
        }
        if self.open.iter().any(|open| open == name) {
            return Err(invalid(&format!("{name} imports itself")));
        }
        let reference = self.references.iter().find(|(reference, _)| reference == name);
        let found = match reference {
            Some((name, text)) => Some(file(name, text)?),
            None => known::file(name),
        };
        let found = found.ok_or_else(|| invalid(&format!("import {name} is not among the schema's references")))?;
        self.open.push(name.to_owned());
        found.dependency.iter().try_for_each(|name| self.add(name))?;
        self.open.pop();
        add(&mut self.pool, found)
    }
}

fn add(pool: &mut DescriptorPool, file: FileDescriptorProto) -> Result<()> {
    pool.add_file_descriptor_proto(file).map_err(|error| invalid(&error.to_string()))
}

/// Parses one file: its text, or a serialized `FileDescriptorProto` in base64.
///
/// Registries accept the options of `confluent/meta.proto` in files that do not import it, and converters write such
/// files; here the import is added.
///
/// # Errors
/// [`couplet_api::Kind::Data`] for anything else.
pub(super) fn file(name: &str, text: &str) -> Result<FileDescriptorProto> {
    if depth(text) > DEPTH_MAX {
        return Err(invalid("nested too deeply"));
    }
    let mut file = match protox_parse::parse(name, text) {
        Ok(file) => file,
        Err(error) => serialized(text).ok_or_else(|| invalid(&error.to_string()))?,
    };
    file.name = Some(name.to_owned());
    if name != known::META && text.contains("(confluent.") && !file.dependency.iter().any(|d| d == known::META) {
        file.dependency.push(known::META.to_owned());
    }
    Ok(file)
}

fn serialized(text: &str) -> Option<FileDescriptorProto> {
    FileDescriptorProto::decode(&*STANDARD.decode(text.trim()).ok()?).ok()
}

fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// A schema that cannot be used.
pub(super) fn invalid(why: &str) -> Error {
    Error::data(format!("Invalid protobuf schema definition: {why}")).with_class("java.lang.IllegalArgumentException")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "syntax = \"proto3\"; package a.b; import \"other.proto\";
        message First { map<string, int32> m = 1; message In { message Deep {} } message Next {} }
        message Second { other.Thing thing = 1; optional int32 n = 2 [(confluent.field_meta) = { doc: \"d\" }]; }";
    const OTHER: &str =
        "syntax = \"proto3\"; package other; import \"base.proto\"; message Thing { base.Base base = 1; }";
    const BASE: &str = "syntax = \"proto3\"; package base; message Base { google.type.Date d = 1; } \
                        import \"google/type/date.proto\";";

    fn references(order: [(&str, &str); 2]) -> Vec<(String, String)> {
        order.map(|(n, t)| (n.to_owned(), t.to_owned())).to_vec()
    }

    #[test]
    fn messages_are_found_by_place_and_name() {
        for order in [[("other.proto", OTHER), ("base.proto", BASE)], [("base.proto", BASE), ("other.proto", OTHER)]] {
            let schema = ProtoSchema::new(TEXT, &references(order)).expect("schema");
            let rows: [(&[i32], &str, &[u8]); 4] = [
                (&[0], "a.b.First", &[0]),
                (&[1], "a.b.Second", &[2, 2]),
                (&[0, 0, 0], "a.b.First.In.Deep", &[6, 0, 0, 0]),
                (&[0, 1], "a.b.First.Next", &[4, 0, 2]),
            ];
            for (indexes, name, bytes) in rows {
                assert_eq!(schema.message_at(indexes).expect(name).full_name(), name);
                assert_eq!(schema.indexes_of(name), bytes, "{name}");
            }
            assert_eq!(schema.indexes_of("x.Unknown"), [0]);
            for missing in [&[7][..], &[-1], &[0, 9], &[1, 0]] {
                assert!(schema.message_at(missing).is_err(), "{missing:?}");
            }
        }
    }

    #[test]
    fn schemas_may_hold_options_and_known_types_of_their_own() {
        let text = "syntax = \"proto3\"; package google.type; option java_package = \"x\"; message Date { int32 year = 1 \
                    [deprecated = true, json_name = \"y\"]; repeated int32 n = 2 [packed = false]; }";
        let message = ProtoSchema::new(text, &[]).and_then(|schema| schema.message_at(&[0])).expect("schema");
        assert_eq!(message.full_name(), "google.type.Date");
    }

    #[test]
    fn entries_written_as_messages_count_as_messages() {
        let text = "syntax = \"proto3\"; message M { repeated AEntry a = 1; message AEntry { option map_entry = true; \
                    string key = 1; string value = 2; } message N {} }";
        let schema = ProtoSchema::new(text, &[]).expect("schema");
        assert_eq!(schema.message_at(&[0, 1]).expect("message").full_name(), "M.N");
    }

    #[test]
    fn bad_schemas_are_refused() {
        let deep = format!("{}{}", "message M {".repeat(1000), "}".repeat(1000));
        for bad in ["", "nonsense", "message M { Missing m = 1; }", "import \"gone.proto\";", &deep] {
            let outcome = ProtoSchema::new(bad, &[]).and_then(|schema| schema.message_at(&[0]));
            assert!(outcome.is_err(), "{bad}");
        }
        let cycle = references([
            ("a.proto", "syntax = \"proto3\"; import \"b.proto\";"),
            ("b.proto", "syntax = \"proto3\"; import \"a.proto\";"),
        ]);
        assert!(ProtoSchema::new("import \"a.proto\"; message M {}", &cycle).is_err());
    }
}
