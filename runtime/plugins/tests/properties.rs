//! Foreign bytes never make a decoder panic or hang, and what a writer wrote reads back the same.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::Plugin;
use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::{Datum, Value};
use couplet_plugins::json::{JsonOptions, read_value, write_value};
use proptest::prelude::*;

fn converter(class: &str, schemas: &str) -> Arc<dyn Converter> {
    let props = Props::from_iter([("schemas.enable", schemas)]);
    couplet_plugins::plugins()
        .iter()
        .find_map(|plugin| match plugin {
            Plugin::Converter(factory) if factory.class == class => Some((factory.create)(&props, false)),
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

/// Whether two values are equal when the order of map entries does not count.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.iter().any(|(l, w)| k == l && same(v, w)))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y.iter()).all(|(v, w)| same(v, w)),
        _ => a == b,
    }
}

proptest! {
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
