//! The mapping in both directions.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::data::{Field, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use proptest::prelude::*;

use super::options::JsonSchemaDataConfig;
use super::refs::Documents;
use super::{from_connect, reader, to_connect, write_plan, writer};

/// Keys and values.
type Settings = &'static [(&'static str, &'static str)];

fn config(settings: &[(&str, &str)]) -> JsonSchemaDataConfig {
    JsonSchemaDataConfig::parse(&Props::from_iter(settings.iter().copied())).expect("settings")
}

fn text_of(schema: &SchemaRef, settings: &[(&str, &str)]) -> String {
    from_connect::derive(schema, &config(settings)).expect("derived").to_string()
}

fn schema_of(text: &str, settings: &[(&str, &str)]) -> couplet_api::Result<SchemaRef> {
    to_connect::derive(&Documents::new(text, [])?, None, &config(settings))
}

fn json_of(schema: &SchemaRef, value: &Value, settings: &[(&str, &str)]) -> String {
    let plan = write_plan::compile(schema, &config(settings)).expect("plan");
    let mut out = BytesMut::new();
    assert!(writer::write(&plan, value, &mut out).expect("written"));
    String::from_utf8(out.to_vec()).expect("text")
}

fn struct_of(schema: &SchemaRef, values: Vec<Value>) -> Value {
    Value::from(Struct::new(schema.clone(), values))
}

/// What the JVM registers for a change event of Debezium's, but for the names of server and table.
const ENVELOPE: &str = r#"{"type":"object","title":"server1.public.pets.Envelope","connect.version":1,"properties":{"op":{"type":"string","connect.index":3},"before":{"connect.index":0,"oneOf":[{"type":"null"},{"type":"object","title":"server1.public.pets.Value","properties":{"val":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string"}]},"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}]},"after":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"object","title":"server1.public.pets.Value","properties":{"val":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string"}]},"id":{"type":"integer","connect.index":0,"connect.type":"int32"}}}]},"source":{"type":"object","title":"io.debezium.connector.postgresql.Source","connect.index":2,"properties":{"schema":{"type":"string","connect.index":7},"sequence":{"connect.index":6,"oneOf":[{"type":"null"},{"type":"string"}]},"xmin":{"connect.index":11,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"connector":{"type":"string","connect.index":1},"lsn":{"connect.index":10,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"name":{"type":"string","connect.index":2},"txId":{"connect.index":9,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"version":{"type":"string","connect.index":0},"ts_ms":{"type":"integer","connect.index":3,"connect.type":"int64"},"snapshot":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"string","title":"io.debezium.data.Enum","default":"false","connect.version":1,"connect.parameters":{"allowed":"true,last,false,incremental"}}]},"db":{"type":"string","connect.index":5},"table":{"type":"string","connect.index":8}}},"ts_ms":{"connect.index":4,"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}]},"transaction":{"connect.index":5,"oneOf":[{"type":"null"},{"type":"object","title":"event.block","connect.version":1,"properties":{"data_collection_order":{"type":"integer","connect.index":2,"connect.type":"int64"},"id":{"type":"string","connect.index":0},"total_order":{"type":"integer","connect.index":1,"connect.type":"int64"}}}]}}}"#;

#[test]
fn the_jvms_schema_of_a_change_event_is_read_and_written() {
    let schema = schema_of(ENVELOPE, &[]).expect("derived");
    let names: Vec<&str> = schema.fields().iter().map(Field::name).collect();
    assert_eq!(names, ["before", "after", "source", "op", "ts_ms", "transaction"]);
    assert_eq!((schema.name(), schema.version()), (Some("server1.public.pets.Envelope"), Some(1)));
    let source = schema.field("source").expect("source").schema();
    assert_eq!(source.fields()[4].schema().default(), Some(&Value::str("false")));
    assert_eq!(text_of(&schema, &[]), ENVELOPE);
}

#[test]
fn texts_are_those_of_confluents_converter() {
    let map = |key: SchemaRef| SchemaBuilder::map(key, Schema::int32()).build();
    let row = SchemaBuilder::structure().field("x", Schema::boolean()).build();
    let with_default = SchemaBuilder::new(Type::Float64).default(1.5_f64).doc("d").build();
    let rows: Vec<(SchemaRef, &str, Settings)> = vec![
        (Schema::int8(), r#"{"type":"integer","connect.type":"int8"}"#, &[]),
        (Schema::float32(), r#"{"type":"number","connect.type":"float32"}"#, &[]),
        (Schema::boolean(), r#"{"type":"boolean"}"#, &[]),
        (Schema::bytes(), r#"{"type":"string","connect.type":"bytes"}"#, &[]),
        (Schema::optional_string(), r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#, &[]),
        (
            SchemaBuilder::decimal(2).build(),
            r#"{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}}"#,
            &[],
        ),
        (
            SchemaBuilder::decimal(2).build(),
            r#"{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}}"#,
            &[("decimal.format", "numeric")],
        ),
        (
            map(Schema::string()),
            r#"{"type":"object","connect.type":"map","additionalProperties":{"type":"integer","connect.type":"int32"}}"#,
            &[],
        ),
        (
            map(Schema::int32()),
            r#"{"type":"array","connect.type":"map","items":{"type":"object","properties":{"value":{"type":"integer","connect.index":1,"connect.type":"int32"},"key":{"type":"integer","connect.index":0,"connect.type":"int32"}}}}"#,
            &[],
        ),
        (
            row,
            r#"{"type":"object","additionalProperties":false,"properties":{"x":{"connect.index":0,"type":"boolean"}}}"#,
            &[("object.additional.properties", "false")],
        ),
        (with_default, r#"{"type":"number","description":"d","default":1.5,"connect.type":"float64"}"#, &[]),
    ];
    for (schema, want, settings) in rows {
        let got = text_of(&schema, settings);
        // Order of the entries' parts is Java's; both parts must be there.
        assert_eq!(got, want);
        let back = schema_of(&got, settings).expect("read");
        assert_eq!(text_of(&back, settings), want, "back and forth");
    }
}

fn every_type() -> (SchemaRef, Value, &'static str) {
    let inner = SchemaBuilder::structure().name("In").field("z", Schema::optional_string()).optional().build();
    let schema = SchemaBuilder::structure()
        .name("All")
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
        .field("list", SchemaBuilder::array(Schema::optional_int32()).build())
        .field("map", SchemaBuilder::map(Schema::string(), Schema::int64()).build())
        .field("pairs", SchemaBuilder::map(Schema::int32(), Schema::string()).build())
        .field("in", inner.clone())
        .field("none", Schema::optional_int32())
        .build();
    let value = struct_of(
        &schema,
        vec![
            Value::Int8(-8),
            Value::Int16(16),
            Value::Int32(i32::MIN),
            Value::Int64(i64::MAX),
            Value::Float32(1.5),
            Value::Float64(1e30),
            Value::Bool(true),
            Value::str("hé\"llo"),
            Value::Bytes(Bytes::from_static(&[0, 255])),
            Value::Decimal(Arc::new("12.50".parse().expect("decimal"))),
            Value::Date(86_400_000),
            Value::Date(3_600_000),
            Value::Date(-1),
            Value::Array(Arc::from([Value::Int32(1), Value::Null])),
            Value::Map(Arc::from([(Value::str("a"), Value::Int64(1))])),
            Value::Map(Arc::from([(Value::Int32(1), Value::str("x"))])),
            struct_of(&inner, vec![Value::Null]),
            Value::Null,
        ],
    );
    let json = r#"{"i8":-8,"i16":16,"i32":-2147483648,"i64":9223372036854775807,"f32":1.5,"f64":1.0E30,"b":true,"s":"hé\"llo","y":"AP8=","dec":"BOI=","day":1,"time":3600000,"ts":-1,"list":[1,null],"map":{"a":1},"pairs":[{"key":1,"value":"x"}],"in":{"z":null},"none":null}"#;
    (schema, value, json)
}

#[test]
fn every_type_comes_back() {
    let (schema, value, json) = every_type();
    assert_eq!(json_of(&schema, &value, &[]), json);
    let back = schema_of(&text_of(&schema, &[]), &[]).expect("derived");
    assert_eq!(back, schema);
    assert_eq!(reader::read(&Bytes::from_static(json.as_bytes()), &back).expect("read"), value);
    let numeric = json_of(&schema, &value, &[("decimal.format", "NUMERIC")]);
    assert!(numeric.contains(r#""dec":12.50,"#));
    assert_eq!(reader::read(&Bytes::from(numeric), &back).expect("read"), value);
}

#[test]
fn nulls_and_defaults() {
    let schema = SchemaBuilder::structure()
        .field("required", Schema::int32())
        .field("default", SchemaBuilder::new(Type::Int32).optional().default(5).build())
        .field("optional", Schema::optional_int32())
        .build();
    let nulls = struct_of(&schema, vec![Value::Null; 3]);
    assert_eq!(json_of(&schema, &nulls, &[]), r#"{"default":5,"optional":null}"#);
    let ignoring = [("ignore.default.for.nullables", "true")];
    assert_eq!(json_of(&schema, &nulls, &ignoring), r#"{"default":null,"optional":null}"#);
    let read = |json: &'static str| reader::read(&Bytes::from_static(json.as_bytes()), &schema);
    let absent = struct_of(&schema, vec![Value::Null, Value::Int32(5), Value::Null]);
    assert_eq!(read("{}").expect("read"), absent);
    let error = read(r#"{"required":null}"#).expect_err("refused");
    assert_eq!(error.message(), "Invalid null value for required INT32 field");
    for bad in ["", "[1]", "{", r#"{"required":"#, "nul"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn foreign_schemas_map_as_documented() {
    let rows = [
        (r#"{"type":"integer"}"#, "INT64"),
        (r#"{"type":"number"}"#, "FLOAT64"),
        (r#"{"type":["string","null"]}"#, "STRING?"),
        (r#"{"anyOf":[{"type":"null"},{"type":"boolean"}]}"#, "BOOLEAN?"),
        (r#"{"type":"array","items":{"type":"string"}}"#, "ARRAY"),
        (r#"{"type":"string","format":"date","maxLength":4}"#, "STRING"),
        (r#"{"type":"string","enum":["A","B"]}"#, "STRING"),
        (r#"{"const":"A"}"#, "STRING"),
        (r#"{"type":"integer","enum":[1,2]}"#, "INT64"),
        (r#"{"oneOf":[{"type":"string"}]}"#, "STRING"),
        (r#"{"properties":{"a":{"type":"string"}}}"#, "STRUCT"),
        (r##"{"$ref":"#/definitions/x","definitions":{"x":{"type":"boolean"}}}"##, "BOOLEAN"),
        (r##"{"$ref":"#/definitions/x","$defs":{"x":{"type":"boolean"}}}"##, "BOOLEAN"),
        (
            r##"{"type":"array","items":{"$ref":"#here"},"definitions":{"x":{"$id":"#here","type":"boolean"}}}"##,
            "ARRAY",
        ),
    ];
    for (text, want) in rows {
        let schema = schema_of(text, &[]).expect(text);
        let got = format!("{}{}", schema.kind().name(), if schema.is_optional() { "?" } else { "" });
        assert_eq!(got, want, "{text}");
    }
    let refused = [
        ("{}", "Unsupported schema type org.everit.json.schema.EmptySchema"),
        (r#"{"type":"null"}"#, "Unsupported schema type org.everit.json.schema.NullSchema"),
        (r#"{"not":{"type":"null"}}"#, "Unsupported schema type org.everit.json.schema.NotSchema"),
        (r#"{"type":"array"}"#, "Array schema did not specify the items type"),
        (r#"{"type":"integer","connect.type":"odd"}"#, "Unsupported type odd"),
    ];
    for (text, want) in refused {
        assert_eq!(schema_of(text, &[]).expect_err(text).message(), want);
    }
    for bad in ["", "1", r#"{"type":7}"#, r#"{"type":"odd"}"#, r##"{"$ref":"#/gone"}"##, r##"{"$ref":"#"}"##] {
        assert!(schema_of(bad, &[]).is_err(), "{bad}");
    }
}

#[test]
fn enums_and_all_of() {
    let schema = schema_of(r#"{"type":"string","enum":["A",null]}"#, &[]).expect("enum");
    assert_eq!(schema.parameter("io.confluent.connect.json.Enum.A"), Some("A"));
    assert_eq!(text_of(&schema, &[]), r#"{"enum":["A","<NULL>"]}"#.replace("\"<NULL>\"", "null"));
    let generalized = [("generalized.sum.type.support", "true")];
    let schema = schema_of(r#"{"enum":["A","B"]}"#, &generalized).expect("enum");
    assert_eq!(schema.parameter("org.apache.kafka.connect.data.Enum.B"), Some("1"));
    let merged = r##"{"allOf":[{"$ref":"#/definitions/base"},{"type":"object","required":["b"],"properties":{"b":{"type":"string"}}}],
                   "definitions":{"base":{"type":"object","properties":{"a":{"type":"integer"}}}}}"##;
    let schema = schema_of(merged, &[("use.optional.for.nonrequired", "true")]).expect("merged");
    let fields: Vec<(&str, bool)> = schema.fields().iter().map(|f| (f.name(), f.schema().is_optional())).collect();
    assert_eq!(fields, [("a", true), ("b", false)]);
}

#[test]
fn unions_hold_the_member_that_fits() {
    let text = r#"{"oneOf":[{"type":"integer"},{"type":"string"},
                 {"type":"object","title":"A","properties":{"a":{"type":"integer"},"c":{"type":"integer"}}},
                 {"type":"object","title":"B","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}},
                 {"type":"array","items":{"type":"boolean"}}]}"#;
    let rows = [("7", 0), (r#""x""#, 1), (r#"{"c":1}"#, 2), (r#"{"a":1,"b":2}"#, 3), ("[true]", 4)];
    for settings in [&[][..], &[("generalized.sum.type.support", "true")]] {
        let schema = schema_of(text, settings).expect("union");
        for (json, member) in rows {
            let value = reader::read(&Bytes::from_static(json.as_bytes()), &schema).expect(json);
            let values = value.as_struct().expect("struct").values();
            assert_eq!(values.iter().position(|v| !v.is_null()), Some(member), "{json}");
            let written = json_of(&schema, &value, settings);
            assert!(written.contains(json.trim_matches(['{', '}'])), "{json} {written}");
        }
        assert!(reader::read(&Bytes::from_static(b"true"), &schema).is_err());
    }
    let name = schema_of(text, &[]).expect("union");
    assert_eq!(name.fields()[1].name(), "io.confluent.connect.json.OneOf.field.1");
}

#[test]
fn references_lead_to_other_documents() {
    let text =
        r##"{"type":"object","properties":{"o":{"$ref":"other.json"},"p":{"$ref":"./other.json#/properties/x"}}}"##;
    let other = r##"{"type":"object","title":"Other","properties":{"x":{"$ref":"#/definitions/n"}},"definitions":{"n":{"type":"integer"}}}"##;
    let documents = Documents::new(text, [("other.json", other)]).expect("documents");
    let schema = to_connect::derive(&documents, Some(4), &config(&[])).expect("derived");
    assert_eq!(schema.version(), Some(4));
    let kinds: Vec<Type> = schema.fields().iter().map(|f| f.schema().kind()).collect();
    // Without places the properties come in the order of a Java map.
    assert_eq!(kinds, [Type::Int64, Type::Struct]);
    let recursive = r##"{"type":"object","properties":{"next":{"$ref":"#"}}}"##;
    assert!(schema_of(recursive, &[]).expect_err("endless").message().contains("leads into itself"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}:,\"0-9a-z.eE+\\- ]{0,80}") {
        let (schema, ..) = every_type();
        let _ = reader::read(&Bytes::from(bytes), &schema);
        let _ = reader::read(&Bytes::from(json), &schema);
    }

    #[test]
    fn damaged_messages_are_read_or_refused(at in 0..300_usize, with in any::<u8>()) {
        let (schema, _, json) = every_type();
        let mut damaged = json.as_bytes().to_vec();
        let length = damaged.len();
        damaged[at % length] = with;
        if let Ok(value) = reader::read(&Bytes::from(damaged), &schema) {
            prop_assert!(value.size() < 100 * length);
        }
    }

    #[test]
    fn any_json_is_a_schema_or_refused(
        json in "(\\{|\\}|\\[|\\]|:|,|\"type\":|\"oneOf\":\\[|\"\\$ref\":\"#|\"object\"|\"items\":|\"properties\":|\"a\"|1|true){0,30}",
    ) {
        let _ = schema_of(&json, &[]);
    }

    #[test]
    fn written_numbers_come_back(i in any::<i64>(), f in any::<f64>(), s in ".*") {
        let schema = SchemaBuilder::structure()
            .field("i", Schema::int64()).field("f", Schema::float64()).field("s", Schema::string()).build();
        let f = if f.is_finite() && f != 0.0 { f } else { 1.0 };
        let value = struct_of(&schema, vec![Value::Int64(i), Value::Float64(f), Value::str(s)]);
        let json = json_of(&schema, &value, &[]);
        prop_assert_eq!(reader::read(&Bytes::from(json), &schema).expect("read"), value);
    }
}

#[test]
fn nesting_is_limited() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let schema = SchemaBuilder::array(Schema::int32()).build();
    assert!(reader::read(&Bytes::from(deep.clone()), &schema).is_err());
    let text = format!(r#"{{"default":{deep}}}"#);
    assert!(Documents::new(&text, []).is_err());
}
