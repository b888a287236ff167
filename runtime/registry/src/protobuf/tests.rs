//! The mapping in both directions, with prost-reflect as a second decoder of what is written.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::data::{Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use proptest::prelude::*;
use prost::Message;
use prost_reflect::DynamicMessage;

use super::options::ProtobufDataConfig;
use super::parse::ProtoSchema;
use super::{read_plan, reader, write_plan, writer};

/// Keys and values.
type Settings = &'static [(&'static str, &'static str)];

fn config(settings: &[(&str, &str)]) -> ProtobufDataConfig {
    ProtobufDataConfig::parse(&Props::from_iter(settings.iter().copied())).expect("settings")
}

/// Schema text, bytes, and what is read back, checked on the way by prost-reflect.
fn round_trip(schema: &SchemaRef, value: &Value, config: &ProtobufDataConfig) -> (String, Bytes, SchemaRef, Value) {
    let plan = write_plan::compile(schema, config).expect("plan");
    let mut out = BytesMut::new();
    writer::write(&plan.root, value, &mut out).expect("written");
    let bytes = out.freeze();
    let parsed = ProtoSchema::new(&plan.text, &[]).expect("text");
    let indexes = super::message_index::decode(&mut &plan.indexes[..]).expect("indexes");
    let descriptor = parsed.message_at(&indexes).expect("message");
    assert_eq!(descriptor.full_name(), plan.message);
    let decoded = DynamicMessage::decode(descriptor.clone(), bytes.clone()).expect("another decoder");
    assert_eq!(decoded.encode_to_vec(), bytes, "{}", plan.text);
    assert_eq!(decoded.unknown_fields().count(), 0);
    let read = read_plan::compile(&descriptor, None, config).expect("read plan");
    let back = reader::read(&read, &bytes).expect("read");
    (plan.text.to_string(), bytes, read.schema, back)
}

fn row() -> SchemaBuilder {
    SchemaBuilder::structure().name("server1.inventory.customers.Value")
}

fn struct_of(schema: &SchemaRef, values: Vec<Value>) -> Value {
    Value::from(Struct::new(schema.clone(), values))
}

fn values(value: &Value) -> &[Value] {
    value.as_struct().expect("struct").values()
}

#[test]
fn texts_are_those_of_confluents_converter() {
    let meta = |params: &str| format!(" [(confluent.field_meta) = {{\n    params: [\n{params}    ]\n  }}]");
    let entry = |a: &str, b: &str| format!("      {{\n        {a},\n        {b}\n      }}");
    let int8 = meta(&(entry("key: \"connect.type\"", "value: \"int8\"") + "\n"));
    let decimal = meta(&format!(
        "{},\n{}\n",
        entry("value: \"10\"", "key: \"precision\""),
        entry("value: \"2\"", "key: \"scale\"")
    ));
    let amount = SchemaBuilder::decimal(2).parameter("connect.decimal.precision", "10").build();
    let tags = SchemaBuilder::map(Schema::string(), Schema::int32()).build();
    let rows: Vec<(SchemaRef, String, Settings)> = vec![
        (
            SchemaBuilder::structure().field("f1", Schema::string()).field("f2", Schema::optional_int64()).build(),
            "syntax = \"proto3\";\n\nmessage ConnectDefault1 {\n  string f1 = 1;\n  int64 f2 = 2;\n}\n".into(),
            &[],
        ),
        (
            row().field("a", Schema::int8()).field("b", SchemaBuilder::array(Schema::float64()).build()).build(),
            format!(
                "syntax = \"proto3\";\npackage server1.inventory.customers;\n\nmessage Value {{\n  int32 a = 1{int8};\n  \
                 repeated double b = 2;\n}}\n"
            ),
            &[],
        ),
        (
            SchemaBuilder::structure().name("R").field("d", amount).field("t", tags).build(),
            format!(
                "syntax = \"proto3\";\n\nimport \"confluent/type/decimal.proto\";\n\nmessage R {{\n  \
                 confluent.type.Decimal d = 1{decimal};\n  repeated ConnectDefault1Entry t = 2;\n\n  message \
                 ConnectDefault1Entry {{\n    string key = 1;\n    int32 value = 2;\n  }}\n}}\n"
            ),
            &[],
        ),
        (
            SchemaBuilder::structure().name("R").field("s", Schema::optional_string()).build(),
            "syntax = \"proto3\";\n\nmessage R {\n  optional string s = 1;\n}\n".into(),
            &[("optional.for.nullables", "true")],
        ),
        (
            SchemaBuilder::structure().name("R").field("s", Schema::optional_string()).build(),
            "syntax = \"proto3\";\n\nimport \"google/protobuf/wrappers.proto\";\n\nmessage R {\n  \
             google.protobuf.StringValue s = 1;\n}\n"
                .into(),
            &[("wrapper.for.nullables", "true")],
        ),
    ];
    for (schema, want, settings) in rows {
        let plan = write_plan::compile(&schema, &config(settings)).expect("plan");
        assert_eq!(&*plan.text, want);
    }
}

#[test]
fn nested_text_is_indented_line_by_line() {
    let inner = SchemaBuilder::structure().name("In").field("x", Schema::int32()).build();
    let middle = SchemaBuilder::structure().name("Mid").field("in", inner).build();
    let schema = SchemaBuilder::structure().name("Out").field("mid", middle).build();
    let plan = write_plan::compile(&schema, &config(&[])).expect("plan");
    // The line between fields and messages is indented too.
    let want = "syntax = \"proto3\";\n\nmessage Out {\n  Mid mid = 1;\n\n  message Mid {\n    In in = 1;\n  \n    message In \
                {\n      int32 x = 1;\n    }\n  }\n}\n";
    assert_eq!(&*plan.text, want);
}

fn every_type() -> (SchemaRef, Value) {
    let address = SchemaBuilder::structure().name("Address").field("street", Schema::string()).optional().build();
    let schema = row()
        .field("i8", Schema::int8())
        .field("i16", Schema::int16())
        .field("i32", Schema::int32())
        .field("i64", Schema::int64())
        .field("f32", Schema::float32())
        .field("f64", Schema::float64())
        .field("b", Schema::boolean())
        .field("s", Schema::string())
        .field("y", Schema::bytes())
        .field("dec", SchemaBuilder::decimal(2).build())
        .field("day", SchemaBuilder::date().build())
        .field("time", SchemaBuilder::time().build())
        .field("ts", SchemaBuilder::timestamp().build())
        .field("ints", SchemaBuilder::array(Schema::int32()).build())
        .field("texts", SchemaBuilder::array(Schema::string()).build())
        .field("map", SchemaBuilder::map(Schema::string(), Schema::int64()).name("map").build())
        .field("home", address.clone())
        .field("work", address.clone())
        .build();
    let text = |s: &str| Value::str(s);
    let map: Vec<(Value, Value)> = vec![(text("a"), Value::Int64(1)), (text("b"), Value::Int64(0))];
    let value = struct_of(
        &schema,
        vec![
            Value::Int8(-8),
            Value::Int16(-16),
            Value::Int32(i32::MIN),
            Value::Int64(i64::MIN),
            Value::Float32(1.5),
            Value::Float64(-0.5),
            Value::Bool(true),
            text("héllo"),
            Value::Bytes(Bytes::from_static(&[0, 255])),
            Value::Decimal(Arc::new("12.50".parse().expect("decimal"))),
            Value::Date(86_400_000 * 19_000),
            Value::Date(3_600_000),
            Value::Date(1_700_000_000_001),
            Value::Array(Arc::from([Value::Int32(0), Value::Int32(300)])),
            Value::Array(Arc::from([text(""), text("x")])),
            Value::Map(map.into()),
            struct_of(&address, vec![text("Main Street")]),
            Value::Null,
        ],
    );
    (schema, value)
}

#[test]
fn every_type_comes_back() {
    let (schema, value) = every_type();
    for settings in [&[][..], &[("optional.for.nullables", "true")], &[("wrapper.for.nullables", "true")]] {
        let (_, _, read_schema, back) = round_trip(&schema, &value, &config(settings));
        assert_eq!(read_schema.name(), Some("Value"));
        for (at, (was, is)) in values(&value).iter().zip(values(&back)).enumerate() {
            let name = schema.fields()[at].name();
            let field = read_schema.fields()[at].schema();
            assert_eq!(field.kind(), schema.fields()[at].schema().kind(), "{name}");
            assert_eq!(field.parameter("io.confluent.connect.protobuf.Tag"), Some(&*(at + 1).to_string()), "{name}");
            match (was, is) {
                (Value::Struct(a), Value::Struct(b)) => assert_eq!(a.values(), b.values(), "{name}"),
                (a, b) => assert_eq!(a, b, "{name}"),
            }
        }
    }
}

/// protobuf-java leaves out only what equals the default, and to Java the two zeros differ.
#[test]
fn negative_zero_is_no_default() {
    let schema = row().field("d", Schema::float64()).field("f", Schema::float32()).build();
    let plan = write_plan::compile(&schema, &config(&[])).expect("plan");
    for (zero, length) in [(0.0, 0), (-0.0, 14)] {
        let mut out = BytesMut::new();
        let value = struct_of(&schema, vec![Value::Float64(zero), Value::Float32(zero as f32)]);
        writer::write(&plan.root, &value, &mut out).expect("written");
        assert_eq!(out.len(), length);
    }
}

#[test]
fn nulls_and_defaults() {
    let schema = row()
        .field("n", Schema::optional_int32())
        .field("d", SchemaBuilder::new(Type::String).optional().default("fallback").build())
        .build();
    let nulls = struct_of(&schema, vec![Value::Null, Value::Null]);
    let rows: [(Settings, [Value; 2]); 4] = [
        (&[], [Value::Int32(0), Value::str("fallback")]),
        (&[("ignore.default.for.nullables", "true")], [Value::Int32(0), Value::str("")]),
        (&[("optional.for.nullables", "true")], [Value::Null, Value::str("fallback")]),
        (&[("wrapper.for.nullables", "true"), ("ignore.default.for.nullables", "true")], [Value::Null, Value::Null]),
    ];
    for (settings, want) in rows {
        let (.., back) = round_trip(&schema, &nulls, &config(settings));
        assert_eq!(values(&back), want, "{settings:?}");
    }
}

#[test]
fn whole_records_can_be_scalars() {
    let rows: Vec<(SchemaRef, Value)> = vec![
        (Schema::int32(), Value::Int32(7)),
        (Schema::int64(), Value::Int64(0)),
        (Schema::optional_string(), Value::str("key")),
        (Schema::boolean(), Value::Bool(true)),
        (Schema::float64(), Value::Float64(0.5)),
        (Schema::bytes(), Value::Bytes(Bytes::from_static(b"x"))),
    ];
    for (schema, value) in rows {
        let (text, _, read_schema, back) = round_trip(&schema, &value, &config(&[]));
        assert!(text.contains("package google.protobuf;"));
        assert_eq!((read_schema.kind(), &back), (schema.kind(), &value));
    }
    for bad in
        [SchemaBuilder::array(Schema::int32()).build(), SchemaBuilder::map(Schema::string(), Schema::int32()).build()]
    {
        let error = write_plan::compile(&bad, &config(&[])).expect_err("refused");
        assert!(error.message().starts_with("Unsupported root schema of type "));
    }
}

const UNIONS: &str = "syntax = \"proto3\"; package p; message M { int32 id = 1; oneof pick { string s = 2; int32 n = 3; In in = 4; } \
                      enum Color { RED = 0; BLUE = 5; } Color color = 6; repeated Color colors = 7; message In { sint64 z = 1; } \
                      map<int32, In> by_id = 8; uint32 u = 9; fixed32 f = 10; }";

fn read_text(text: &str, settings: &[(&str, &str)], json: &str) -> (SchemaRef, Value, Bytes) {
    let parsed = ProtoSchema::new(text, &[]).expect("text");
    let descriptor = parsed.message_at(&[0]).expect("message");
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(descriptor.clone(), &mut deserializer).expect("json");
    let bytes = Bytes::from(message.encode_to_vec());
    let plan = read_plan::compile(&descriptor, Some(3), &config(settings)).expect("plan");
    let value = reader::read(&plan, &bytes).expect("read");
    (plan.schema, value, bytes)
}

#[test]
fn foreign_schemas_map_as_documented() {
    let json = r#"{"id": 1, "in": {"z": "-5"}, "color": "BLUE", "colors": ["RED", "BLUE"], "byId": {"3": {"z": "1"}},
                  "u": 4294967295, "f": 4294967295}"#;
    let (schema, value, bytes) = read_text(UNIONS, &[], json);
    let names: Vec<&str> = schema.fields().iter().map(couplet_api::data::Field::name).collect();
    assert_eq!(names, ["pick_0", "id", "color", "colors", "by_id", "u", "f"]);
    assert_eq!(schema.version(), Some(3));
    let union = schema.field("pick_0").expect("union").schema();
    assert_eq!(union.name(), Some("io.confluent.connect.protobuf.Union.pick"));
    let color = schema.field("color").expect("enum").schema();
    assert_eq!(color.parameter("io.confluent.connect.protobuf.Enum.BLUE"), Some("5"));
    let [pick, id, color, colors, by_id, u, f] = values(&value) else { panic!("seven fields") };
    assert_eq!(values(&values(pick)[2]), [Value::Int64(-5)]);
    assert_eq!((id, color.as_str()), (&Value::Int32(1), Some("BLUE")));
    assert_eq!(colors, &Value::Array(Arc::from([Value::str("RED"), Value::str("BLUE")])));
    assert_eq!((u, f), (&Value::Int64(4_294_967_295), &Value::Int64(4_294_967_295)));
    let entries = by_id.as_map().expect("map");
    assert_eq!((&entries[0].0, values(&entries[0].1)), (&Value::Int32(3), &[Value::Int64(1)][..]));
    // And back to the same bytes, under the schema that was read.
    let (text, again, ..) = round_trip(&schema, &value, &config(&[]));
    assert_eq!(again, bytes, "{text}");
}

#[test]
fn options_change_names_and_types() {
    let json = r#"{"s": "x", "color": "BLUE"}"#;
    let rows: [(Settings, &str, &str, Value); 4] = [
        (&[("int.for.enums", "true")], "pick_0", "color", Value::Int32(5)),
        (&[("generate.index.for.unions", "false")], "pick", "color", Value::str("BLUE")),
        (&[("flatten.unions", "true")], "s", "color", Value::str("BLUE")),
        (&[("generalized.sum.type.support", "true")], "pick_0", "color", Value::str("BLUE")),
    ];
    for (settings, first, field, want) in rows {
        let (schema, value, bytes) = read_text(UNIONS, settings, json);
        assert_eq!(schema.fields()[0].name(), first);
        assert_eq!(value.as_struct().expect("struct").get(field), Some(&want), "{settings:?}");
        let flattens = settings[0].0 == "flatten.unions";
        let (_, again, ..) = round_trip(&schema, &value, &config(settings));
        // Flattened members are plain fields: they come back with their defaults left out.
        assert!(flattens || again == bytes, "{settings:?}");
    }
    let enhanced = read_text(UNIONS, &[("enhanced.protobuf.schema.support", "true")], json).0;
    assert_eq!(enhanced.name(), Some("p.M"));
    assert_eq!(
        enhanced.field("pick_0").expect("union").schema().name(),
        Some("io.confluent.connect.protobuf.Union.p.M.pick")
    );
}

#[test]
fn wrappers_optionals_and_absent_messages() {
    let text = "syntax = \"proto3\"; import \"google/protobuf/wrappers.proto\"; message M { google.protobuf.Int32Value w = 1; \
                optional string o = 2; In in = 3; message In { int32 a = 1; } }";
    let rows: [(Settings, [Value; 2]); 3] = [
        (&[], [Value::Null, Value::Null]),
        (&[("wrapper.for.nullables", "true")], [Value::Null, Value::Null]),
        (
            &[("wrapper.for.nullables", "true"), ("generate.struct.for.nulls", "true")],
            [Value::Int32(0), Value::str("")],
        ),
    ];
    for (settings, want) in rows {
        let (schema, value, _) = read_text(text, settings, "{}");
        assert_eq!(values(&value)[..2], want, "{settings:?}");
        assert_eq!(values(&value)[2].is_null(), settings.len() < 2);
        assert!(schema.fields().iter().all(|f| f.schema().is_optional() || f.name() == "o"));
    }
    let (schema, value, _) = read_text(text, &[("wrapper.for.nullables", "true")], r#"{"w": 0}"#);
    assert_eq!((schema.fields()[0].schema().kind(), &values(&value)[0]), (Type::Int32, &Value::Int32(0)));
}

#[test]
fn recursion_and_groups_are_refused() {
    let recursive = ProtoSchema::new("syntax = \"proto3\"; message M { M m = 1; }", &[]).expect("text");
    let error =
        read_plan::compile(&recursive.message_at(&[0]).expect("message"), None, &config(&[])).expect_err("endless");
    assert!(error.message().contains("inside of itself"));
    let group = ProtoSchema::new("syntax = \"proto2\"; message M { optional group G = 1 { } }", &[]).expect("text");
    assert!(read_plan::compile(&group.message_at(&[0]).expect("message"), None, &config(&[])).is_err());
}

#[test]
fn invalid_names_are_refused_or_scrubbed() {
    let schema = SchemaBuilder::structure().name("my-server.a b").field("the-field", Schema::int32()).build();
    assert!(write_plan::compile(&schema, &config(&[])).is_err());
    let value = struct_of(&schema, vec![Value::Int32(4)]);
    let (text, ..) = round_trip(&schema, &value, &config(&[("scrub.invalid.names", "true")]));
    assert!(text.contains("package my_server;") && text.contains("message a_b {\n  int32 the_field = 1;"));
}

#[test]
fn repeated_messages_merge_and_later_members_win() {
    let text = "syntax = \"proto3\"; message M { In in = 1; oneof o { int32 a = 2; In b = 3; } message In { int32 x = 1; \
                repeated int32 y = 2; } }";
    let parsed = ProtoSchema::new(text, &[]).expect("text");
    let plan = read_plan::compile(&parsed.message_at(&[0]).expect("message"), None, &config(&[])).expect("plan");
    // in {x: 1, y: [2]}, in {y: [3]}, a: 5, b {x: 1}, an unknown field
    let bytes = Bytes::from_static(&[10, 4, 8, 1, 16, 2, 10, 3, 18, 1, 3, 16, 5, 26, 2, 8, 1, 120, 1]);
    let value = reader::read(&plan, &bytes).expect("read");
    let [union, inner] = values(&value) else { panic!("two fields") };
    let numbers = Value::Array(Arc::from([Value::Int32(2), Value::Int32(3)]));
    assert_eq!(values(inner), [Value::Int32(1), numbers]);
    assert!(values(union)[0].is_null() && !values(union)[1].is_null());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let (schema, _) = every_type();
        let plan = write_plan::compile(&schema, &config(&[])).expect("plan");
        for text in [&*plan.text, UNIONS] {
            let parsed = ProtoSchema::new(text, &[]).expect("text");
            let read = read_plan::compile(&parsed.message_at(&[0]).expect("message"), None, &config(&[])).expect("plan");
            let _ = reader::read(&read, &bytes);
        }
        let _ = super::message_index::decode(&mut &bytes[..]);
    }

    #[test]
    fn damaged_messages_are_read_or_refused(at in 0..200_usize, with in any::<u8>()) {
        let (schema, value) = every_type();
        let plan = write_plan::compile(&schema, &config(&[])).expect("plan");
        let mut out = BytesMut::new();
        writer::write(&plan.root, &value, &mut out).expect("written");
        let length = out.len();
        out[at % length] = with;
        let parsed = ProtoSchema::new(&plan.text, &[]).expect("text");
        let read = read_plan::compile(&parsed.message_at(&[0]).expect("message"), None, &config(&[])).expect("plan");
        if let Ok(value) = reader::read(&read, &out.freeze()) {
            // Sizes count 40 bytes a value: a byte can be one, as in a packed list.
            prop_assert!(value.size() < 100 * length);
        }
    }

    #[test]
    fn any_text_is_a_schema_or_refused(text in "(message|M|N|\\{|\\}|int32|a|=|1|;|oneof|map<|>|[a-z]| |\"){0,40}") {
        if let Ok(message) = ProtoSchema::new(&text, &[]).and_then(|schema| schema.message_at(&[0])) {
            let _ = read_plan::compile(&message, None, &config(&[]));
        }
    }
}
