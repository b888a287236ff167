//! Whether messages of one file can be read with another.
//!
//! Source: the rules of Confluent's `SchemaDiff` for Protobuf that make a change incompatible: messages and fields keep their
//! kind; scalars may change within a group with the same bytes.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};

use super::parse::ProtoSchema;

/// What of the `writer`'s file cannot be read with the `reader`'s.
pub(super) fn problems(reader: &ProtoSchema, writer: &ProtoSchema) -> Vec<String> {
    let mut problems = Vec::new();
    for message in writer.messages() {
        match reader.message(message.full_name()) {
            Ok(other) => fields(&other, &message, &mut problems),
            Err(_) => problems.push(format!("MESSAGE_REMOVED: {}", message.full_name())),
        }
    }
    problems
}

fn fields(reader: &MessageDescriptor, writer: &MessageDescriptor, problems: &mut Vec<String>) {
    for field in writer.fields() {
        let Some(other) = reader.get_field(field.number()) else { continue };
        if group(&field) != group(&other) {
            problems.push(format!("FIELD_KIND_CHANGED: {}", field.full_name()));
        }
    }
    for field in reader.fields().filter(|field| field.cardinality() == Cardinality::Required) {
        if writer.get_field(field.number()).is_none() {
            problems.push(format!("REQUIRED_FIELD_ADDED: {}", field.full_name()));
        }
    }
}

/// Fields of a group can take each other's place.
fn group(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool => "varint".to_owned(),
        Kind::Sint32 | Kind::Sint64 => "zigzag".to_owned(),
        Kind::Fixed32 | Kind::Sfixed32 => "32 bits".to_owned(),
        Kind::Fixed64 | Kind::Sfixed64 => "64 bits".to_owned(),
        Kind::String | Kind::Bytes => "bytes".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Enum(descriptor) => format!("enum {}", descriptor.full_name()),
        Kind::Message(message) => format!("message {}", message.full_name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_must_stay() {
        let schema = |fields: &str| {
            ProtoSchema::new(&format!("syntax = \"proto3\"; message M {{ {fields} }} message N {{}}"), &[])
                .expect("text")
        };
        let rows = [
            ("int32 a = 1;", "int64 a = 1;", true),
            ("int32 a = 1;", "int32 a = 1; string b = 2;", true),
            ("int32 a = 1; string b = 2;", "int32 a = 1;", true),
            ("string a = 1;", "int32 a = 1;", false),
            ("N n = 1;", "string n = 1;", false),
        ];
        for (reader, writer, compatible) in rows {
            assert_eq!(problems(&schema(reader), &schema(writer)).is_empty(), compatible, "{reader} / {writer}");
        }
        let other = ProtoSchema::new("syntax = \"proto3\"; message Other {}", &[]).expect("text");
        assert!(!problems(&other, &schema("int32 a = 1;")).is_empty());
    }
}
