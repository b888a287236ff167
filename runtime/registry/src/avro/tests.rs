use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use bytes::{Bytes, BytesMut};
use couplet_api::data::{Datum, Decimal, Schema, SchemaBuilder, SchemaRef, Struct, Type, Value};
use proptest::prelude::*;

use super::from_connect::from_connect;
use super::names::{ENUM, UNION};
use super::options::{AvroKeys, Options};
use super::parse::parse;
use super::print::print;
use super::read_plan::{self, Read};
use super::reader::Input;
use super::schema::AvroSchema;
use super::to_connect::to_connect;
use super::write_plan;
use super::writer::write;
use crate::Dialect;
use crate::client::{SchemaText, SchemaType};

/// Settings of a case.
type Keys = &'static [(&'static str, &'static str)];

fn options(more: &[(&str, &str)]) -> Options {
    let props = more.iter().copied().collect();
    AvroKeys::of(&props).expect("valid settings").options()
}

fn avro(text: &str) -> AvroSchema {
    parse(&SchemaText::new(SchemaType::Avro, text)).expect("an Avro schema")
}

fn text_of(schema: &SchemaRef, options: Options) -> String {
    print(&from_connect(schema, options).expect("has an Avro form")).expect("prints")
}

fn encode(data: &Datum, avro: &AvroSchema, options: Options) -> couplet_api::Result<Bytes> {
    let plan = write_plan::compile(data.schema.as_ref(), avro, options)?;
    let mut out = BytesMut::new();
    write(&plan, &data.value, &mut out)?;
    Ok(out.freeze())
}

fn decode(bytes: &Bytes, writer: &AvroSchema, reader: &AvroSchema, options: Options) -> couplet_api::Result<Datum> {
    let schema = to_connect(reader, None, options)?;
    let read = read_plan::compile(writer, reader, &schema)?;
    let mut input = Input::new(bytes, writer);
    let value = input.value(&read)?;
    assert_eq!(input.rest(), 0, "all bytes belong to the value");
    Ok(Datum { schema: Some(schema), value })
}

fn debezium_row() -> SchemaRef {
    SchemaBuilder::structure()
        .name("shop.public.orders.Value")
        .field("id", SchemaBuilder::new(Type::Int32).default(0i32).build())
        .field("born", SchemaBuilder::new(Type::Int32).optional().name("io.debezium.time.Date").version(1).build())
        .field("price", SchemaBuilder::decimal(2).parameter("connect.decimal.precision", "10").optional().build())
        .build()
}

/// Texts as Confluent's converter registers them.
#[test]
fn connect_schemas_become_the_texts_that_confluent_registers() {
    let row = debezium_row();
    let envelope = SchemaBuilder::structure()
        .name("shop.public.orders.Envelope")
        .field("before", row.to_builder().optional().build())
        .field("after", row.to_builder().optional().build())
        .field("op", Schema::string())
        .build();
    let entries = SchemaBuilder::map(Schema::int32(), Schema::string()).build();
    let tiny = SchemaBuilder::new(Type::Int8).doc("d").version(2).build();
    let rows: &[(&str, &SchemaRef, Keys, &str)] = &[
        ("a primitive is its name", &Schema::string(), &[], r#""string""#),
        ("optional is a union with null", &Schema::optional_int64(), &[], r#"["null","long"]"#),
        (
            "small integers say so",
            &tiny,
            &[],
            r#"{"type":"int","connect.doc":"d","connect.version":2,"connect.type":"int8"}"#,
        ),
        ("without meta data nothing is said", &tiny, &[("connect.meta.data", "false")], r#""int""#),
        (
            "a default goes first in the union",
            &SchemaBuilder::structure()
                .field("f", SchemaBuilder::new(Type::String).optional().default("x").build())
                .build(),
            &[],
            r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"f","type":[{"type":"string","connect.default":"x"},"null"],"default":"x"}]}"#,
        ),
        (
            "maps with other keys are arrays of entries",
            &entries,
            &[],
            r#"{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":"int"},{"name":"value","type":"string"}]}}"#,
        ),
        (
            "a row used twice is defined once",
            &envelope,
            &[],
            r#"{"type":"record","name":"Envelope","namespace":"shop.public.orders","fields":[{"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":{"type":"int","connect.default":0},"default":0},{"name":"born","type":["null",{"type":"int","connect.version":1,"connect.name":"io.debezium.time.Date"}],"default":null},{"name":"price","type":["null",{"type":"bytes","scale":2,"precision":10,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"10"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null}],"connect.name":"shop.public.orders.Value"}],"default":null},{"name":"after","type":["null","Value"],"default":null},{"name":"op","type":"string"}],"connect.name":"shop.public.orders.Envelope"}"#,
        ),
        (
            "timestamps have a logical type",
            &SchemaBuilder::timestamp().build(),
            &[],
            r#"{"type":"long","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Timestamp","logicalType":"timestamp-millis"}"#,
        ),
        (
            "names are scrubbed when asked to",
            &SchemaBuilder::structure().name("my-srv.t").field("a-b", Schema::int32()).build(),
            &[("scrub.invalid.names", "true"), ("connect.meta.data", "false")],
            r#"{"type":"record","name":"t","namespace":"my_srv","fields":[{"name":"a_b","type":"int"}]}"#,
        ),
    ];
    for (claim, schema, more, want) in rows {
        assert_eq!(text_of(schema, options(more)), *want, "{claim}");
    }
}

fn everything() -> Datum {
    let inner = SchemaBuilder::structure().name("a.Inner").field("n", Schema::optional_int16()).build();
    let fields: Vec<(&str, SchemaRef, Value)> = vec![
        ("bool", Schema::boolean(), true.into()),
        ("i8", Schema::int8(), (-3i8).into()),
        ("i16", Schema::int16(), 300i16.into()),
        ("i32", Schema::int32(), i32::MIN.into()),
        ("i64", Schema::int64(), i64::MAX.into()),
        ("f32", Schema::float32(), 1.5f32.into()),
        ("f64", Schema::float64(), (-0.1f64).into()),
        ("text", Schema::string(), "héllo".into()),
        ("bytes", Schema::bytes(), Bytes::from_static(b"\0\xff").into()),
        ("none", Schema::optional_string(), Value::Null),
        ("some", Schema::optional_string(), "x".into()),
        ("dec", SchemaBuilder::decimal(2).build(), Value::Decimal(Arc::new(Decimal::new((-12345).into(), 2)))),
        ("date", SchemaBuilder::date().build(), Value::Date(86_400_000 * -3)),
        ("time", SchemaBuilder::time().build(), Value::Date(1_234)),
        ("ts", SchemaBuilder::timestamp().build(), Value::Date(1_700_000_000_123)),
        (
            "list",
            SchemaBuilder::array(Schema::optional_int64()).build(),
            Value::Array([1i64.into(), Value::Null].into()),
        ),
        (
            "map",
            SchemaBuilder::map(Schema::string(), Schema::int32()).build(),
            Value::Map([("k".into(), 1i32.into())].into()),
        ),
        (
            "entries",
            SchemaBuilder::map(Schema::int32(), Schema::string()).build(),
            Value::Map([(7i32.into(), "v".into())].into()),
        ),
        ("row", inner.clone(), Struct::new(inner, vec![Value::Int16(5)]).into()),
    ];
    let schema = fields.iter().fold(SchemaBuilder::structure().name("a.All"), |b, (n, s, _)| b.field(*n, s.clone()));
    let schema = schema.build();
    let values: Vec<Value> = fields.into_iter().map(|(_, _, value)| value).collect();
    Datum::new(schema.clone(), Struct::new(schema, values))
}

#[test]
fn every_type_comes_back_as_it_went() {
    let data = everything();
    let schema = data.schema.as_ref().expect("has a schema");
    let own = avro(&text_of(schema, options(&[])));
    let bytes = encode(&data, &own, options(&[])).expect("written");
    assert_eq!(decode(&bytes, &own, &own, options(&[])).expect("read"), data);
}

/// Avro's own library reads what we write, and writes the same bytes again.
#[test]
fn the_librarys_decoder_agrees_about_every_byte() {
    for data in [everything(), Datum::new(Schema::optional_int64(), 5i64)] {
        let text = text_of(data.schema.as_ref().expect("has a schema"), options(&[]));
        let library = apache_avro::Schema::parse_str(&text).expect("the library reads our schema");
        let bytes = encode(&data, &avro(&text), options(&[])).expect("written");
        let mut rest = &bytes[..];
        let reader = GenericDatumReader::builder(&library).build().expect("a reader");
        let value = reader.read_value(&mut rest).expect("the library reads our bytes");
        assert!(rest.is_empty(), "the library reads all bytes");
        let writer = GenericDatumWriter::builder(&library).build().expect("a writer");
        assert_eq!(writer.write_value_to_vec(value).expect("writes"), bytes, "{text}");
    }
}

#[test]
fn data_of_older_and_newer_schemas_is_read() {
    let old = avro(
        r#"{"type":"record","name":"R","fields":[
        {"name":"gone","type":{"type":"array","items":"R"},"default":[]},
        {"name":"n","type":"int"},{"name":"s","type":["null","string"],"default":null}]}"#,
    );
    let new = avro(
        r#"{"type":"record","name":"R","fields":[
        {"name":"s","type":"string","default":"-"},{"name":"m","type":"long","aliases":["n"]},
        {"name":"added","type":{"type":"int","connect.type":"int16"},"default":9}]}"#,
    );
    // gone: empty; n: 5; s: branch 1, "x".
    let bytes = Bytes::from_static(&[0, 10, 2, 2, b'x']);
    let data = decode(&bytes, &old, &new, options(&[])).expect("readable");
    let row = data.value.as_struct().expect("a struct").clone();
    assert_eq!(row.values(), ["x".into(), 5i64.into(), Value::Int16(9)]);
    assert_eq!(row.schema().field("added").expect("there").schema().default(), Some(&Value::Int16(9)));
    // The writer's null where the reader has none: this message only.
    let error = decode(&Bytes::from_static(&[0, 10, 0]), &old, &new, options(&[])).expect_err("null");
    assert_eq!(error.message(), "Found null, expecting string");
    // What was written with a recursive record of its own is skipped item by item.
    let nested = Bytes::from_static(&[2, 0, 2, 0, 0, 10, 2, 2, b'x']);
    assert!(decode(&nested, &old, &new, options(&[])).is_ok());
}

#[test]
fn data_is_written_with_the_latest_version_where_that_is_asked_for() {
    let schema = SchemaBuilder::structure().name("R").field("b", Schema::int32()).field("a", Schema::string()).build();
    let data = Datum::new(schema.clone(), Struct::new(schema, vec![5i32.into(), "x".into()]));
    let latest = avro(
        r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":["null","string"]},{"name":"b","type":"long"},{"name":"c","type":"int","default":3}]}"#,
    );
    assert_eq!(&encode(&data, &latest, options(&[])).expect("fits")[..], [2, 2, b'x', 10, 6]);
    let narrow = avro(r#"{"type":"record","name":"R","fields":[{"name":"z","type":"int"}]}"#);
    let error = encode(&data, &narrow, options(&[])).expect_err("a field without default");
    assert!(error.message().contains("the field z"), "{error}");
}

#[test]
fn unions_enums_and_fixed_keep_their_form() {
    let text = r#"{"type":"record","name":"R","namespace":"n","fields":[
        {"name":"u","type":["null","int","string",{"type":"record","name":"P","fields":[{"name":"x","type":"int"}]}]},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},
        {"name":"f","type":{"type":"fixed","name":"F","size":2}}]}"#;
    let (schema, opt) = (avro(text), options(&[("enhanced.avro.schema.support", "true")]));
    // u: branch 3, x = 1; e: B; f: "hi".
    let bytes = Bytes::from_static(&[6, 2, 2, b'h', b'i']);
    let data = decode(&bytes, &schema, &schema, opt).expect("readable");
    let row = data.value.as_struct().expect("a struct").clone();
    let union = row.values()[0].as_struct().expect("a union is a struct").clone();
    assert_eq!((union.schema().name(), union.schema().is_optional()), (Some(UNION), true));
    let names: Vec<&str> = union.schema().fields().iter().map(couplet_api::data::Field::name).collect();
    assert_eq!(names, ["int", "string", "n.P"]);
    assert_eq!(union.values()[2].as_struct().expect("set").values(), [Value::Int32(1)]);
    assert_eq!((row.values()[1].as_str(), row.schema().fields()[1].schema().parameter(ENUM)), (Some("B"), Some("n.E")));
    let own = avro(&text_of(data.schema.as_ref().expect("has a schema"), opt));
    assert_eq!(encode(&data, &own, opt).expect("written"), bytes);
    // As in the JVM the way back adds a parameter that says that null is the union's default.
    let again = decode(&bytes, &own, &own, opt).expect("read");
    assert_eq!(format!("{:?}", again.value), format!("{:?}", data.value));
}

#[test]
fn what_cannot_be_mapped_says_why() {
    let recursive = avro(r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#);
    let rows = [
        (to_connect(&recursive, None, options(&[])), "the Avro record L contains itself, which is not supported"),
        (
            to_connect(&avro(r#"{"type":"int","logicalType":"date","connect.name":"x"}"#), None, options(&[])),
            "Mismatched names: name already added to SchemaBuilder (org.apache.kafka.connect.data.Date) differs from name \
             in source schema (x)",
        ),
        (
            to_connect(&avro(r#""null""#), None, options(&[])),
            "Standalone null schemas are not supported by this converter",
        ),
    ];
    for (got, want) in rows {
        assert_eq!(got.expect_err("refused").message(), want);
    }
    for text in
        ["", "7", "{}", r#""nope""#, r#"{"type":"record","name":"R"}"#, r#"{"type":"fixed","name":"F","size":-1}"#]
    {
        assert!(parse(&SchemaText::new(SchemaType::Avro, text)).is_err(), "{text}");
    }
    let data = Datum::new(Schema::int32(), "x");
    let error = encode(&data, &avro(r#""int""#), options(&[])).expect_err("no number");
    assert_eq!(error.message(), "Invalid type for INT32: class java.lang.String");
}

#[test]
fn compatibility_is_the_librarys() {
    let text = |text: &str| SchemaText::new(SchemaType::Avro, text);
    let old = text(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#);
    let wider = text(
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"int","default":1}]}"#,
    );
    let dialect = super::dialect::Avro;
    assert!(dialect.incompatibilities(&wider, &old).expect("schemas").is_empty());
    assert!(!dialect.incompatibilities(&old, &wider).expect("schemas").is_empty());
    assert_eq!(dialect.name(&old).expect("a schema").as_deref(), Some("R"));
}

proptest! {
    /// Any bytes are a value or an error: no panic, no endless loop, no more memory than the message accounts for.
    #[test]
    fn malformed_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let data = everything();
        let own = from_connect(data.schema.as_ref().expect("has a schema"), options(&[])).expect("an Avro form");
        let schema = to_connect(&own, None, options(&[])).expect("a Connect form");
        let read = read_plan::compile(&own, &own, &schema).expect("reads itself");
        let bytes = Bytes::from(bytes);
        for plan in [&read, &Read::Anything] {
            if let Ok(value) = Input::new(&bytes, &own).value(plan) {
                prop_assert!(value.size() < 64 * 1024 * 1024);
            }
        }
    }

    /// As above, from messages that were good until some bytes changed.
    #[test]
    fn damaged_messages_are_an_error(at in 0usize..100, byte in any::<u8>()) {
        let data = everything();
        let own = from_connect(data.schema.as_ref().expect("has a schema"), options(&[])).expect("an Avro form");
        let mut bytes = encode(&data, &own, options(&[])).expect("written").to_vec();
        let len = bytes.len();
        bytes[at % len] = byte;
        let _ = decode_any(&Bytes::from(bytes), &own);
    }
}

fn decode_any(bytes: &Bytes, own: &AvroSchema) -> couplet_api::Result<Value> {
    let schema = to_connect(own, None, options(&[]))?;
    Input::new(bytes, own).value(&read_plan::compile(own, own, &schema)?)
}
