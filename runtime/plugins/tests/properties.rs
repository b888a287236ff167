//! Foreign bytes never make a decoder panic or hang, and what a writer wrote reads back the same.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::{
    DATE, DECIMAL, Datum, Decimal, Schema, SchemaBuilder, SchemaRef, Struct, TIME, TIMESTAMP, Type, Value,
};
use couplet_plugins::json::{JsonOptions, read_value, write_value};
use proptest::prelude::*;

fn converter(class: &str, schemas: &str) -> Arc<dyn Converter> {
    made(class, &Props::from_iter([("schemas.enable", schemas)]))
}

fn made(class: &str, props: &Props) -> Arc<dyn Converter> {
    couplet_plugins::plugins()
        .iter()
        .find_map(|plugin| match plugin {
            Plugin::Converter(factory) if factory.class == class => Some((factory.create)(props, false)),
            _ => None,
        })
        .expect("the class is there")
        .expect("the settings are right")
}

fn header_converter() -> Arc<dyn HeaderConverter> {
    couplet_plugins::plugins()
        .iter()
        .find_map(|plugin| match plugin {
            Plugin::HeaderConverter(factory) if factory.class.ends_with("SimpleHeaderConverter") => {
                Some((factory.create)(&Props::new()))
            }
            _ => None,
        })
        .expect("the class is there")
        .expect("the settings are right")
}

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// Values that JSON says without a schema.
fn plain_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int64),
        any::<f64>().prop_filter("no number", |f| f.is_finite() && *f != 0.0).prop_map(Value::Float64),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| Value::Array(items.into())),
            prop::collection::btree_map("[a-z]{0,5}", inner, 0..6).prop_map(|entries| {
                Value::Map(entries.into_iter().map(|(key, value)| (Value::from(key), value)).collect())
            }),
        ]
    })
}

/// Any schema that records have, a few levels deep.
fn schema() -> impl Strategy<Value = SchemaRef> {
    let primitive = prop::sample::select(vec![
        Type::Boolean,
        Type::Int8,
        Type::Int16,
        Type::Int32,
        Type::Int64,
        Type::Float32,
        Type::Float64,
        Type::String,
        Type::Bytes,
    ]);
    let leaf = prop_oneof![
        3 => (primitive, any::<bool>()).prop_map(|(kind, optional)| SchemaBuilder::new(kind).optional_if(optional).build()),
        1 => (-3..12_i32).prop_map(|scale| SchemaBuilder::decimal(scale).build()),
        1 => Just(SchemaBuilder::date().optional().build()),
        1 => Just(SchemaBuilder::time().build()),
        1 => Just(SchemaBuilder::timestamp().build()),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| SchemaBuilder::array(items).build()),
            inner.clone().prop_map(|values| SchemaBuilder::map(Schema::string(), values).optional().build()),
            inner.clone().prop_map(|values| SchemaBuilder::map(Schema::int32(), values).build()),
            (prop::collection::vec(inner, 0..5), prop::option::of("[A-Za-z.]{1,8}")).prop_map(|(fields, name)| {
                let builder = SchemaBuilder::structure().name_or_none(name.as_deref());
                fields.into_iter().enumerate().fold(builder, |b, (at, f)| b.field(format!("f{at}"), f)).build()
            }),
        ]
    })
}

/// Any value of `schema`.
fn value_of(schema: &SchemaRef) -> BoxedStrategy<Value> {
    const DAY_MS: i64 = 86_400_000;
    let value = match (schema.name(), schema.kind()) {
        (Some(DECIMAL), _) => {
            let scale = schema.parameter("scale").and_then(|scale| scale.parse().ok()).expect("a scale");
            any::<[u8; 9]>().prop_map(move |bytes| Value::Decimal(Arc::new(Decimal::from_bytes(&bytes, scale)))).boxed()
        }
        (Some(DATE), _) => any::<i32>().prop_map(|days| Value::Date(i64::from(days) * DAY_MS)).boxed(),
        (Some(TIME), _) => (0..DAY_MS).prop_map(Value::Date).boxed(),
        (Some(TIMESTAMP), _) => any::<i64>().prop_map(Value::Date).boxed(),
        (_, Type::Boolean) => any::<bool>().prop_map(Value::Bool).boxed(),
        (_, Type::Int8) => any::<i8>().prop_map(Value::Int8).boxed(),
        (_, Type::Int16) => any::<i16>().prop_map(Value::Int16).boxed(),
        (_, Type::Int32) => any::<i32>().prop_map(Value::Int32).boxed(),
        (_, Type::Int64) => any::<i64>().prop_map(Value::Int64).boxed(),
        (_, Type::Float32) => any::<f32>().prop_filter("no number", |f| f.is_finite()).prop_map(Value::Float32).boxed(),
        (_, Type::Float64) => any::<f64>().prop_filter("no number", |f| f.is_finite()).prop_map(Value::Float64).boxed(),
        (_, Type::String) => ".*".prop_map(Value::from).boxed(),
        (_, Type::Bytes) => {
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())).boxed()
        }
        (_, Type::Array) => {
            let items = value_of(schema.value_schema().expect("items"));
            prop::collection::vec(items, 0..4).prop_map(|items| Value::Array(items.into())).boxed()
        }
        (_, Type::Map) => {
            let values = value_of(schema.value_schema().expect("values"));
            let of_text = schema.key_schema().expect("keys").kind() == Type::String;
            let key = move |key: i32| if of_text { Value::from(key.to_string()) } else { Value::Int32(key) };
            prop::collection::btree_map(any::<i32>(), values, 0..4)
                .prop_map(move |entries| Value::Map(entries.into_iter().map(|(k, v)| (key(k), v)).collect()))
                .boxed()
        }
        (_, Type::Struct) => {
            let fields: Vec<_> = schema.fields().iter().map(|field| value_of(field.schema())).collect();
            let schema = schema.clone();
            fields.prop_map(move |values| Value::Struct(Arc::new(Struct::new(schema.clone(), values)))).boxed()
        }
    };
    if schema.is_optional() { prop_oneof![1 => Just(Value::Null), 4 => value].boxed() } else { value }
}

/// Whether two values are equal when the order of map entries does not count.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.iter().any(|(l, w)| k == l && same(v, w)))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y.iter()).all(|(v, w)| same(v, w)),
        (Value::Struct(x), Value::Struct(y)) => x.values().iter().zip(y.values()).all(|(v, w)| same(v, w)),
        _ => a == b,
    }
}

proptest! {
    #[test]
    fn records_with_schemas_come_back_the_same(
        (schema, value) in schema().prop_flat_map(|schema| { let value = value_of(&schema); (Just(schema), value) }),
        decimals in prop::sample::select(vec!["BASE64", "NUMERIC"]),
    ) {
        let props = Props::from_iter([("schemas.enable", "true"), ("decimal.format", decimals)]);
        let converter = made(JSON, &props);
        let datum = Datum::new(schema, value);
        let mut out = BytesMut::new();
        prop_assert!(converter.from_connect("t", &[], &datum, &mut out).expect("written"));
        let bytes = out.freeze();
        // Twice: the second time the schema is known.
        for _ in 0..2 {
            let read = converter.to_connect("t", Some(&bytes)).expect("read");
            prop_assert_eq!(&read.schema, &datum.schema);
            prop_assert!(same(&read.value, &datum.value), "{:?} comes back as {:?}", datum.value, read.value);
        }
    }


    #[test]
    fn arbitrary_bytes_are_data_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for schemas in ["true", "false"] {
            let _ = converter(JSON, schemas).to_connect("t", Some(&bytes));
        }
        prop_assert!(header_converter().to_connect_header("t", "h", Some(&bytes)).is_ok());
    }

    #[test]
    fn bent_json_is_data_or_an_error(
        text in r#"[\[\]{}",:0-9eE.+\-tfn\\u a]{0,60}"#,
        schema in r#"\{"type":"(int32|string|array|map|struct|bytes)","(items|keys|values|fields|default)":[\[\]{}",:0-9a-z]{0,20}\}"#,
    ) {
        let _ = converter(JSON, "false").to_connect("t", Some(&Bytes::from(text.clone())));
        let envelope = format!(r#"{{"schema":{schema},"payload":{text}}}"#);
        let _ = converter(JSON, "true").to_connect("t", Some(&Bytes::from(envelope)));
        prop_assert!(header_converter().to_connect_header("t", "h", Some(&Bytes::from(text))).is_ok());
    }

    #[test]
    fn written_values_read_back_the_same(value in plain_value()) {
        let mut out = BytesMut::new();
        write_value(&Datum::schemaless(value.clone()), &JsonOptions::default(), &mut out).expect("written");
        let read = read_value(&out.freeze()).expect("read");
        prop_assert!(same(&read, &value), "{read:?}");
    }
}

#[test]
fn deep_nesting_is_read_to_a_limit_and_refused_beyond() {
    let nested = |depth: usize| Bytes::from(format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let converter = converter(JSON, "false");
    assert!(converter.to_connect("t", Some(&nested(1000))).is_ok());
    for depth in [1001, 100_000] {
        assert!(converter.to_connect("t", Some(&nested(depth))).is_err(), "{depth}");
        assert!(header_converter().to_connect_header("t", "h", Some(&nested(depth))).is_ok(), "{depth}");
    }
}
