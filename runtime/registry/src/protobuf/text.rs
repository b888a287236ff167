//! The text under which a schema is registered. Two converters share a registered schema only when they write the same
//! text, so white space counts: it is that of Confluent's `ProtobufSchemaUtils.toString`.

use std::fmt::Write;

use super::definition::{EnumDefinition, FieldDefinition, FileDefinition, Label, MessageDefinition};

/// The text of `file`.
pub(super) fn file(file: &FileDefinition) -> String {
    let mut text = String::from("syntax = \"proto3\";\n");
    if let Some(package) = &file.package {
        let _ = writeln!(text, "package {package};");
    }
    if !file.imports.is_empty() {
        text.push('\n');
    }
    for import in &file.imports {
        let _ = writeln!(text, "import \"{import}\";");
    }
    text.push('\n');
    text.push_str(&message(&file.message));
    text
}

fn message(definition: &MessageDefinition) -> String {
    let mut text = format!("message {} {{", definition.name);
    let plain: Vec<&FieldDefinition> = definition.fields.iter().filter(|f| f.oneof.is_none()).collect();
    block(&mut text, plain.into_iter().map(|f| field(f, f.label)));
    let oneofs = definition.oneofs.iter().enumerate().map(|(at, name)| {
        let members = definition.fields.iter().filter(move |f| f.oneof == Some(at));
        let mut text = format!("oneof {name} {{");
        block(&mut text, members.map(|f| field(f, Label::None)));
        text + "}\n"
    });
    block(&mut text, oneofs);
    block(&mut text, definition.messages.iter().map(message).chain(definition.enums.iter().map(enumeration)));
    text + "}\n"
}

/// Appends `parts`, if any, behind a line break and each indented.
fn block(text: &mut String, parts: impl Iterator<Item = String>) {
    for (at, part) in parts.enumerate() {
        if at == 0 {
            text.push('\n');
        }
        indented(text, &part);
    }
}

fn indented(text: &mut String, part: &str) {
    for line in part.lines() {
        let _ = writeln!(text, "  {line}");
    }
}

fn field(field: &FieldDefinition, label: Label) -> String {
    let label = match label {
        Label::None => "",
        Label::Optional => "optional ",
        Label::Repeated => "repeated ",
    };
    let FieldDefinition { type_name, name, number, params, .. } = field;
    let mut text = format!("{label}{type_name} {name} = {number}");
    if !params.is_empty() {
        let mut list = String::from("params: [\n");
        for (at, (key, value)) in params.iter().enumerate() {
            let comma = if at + 1 < params.len() { "," } else { "" };
            let (key, value) = (format!("key: \"{key}\""), format!("value: \"{}\"", escaped(value)));
            // These two were written the other way round before options had an order.
            let swapped = matches!(params[at].0, "precision" | "scale");
            let (first, second) = if swapped { (value, key) } else { (key, value) };
            indented(&mut list, &format!("{{\n  {first},\n  {second}\n}}{comma}"));
        }
        list.push(']');
        text.push_str(" [(confluent.field_meta) = {\n");
        indented(&mut text, &list);
        text.push_str("}]");
    }
    text + ";\n"
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"").replace('\n', "\\n")
}

fn enumeration(definition: &EnumDefinition) -> String {
    let mut text = format!("enum {} {{", definition.name);
    block(&mut text, definition.values.iter().map(|(name, number)| format!("{name} = {number};\n")));
    text + "}\n"
}

/// The file of the messages that stand for values without fields, as Confluent's converter registers it.
pub(super) const WRAPPERS: &str = r#"syntax = "proto3";
package google.protobuf;

option java_package = "com.google.protobuf";
option java_outer_classname = "WrappersProto";
option java_multiple_files = true;
option go_package = "google.golang.org/protobuf/types/known/wrapperspb";
option cc_enable_arenas = true;
option objc_class_prefix = "GPB";
option csharp_namespace = "Google.Protobuf.WellKnownTypes";

message DoubleValue {
  double value = 1;
}
message FloatValue {
  float value = 1;
}
message Int64Value {
  int64 value = 1;
}
message UInt64Value {
  uint64 value = 1;
}
message Int32Value {
  int32 value = 1;
}
message UInt32Value {
  uint32 value = 1;
}
message BoolValue {
  bool value = 1;
}
message StringValue {
  string value = 1;
}
message BytesValue {
  bytes value = 1;
}
"#;
