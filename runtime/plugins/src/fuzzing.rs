//! The decoders of this crate for property tests and fuzzers: name, what to do with any bytes, inputs to begin with.
//!
//! None may panic, hang, or hold more memory than the input explains; where a decoder has an encoder, what was read must
//! come back from what is written.

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::{Datum, Header, Record, Value};
use couplet_api::transform::Transform;
use couplet_api::{Plugin, Result};

use crate::java::DateFormat;
use crate::json::{JsonOptions, read_schema, read_value, write_value};
use crate::json_path::JsonPath;
use crate::{JavaRegex, plugins};

/// Name, decoder, inputs.
pub type Decoder = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// Every decoder of this crate.
pub const DECODERS: &[Decoder] = &[
    ("json", json, &[br#"{"a":[1,-2.5e3,"\u00e9\n",true,null,{"b":{}}]}"#, b"1e400", b"\"\\ud83d\\ude00\""]),
    ("json-schema", json_schema, &[SCHEMA]),
    ("json-converter", json_converter, ENVELOPES),
    (
        "simple-header-converter",
        simple_header,
        &[br#"{"a":[1,2.5,"x"]}"#, b"2024-02-29T01:02:03.004Z", b"[1, 2", b"-128"],
    ),
    ("plain-converters", plain_converters, &[b"true", b"\0\0\0\x01", b"\0\0\0\0\0\0\0\x01", b"text"]),
    (
        "java-regex",
        java_regex,
        &[
            b"(?<a>[a-z&&[^b]]+)-(\\d{1,3})\n$1${a}\nabc-12",
            b"\\p{Alpha}\\Q.*\\E(?i)x|^$\n\\$\nx",
            b"[\\w.]*+(?=a)\n\na",
        ],
    ),
    (
        "date-format",
        date_format,
        &[
            b"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\n2024-02-29T23:59:60.999+14:00",
            b"EEE, d MMM yy h:mm a zzzz\nThu, 9 Feb 99 1:02 PM GMT-08:00",
            b"yyyyyyyyyy D F W w u k K\n2147483647 366 5 6 53 7 24 11",
        ],
    ),
    (
        "json-path",
        json_path,
        &[
            br#"$.o[?(@.p == 'x' && !(@.q > 1.5e3 || @.r =~ /[a-z]+/i))].p
{"o":{"p":"x","q":1}}"#,
            br#"$..l[?(@.w in ['a', 1, null] || @.w size 2)][0,-1]['p','q']
{"l":[{"w":["a"],"p":1}]}"#,
        ],
    ),
    ("transforms", transforms, TRANSFORMED),
];

const SCHEMA: &[u8] = br#"{"type":"struct","name":"n","version":2,"fields":[{"field":"a","type":"array","items":{"type":"int8"},"optional":true,"default":[1]},{"field":"d","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},{"field":"m","type":"map","keys":{"type":"string"},"values":{"type":"double"}}]}"#;

const ENVELOPES: &[&[u8]] = &[
    br#"{"schema":{"type":"int32","optional":true,"default":7},"payload":null}"#,
    br#"{"schema":{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}},"payload":"AQ=="}"#,
    br#"{"schema":{"type":"struct","fields":[{"field":"a","type":"string"},{"field":"b","type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1},{"field":"c","type":"map","keys":{"type":"int32"},"values":{"type":"float","optional":true}}]},"payload":{"a":"x","b":1700000000000,"c":[[1,2.5],[2,null]]}}"#,
    br#"{"schema":null,"payload":{"a":1}}"#,
];

/// First byte: which transform; then an envelope, or any JSON.
const TRANSFORMED: &[&[u8]] = &[
    br#"a{"schema":{"type":"struct","fields":[{"field":"a","type":"string"},{"field":"b","type":"int64"}]},"payload":{"a":"2024-01-01","b":12}}"#,
    br#"i{"a":"12","b":{"c":[1,2],"d":null},"ts":"2024-01-01T00:00:00Z"}"#,
    br#"p{"before":null,"after":{"id":1,"ts":"2024-01-01T00:00:00Z"},"source":{"db":"d","table":"t","ts_ms":1},"op":"c","ts_ms":2}"#,
];

fn bytes(input: &[u8]) -> Bytes {
    Bytes::copy_from_slice(input)
}

fn json(input: &[u8]) {
    let Ok(value) = read_value(&bytes(input)) else { return };
    if !finite(&value) {
        return;
    }
    let written = |value: &Value| {
        let mut out = BytesMut::new();
        write_value(&Datum::schemaless(value.clone()), &JsonOptions::default(), &mut out)
            .expect("what was read is written");
        out.freeze()
    };
    let once = written(&value);
    let again = read_value(&once).expect("what was written is read");
    assert!(same(&value, &again), "{value:?} comes back as {again:?}");
}

/// JSON has no infinity: a number beyond FLOAT64 is read as one and written as text.
fn finite(value: &Value) -> bool {
    match value {
        Value::Float64(number) => number.is_finite(),
        Value::Float32(number) => number.is_finite(),
        Value::Array(items) => items.iter().all(finite),
        Value::Map(entries) => entries.iter().all(|(key, value)| finite(key) && finite(value)),
        Value::Struct(row) => row.values().iter().all(finite),
        _ => true,
    }
}

/// Whether two values are equal when the order of a map's entries does not count.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => {
            let twin = |key: &Value, value: &Value| y.iter().any(|(k, v)| same(key, k) && same(value, v));
            x.len() == y.len() && (x.len() > 200 || x.iter().all(|(key, value)| twin(key, value)))
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y.iter()).all(|(a, b)| same(a, b)),
        (Value::Struct(x), Value::Struct(y)) => x.values().iter().zip(y.values()).all(|(a, b)| same(a, b)),
        _ => a == b,
    }
}

fn json_schema(input: &[u8]) {
    let _ = read_schema(input, &JsonOptions::default());
}

fn converter(class: &str, settings: &[(&str, &str)]) -> Arc<dyn Converter> {
    let props = settings.iter().copied().collect::<Props>();
    let made = plugins().iter().find_map(|plugin| match plugin {
        Plugin::Converter(factory) if factory.class == class => Some((factory.create)(&props, false)),
        _ => None,
    });
    made.expect("the class is there").expect("the settings are right")
}

const JSON_CONVERTER: &str = "org.apache.kafka.connect.json.JsonConverter";

fn json_converter(input: &[u8]) {
    // A converter of its own for each input: a cache would hide what one input costs.
    for decimals in ["BASE64", "NUMERIC"] {
        let converter = converter(JSON_CONVERTER, &[("schemas.cache.size", "2"), ("decimal.format", decimals)]);
        let Ok(datum) = converter.to_connect("t", Some(&bytes(input))) else { continue };
        if datum.schema.is_none() || !finite(&datum.value) {
            continue;
        }
        let mut out = BytesMut::new();
        // What Jackson coerced, such as a missing value of a required field, has no JSON.
        let Ok(true) = converter.from_connect("t", &[], &datum, &mut out) else { continue };
        let again = converter.to_connect("t", Some(&out.freeze())).expect("what was written is read");
        assert_eq!(datum.schema, again.schema, "the schema comes back");
        assert!(same(&datum.value, &again.value), "{:?} comes back as {:?}", datum.value, again.value);
    }
}

fn simple_header(input: &[u8]) {
    static CONVERTER: LazyLock<Arc<dyn HeaderConverter>> = LazyLock::new(|| {
        let made = plugins().iter().find_map(|plugin| match plugin {
            Plugin::HeaderConverter(factory) if factory.class.ends_with(".SimpleHeaderConverter") => {
                Some((factory.create)(&Props::new()))
            }
            _ => None,
        });
        made.expect("the class is there").expect("no settings are needed")
    });
    let datum = CONVERTER.to_connect_header("t", "h", Some(&bytes(input))).expect("any text is a header");
    if let Ok(Some(written)) = CONVERTER.from_connect_header("t", "h", &datum) {
        CONVERTER.to_connect_header("t", "h", Some(&written)).expect("any text is a header");
    }
}

fn plain_converters(input: &[u8]) {
    static CONVERTERS: LazyLock<Vec<Arc<dyn Converter>>> = LazyLock::new(|| {
        let classes = [
            "converters.BooleanConverter",
            "converters.ByteArrayConverter",
            "converters.DoubleConverter",
            "converters.FloatConverter",
            "converters.IntegerConverter",
            "converters.LongConverter",
            "converters.ShortConverter",
            "storage.StringConverter",
        ];
        classes.iter().map(|class| converter(&format!("org.apache.kafka.connect.{class}"), &[])).collect()
    });
    for converter in CONVERTERS.iter() {
        let Ok(datum) = converter.to_connect("t", Some(&bytes(input))) else { continue };
        let mut out = BytesMut::new();
        if converter.from_connect("t", &[], &datum, &mut out).expect("what was read is written") {
            let again = converter.to_connect("t", Some(&out.freeze())).expect("what was written is read");
            let is_nan = matches!(again.value, Value::Float32(n) if n.is_nan())
                || matches!(again.value, Value::Float64(n) if n.is_nan());
            assert!(is_nan || again == datum, "{datum:?} comes back as {again:?}");
        }
    }
}

/// Lines: pattern, replacement, text.
fn java_regex(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (pattern, replacement, text) = (line(), line(), line());
    if let Ok(regex) = JavaRegex::new(pattern) {
        let _ = regex.matches(text);
        let _ = regex.replace_first(text, replacement);
    }
}

/// Lines: pattern, text.
fn date_format(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (pattern, text) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(format) = DateFormat::new(pattern) else { return };
    for instant in [format.parse(text).unwrap_or_default(), i64::MIN, -1, i64::MAX] {
        let _ = format.parse(&format.format(instant));
    }
}

/// Lines: path, JSON.
fn json_path(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (path, json) = text.split_once('\n').unwrap_or((&text, "{}"));
    let (Ok(path), Ok(value)) = (path.parse::<JsonPath>(), read_value(&bytes(json.as_bytes()))) else { return };
    let _ = path.find(&value);
}

/// Transforms with settings that reach into the fields `a`, `b` and `ts`.
const SETTINGS: &[(&str, &[(&str, &str)])] = &[
    ("Cast$Value", &[("spec", "a:int32,b:string")]),
    ("Cast$Value", &[("spec", "float64")]),
    ("Cast$Value", &[("spec", "a:boolean,b:int8,ts:int64")]),
    ("ExtractField$Value", &[("field", "b.c"), ("field.syntax.version", "V2")]),
    ("Flatten$Value", &[("delimiter", "_")]),
    ("HoistField$Value", &[("field", "h")]),
    ("InsertField$Value", &[("static.field", "s"), ("static.value", "v"), ("timestamp.field", "t")]),
    ("MaskField$Value", &[("fields", "a,b")]),
    ("ReplaceField$Value", &[("renames", "a:z"), ("exclude", "b")]),
    ("SetSchemaMetadata$Value", &[("schema.name", "n"), ("schema.version", "3")]),
    ("TimestampConverter$Value", &[("field", "a"), ("target.type", "Timestamp"), ("format", "yyyy-MM-dd")]),
    ("TimestampConverter$Value", &[("field", "b"), ("target.type", "string"), ("format", "yyyy G")]),
    ("TimestampConverter$Value", &[("target.type", "unix"), ("unix.precision", "nanoseconds")]),
    ("ValueToKey", &[("fields", "a,b")]),
    ("HeaderFrom$Value", &[("fields", "a,b"), ("headers", "a,b"), ("operation", "move")]),
];

const DEBEZIUM_SETTINGS: &[(&str, &[(&str, &str)])] = &[
    ("ExtractNewRecordState", &[("add.fields", "op,source.db"), ("delete.tombstone.handling.mode", "rewrite")]),
    ("ExtractChangedRecordState", &[("header.changed.name", "c"), ("header.unchanged.name", "u")]),
    ("ByLogicalTableRouter", &[("topic.regex", "(.*)"), ("topic.replacement", "$1x")]),
    ("TimezoneConverter", &[("converted.timezone", "+02:00")]),
    ("HeaderToValue", &[("fields", "f"), ("headers", "h"), ("operation", "copy")]),
];

static TRANSFORMS: LazyLock<Vec<Arc<dyn Transform>>> = LazyLock::new(|| {
    let find = |class: &str, settings: &[(&str, &str)]| {
        let props = settings.iter().copied().collect::<Props>();
        let made: Option<Result<Arc<dyn Transform>>> = plugins().iter().find_map(|plugin| match plugin {
            Plugin::Transform(factory) if factory.class == class => Some((factory.create)(&props)),
            _ => None,
        });
        made.unwrap_or_else(|| panic!("no class {class}")).unwrap_or_else(|error| panic!("{class}: {error}"))
    };
    let kafka = SETTINGS.iter().map(|(class, s)| find(&format!("org.apache.kafka.connect.transforms.{class}"), s));
    let debezium = DEBEZIUM_SETTINGS.iter().map(|(class, s)| find(&format!("io.debezium.transforms.{class}"), s));
    kafka.chain(debezium).collect()
});

/// First byte: which transform; the rest: an envelope or any JSON, which is the record's value and header.
fn transforms(input: &[u8]) {
    static CONVERTERS: LazyLock<[Arc<dyn Converter>; 2]> = LazyLock::new(|| {
        ["true", "false"].map(|s| converter(JSON_CONVERTER, &[("schemas.enable", s), ("schemas.cache.size", "1")]))
    });
    let Some((which, rest)) = input.split_first() else { return };
    let rest = bytes(rest);
    let Some(value) = CONVERTERS.iter().find_map(|c| c.to_connect("t", Some(&rest)).ok()) else { return };
    let mut record = Record::new("t", value.clone(), value.clone());
    record.headers = vec![Header { key: "h".into(), value }];
    record.timestamp = Some(i64::MAX);
    let _ = TRANSFORMS[usize::from(*which) % TRANSFORMS.len()].apply(record);
}

#[cfg(test)]
mod tests {
    use couplet_testkit::{golden, malformed};

    use super::*;

    #[global_allocator]
    static ACCOUNTING: malformed::Accounting = malformed::Accounting;

    #[test]
    fn malformed_input_is_an_error_and_nothing_worse() {
        let recorded = golden::texts("connect/converters", 200);
        for &(name, run, seeds) in DECODERS {
            malformed::check(malformed::Target { name, run }, seeds, &recorded, 2000);
        }
    }
}
