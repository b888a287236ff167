//! The decoders of this crate for property tests and fuzzers: name, what to do with any bytes, inputs to begin with.
//!
//! None may panic, hang, or hold more memory than the input explains.

use std::sync::LazyLock;

use bytes::Bytes;
use couplet_api::data::{OffsetMap, Position, Value};
use couplet_cdc::{BinaryMode, DecimalMode, TimeMode};

use crate::config::{HstoreMode, ValueConfig};
use crate::decode::{Cell, Change, Tuple, decode};
use crate::offset::PgPosition;
use crate::types::{ColumnType, PgType, Phase, TypeRegistry, default_value, length_and_scale, oid};
use crate::wire::{Lsn, server_messages};

/// Name, decoder, inputs to begin with.
pub type Decoder = (&'static str, fn(&[u8]), &'static [&'static [u8]]);

/// Every decoder of this crate.
pub const DECODERS: &[Decoder] = &[
    (
        "pgoutput",
        pgoutput,
        &[
            b"I\0\0\0\x07N\0\x03t\0\0\0\x01anu",
            b"U\0\0\0\x07K\0\x01t\0\0\0\x01aN\0\x01t\0\0\0\x02bc",
            b"R\0\0\0\x05public\0t\0d\0\x01\x01id\0\0\0\0\x17\xff\xff\xff\xff",
            b"T\0\0\0\x02\0\0\0\0\x01\0\0\0\x02",
            b"M\x01\0\0\0\0\0\0\0\x01p\0\0\0\0\x02ab",
            b"B\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\x09",
        ],
    ),
    (
        "pg-server-message",
        server_message,
        &[b"\0\x02\0\0\0\x01a\xff\xff\xff\xff", b"SFATAL\0C28P01\0Mno\0\0", b"16/B374D848"],
    ),
    ("pg-values", values, VALUES),
    (
        "pg-default",
        default,
        &[
            b"'2001-02-03 04:05:06.789'::timestamp without time zone",
            b"nextval('t_s_seq'::regclass)",
            b"'1'::\"bit\"",
            b"(-1.5)",
        ],
    ),
    ("pg-offset", offset, &[b"lsn=12 lsn_proc=13 lsn_commit=11 txId=5 ts_usec=7 snapshot=s", b"messageType=INSERT"]),
];

/// The text form of every type that is read, each tried as every type.
const VALUES: &[&[u8]] = &[
    b"2024-02-29 01:02:03.456789+05:30:15",
    b"0044-03-15 BC",
    b"294276-12-31 23:59:59.999999",
    b"infinity",
    b"24:00:00+15:59:59",
    b"1 year 2 mons -3 days +04:05:06.789",
    b"P1Y2M-3DT4H5M6.7S",
    b"5039:20611105039:206111011142092",
    b"-12345678901234567890.123e-5",
    b"NaN",
    b"$1,234.56",
    b"\\xdeadbeef",
    b"0101",
    br#"{{1,2},{NULL,"a\"b"}}"#,
    b"[0:1]={1,2}",
    br#""a"=>"1", "b"=>NULL, "c d"=>"x\"y""#,
    b"(1.5,-2e10)",
    b"0101000020E6100000000000000000F03F0000000000000040",
    b"[1,2.5,3]",
    b"{1:0.5,3:2}/5",
    b"t",
];

fn pgoutput(input: &[u8]) {
    let tuples: Vec<Tuple> = match decode(Bytes::copy_from_slice(input)) {
        Ok(Change::Insert { new, .. }) => vec![new],
        Ok(Change::Update { old, new, .. }) => old.into_iter().chain([new]).collect(),
        Ok(Change::Delete { old, .. }) => vec![old],
        _ => Vec::new(),
    };
    for tuple in tuples {
        for cell in tuple.cells() {
            if let Cell::Text(text) = cell {
                tuple.bytes().slice_ref(text);
            }
        }
    }
}

fn server_message(input: &[u8]) {
    server_messages(input);
    if let Some(lsn) = Lsn::parse(&String::from_utf8_lossy(input)) {
        assert_eq!(Lsn::parse(&lsn.to_string()), Some(lsn));
    }
}

fn config(decimal: DecimalMode, time: TimeMode, hstore: HstoreMode) -> ValueConfig {
    ValueConfig {
        decimal,
        time,
        binary: BinaryMode::Bytes,
        hstore,
        interval_text: time == TimeMode::Connect,
        unknown: true,
        money_digits: 2,
        placeholder: Vec::new(),
    }
}

const TYPES: &[u32] = &[
    oid::BOOL,
    oid::BYTEA,
    oid::INT8,
    oid::INT2,
    oid::INT4,
    oid::TEXT,
    oid::JSON,
    oid::POINT,
    oid::LSEG,
    oid::CIRCLE,
    oid::FLOAT4,
    oid::FLOAT8,
    oid::MONEY,
    oid::MACADDR,
    oid::INET,
    oid::BPCHAR,
    oid::DATE,
    oid::TIME,
    oid::TIMESTAMP,
    oid::TIMESTAMPTZ,
    oid::INTERVAL,
    oid::TIMETZ,
    oid::BIT,
    oid::VARBIT,
    oid::NUMERIC,
    oid::UUID,
    oid::INT4RANGE,
    HSTORE,
    VECTOR,
    SPARSE_VECTOR,
    GEOMETRY,
    INT4_ARRAY,
    TEXT_ARRAY,
    TIMESTAMP_ARRAY,
];

const HSTORE: u32 = 100_001;
const VECTOR: u32 = 100_002;
const SPARSE_VECTOR: u32 = 100_003;
const GEOMETRY: u32 = 100_004;
const INT4_ARRAY: u32 = 100_005;
const TEXT_ARRAY: u32 = 100_006;
const TIMESTAMP_ARRAY: u32 = 100_007;

/// Types by name, whose object ids differ from server to server, and arrays.
fn registry() -> TypeRegistry {
    let named = [(HSTORE, "hstore"), (VECTOR, "vector"), (SPARSE_VECTOR, "sparsevec"), (GEOMETRY, "geometry")];
    let arrays = [(INT4_ARRAY, oid::INT4), (TEXT_ARRAY, oid::TEXT), (TIMESTAMP_ARRAY, oid::TIMESTAMP)];
    let plain = |oid: u32, name: &str, element: Option<u32>| PgType {
        oid,
        name: name.into(),
        element,
        base: None,
        modifier: -1,
        labels: None,
    };
    let built_in = TYPES.iter().filter(|oid| **oid < HSTORE).map(|oid| plain(*oid, "built_in", None));
    let named = named.map(|(oid, name)| plain(oid, name, None));
    let arrays = arrays.map(|(oid, element)| plain(oid, "array", Some(element)));
    TypeRegistry::of(built_in.chain(named).chain(arrays))
}

/// All types in three ways of representing them.
static COLUMNS: LazyLock<Vec<(PgType, ColumnType)>> = LazyLock::new(|| {
    let types = registry();
    let configs = [
        config(DecimalMode::Precise, TimeMode::Adaptive, HstoreMode::Json),
        config(DecimalMode::Double, TimeMode::AdaptiveTimeMicroseconds, HstoreMode::Map),
        config(DecimalMode::String, TimeMode::Connect, HstoreMode::Json),
    ];
    // With a modifier of precision and scale, and with none.
    let columns = configs.iter().flat_map(|config| {
        let types = &types;
        TYPES.iter().flat_map(move |oid| {
            [-1, ((10 << 16) | 2) + 4].into_iter().filter_map(move |modifier| {
                let declared = types.get(*oid);
                let (length, scale) = length_and_scale(types, *oid, modifier);
                Some(((*declared).clone(), ColumnType::new(types, &declared, length, scale, config)?))
            })
        })
    });
    columns.collect()
});

/// The text as a value of every type.
fn values(input: &[u8]) {
    for (_, column) in COLUMNS.iter() {
        for phase in [Phase::Snapshot, Phase::Stream] {
            let _ = column.decoder.decode_text(input.to_vec(), phase);
        }
    }
}

/// The text as the default of a column of every type.
fn default(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for (declared, column) in COLUMNS.iter() {
        default_value(declared, column, &text);
    }
}

/// `key=value` pairs between blanks: numbers, `true`, `false`, or text.
fn offset(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let value = |text: &str| match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => text.parse().map_or_else(|_| Value::str(text), Value::Int64),
    };
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    let position = PgPosition::from_map(&OffsetMap::new(pairs.map(|(key, text)| (key, value(text)))));
    let _ = (position.describe(), position.stream_from(), position.in_snapshot(), position.needed());
    let stored = position.to_map();
    assert_eq!(PgPosition::from_map(&stored).to_map(), stored);
}

#[cfg(test)]
mod tests {
    use couplet_testkit::{golden, malformed};

    use super::*;

    #[global_allocator]
    static ACCOUNTING: malformed::Accounting = malformed::Accounting;

    #[test]
    fn malformed_input_is_an_error_and_nothing_worse() {
        let recorded = golden::texts("cdc/postgres", 300);
        for &(name, run, seeds) in DECODERS {
            malformed::check(malformed::Target { name, run }, seeds, &recorded, 1000);
        }
    }
}
