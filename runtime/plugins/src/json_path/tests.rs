//! What JsonPath 2.9.0 answers, and where a path is refused.

use bytes::Bytes;
use couplet_api::data::{Schema, SchemaBuilder, Struct, Type, Value};

use super::{Found, JsonPath};

const DOCUMENT: &str = r#"{"s":"log","t":"init","n":5,"ns":"5","f":2.50,"b":true,"z":null,"o":{"p":"x","q":1},
    "l":[{"p":"a","q":1},{"p":"b","q":2}],"w":["a","b"],"e":[],"em":"","sp ace":1}"#;

fn find(path: &str, value: &Value) -> Found {
    let path: JsonPath = path.parse().unwrap_or_else(|problem| panic!("{path}: {problem}"));
    path.find(value).expect("comparable")
}

const SOMETHING: &[&str] = &[
    "$.s",
    "$.o.p",
    "$['s']",
    r#"$["s"]"#,
    "$['sp ace']",
    "$['s','t']",
    "$['s','missing']",
    "$['missing','gone']",
    "$['o','l'].p",
    "$['o','gone'].p",
    "$.*",
    "$.l[0]",
    "$.l[0].p",
    "$.l[-1].q",
    "$.l[0,1]",
    "$.l[0,5]",
    "$.l[0:1]",
    "$.l[:1].p",
    "$.l[-1:]",
    "$.l[*].p",
    "$..p",
    "$..q",
    "$[?(@.s == 'log')]",
    r#"$[?(@.s == "log")]"#,
    "$[?(@.s=='log')]",
    "$[?(@.s == 'log' && @.t == 'init')]",
    "$[?(@.s == 'x' || @.t == 'init')]",
    "$[?(@.s == 'log' && @.t == 'x' || @.n == 5)]",
    "$[?(@.missing != 'x')]",
    "$[?(@.missing != null)]",
    "$[?(@.z == null)]",
    "$[?(@.z)]",
    "$[?(!@.missing)]",
    "$[?(@.n == 5)]",
    "$[?(@.n == 5.0)]",
    "$[?(@.n == '5')]",
    "$[?(@.n == '5.0')]",
    "$[?(@.ns == 5)]",
    "$[?(@.n === 5)]",
    "$[?(@.n !== '5')]",
    "$[?(@.n > 4)]",
    "$[?(@.n >= 5)]",
    "$[?(@.n <= 5)]",
    "$[?(@.ns > '4')]",
    "$[?(@.f == 2.5)]",
    "$[?(@.f > 2.4999)]",
    "$[?(5 == @.n)]",
    "$[?(@.b == true)]",
    "$[?(@.s > 'a')]",
    "$[?(@.s =~ /l.*/)]",
    "$[?(@.s =~ /LOG/i)]",
    r#"$[?(@.n =~ /\d/)]"#,
    "$[?(@.b =~ /true/)]",
    "$[?(@.missing =~ /.*/)]",
    "$[?(@.z =~ /.*/)]",
    "$[?(@.w =~ /b/)]",
    "$[?(@.s in ['log','x'])]",
    r#"$[?(@.s in ["log"])]"#,
    "$[?(@.s nin ['x'])]",
    "$[?(@.missing nin ['log'])]",
    "$[?(@.n in [4, 5])]",
    "$[?(@.z in [null])]",
    "$[?('a' in @.w)]",
    "$[?(@.w contains 'a')]",
    "$[?(@.s contains 'og')]",
    "$[?(@.w size 2)]",
    "$[?(@.s size 3)]",
    "$[?(@.e empty true)]",
    "$[?(@.w empty false)]",
    "$[?(@.em empty true)]",
    "$[?(@.w subsetof ['a','b','c'])]",
    "$[?(@.w anyof ['b','c'])]",
    "$[?(@.w noneof ['c'])]",
    "$[?(@.w == ['a','b'])]",
    "$[?(@.o == @.o)]",
    "$[?(@.s == $.s)]",
    "$[?(@.l[0].p == 'a')]",
    "$[?(@['s'] == 'log')]",
    "$.l[?(@.p == 'a')]",
    "$.l[?(@.q > 1)].p",
    "$.l[?(@.q == $.o.q)]",
    "$.l[?(@.p)]",
    "$.w[?(@ == 'a')]",
    "$.o[?(@.p == 'x')]",
    "$.o[?(@.p == 'x' || @.p == 'y')]",
    "$[?(@.s == 'log')].o.p",
    "$[?(@.em == '')]",
    r#"$[?(@.s != 'it\'s')]"#,
    "$[?( @.s   ==   'log' )]",
    "s",
    "$",
];

const NOTHING: &[&str] = &[
    "$.e.*",
    "$.e[*]",
    "$.l[5:]",
    "$.l[*].missing",
    "$..missing",
    "$[?(@.s == 'log' && @.t == 'x')]",
    "$[?(@.s == 'x' && (@.t == 'init' || @.n == 5))]",
    "$[?(@.s == 'x')]",
    "$[?(@.missing == 'x')]",
    "$[?(@.missing == null)]",
    "$[?(@.z != null)]",
    "$[?(@.missing)]",
    "$[?(!@.s)]",
    "$[?(!(@.s == 'log'))]",
    "$[?(@.ns == 5.0)]",
    "$[?(@.n === '5')]",
    "$[?(@.n !== 5)]",
    "$[?(@.n < 5)]",
    "$[?(@.n > '4')]",
    "$[?(@.ns > 4)]",
    "$[?(@.f < -1e400)]",
    "$[?(@.b == false)]",
    "$[?(@.b == 'true')]",
    "$[?(@.b > 0)]",
    "$[?(@.s =~ /LOG/)]",
    "$[?(@.s =~ /og/)]",
    "$[?(@.s in ['x'])]",
    "$[?(@.s nin ['log'])]",
    "$[?(@.missing in ['log'])]",
    "$[?('c' in @.w)]",
    "$[?(@.w contains 'c')]",
    "$[?(@.s contains 5)]",
    "$[?(@.w size 3)]",
    "$[?(@.n size 1)]",
    "$[?(@.w empty true)]",
    "$[?(@.missing empty true)]",
    "$[?(@.w subsetof ['a'])]",
    "$[?(@.w anyof ['c'])]",
    "$[?(@.w noneof ['a'])]",
    "$[?(@.w == ['a'])]",
    "$.l[?(@.p == 'z')]",
    "$.l[?(@.q > 5)].p",
    "$.l[?(@.missing)]",
    "$.w[?(@ == 'z')]",
    "$.o[?(@.p == 'y')]",
    "$.e[?(@.p == 'x')]",
    "$[?(@.s == 'log')].missing",
    "$[?(@.s == 'log')].missing.p",
];

const MISSING: &[&str] = &[
    "$.z",
    "$.missing",
    "$.o.missing",
    "$.missing.p",
    "$.s.p",
    "$.z.p",
    "$.l[2]",
    "$.l[2].p",
    "$.s[0]",
    "$.missing[0]",
    "$.l.p",
    "$.missing[?(@.p == 'x')]",
    "$.missing.o[?(@.p == 'x')]",
    "$.s[?(@.p == 'x')]",
    "$.z[?(@.p == 'x')]",
];

const REFUSED: &[&str] = &[
    "$.sp ace",
    "$.status == 'CANCELLED'",
    "$[?(@.s = 'log')]",
    "$[?(@.s == log)]",
    "$[?(@.s == 'log']",
    "$[?(@.s == 'log')",
    "$[?()]",
    "$[?(@.s ==)]",
];

#[test]
fn paths_find_what_the_original_finds() {
    let document = crate::json::read_value(&Bytes::from_static(DOCUMENT.as_bytes())).expect("JSON");
    let rows = [(SOMETHING, Found::Something), (NOTHING, Found::Nothing), (MISSING, Found::Missing)];
    for (paths, want) in rows {
        for path in paths {
            assert_eq!(find(path, &document), want, "{path}");
        }
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    for path in REFUSED {
        assert!(path.parse::<JsonPath>().is_err(), "{path}");
    }
    let nested = format!("$[?({}@.a{})]", "(".repeat(500), ")".repeat(500));
    let rows = [
        ("$.s.length()", "the function length() is not supported, at character 11"),
        ("$[?(@.w all ['a'])]", "others are not supported, at character 9"),
        ("$[?(@.l[*].p == 'a')]", "a path inside of a condition must lead to one place"),
        ("$[?(@.s =~ /(/)]", "Unclosed group"),
        ("$[?(@.s == 'log)]", "a text has no closing '"),
        ("$.l[x]", "expected a number, at character 5"),
        (&nested, "nested too deeply"),
    ];
    for (path, want) in rows {
        let problem = path.parse::<JsonPath>().expect_err(path);
        assert!(problem.contains(want), "{path}: {problem}");
    }
}

#[test]
fn nesting_has_an_end() {
    for opening in ["(", "!", "@[?(", "$[?(", "@.a in [", "@.a in [['", "["] {
        let path = format!("$[?({}", opening.repeat(100_000));
        assert!(path.parse::<JsonPath>().is_err(), "{opening}");
        let path = format!("$[?(@.a in {}", opening.repeat(100_000));
        assert!(path.parse::<JsonPath>().is_err(), "{opening} in a list");
    }
}

#[test]
fn structs_are_read_as_they_are() {
    let schema = SchemaBuilder::structure()
        .field("id", Schema::int64())
        .field("amount", SchemaBuilder::decimal(2).build())
        .field("at", SchemaBuilder::timestamp().build())
        .field("state", SchemaBuilder::new(Type::String).optional().default("new").build())
        .field("blob", Schema::bytes())
        .field("ratio", Schema::float64())
        .build();
    let amount = Value::Decimal(std::sync::Arc::new("12345678901234567890.50".parse().expect("a decimal")));
    let blob = Value::Bytes(Bytes::from_static(b"hi"));
    let values = vec![Value::Int64(i64::MAX), amount, Value::Date(1000), Value::Null, blob, Value::Float64(1e300)];
    let row = Value::from(Struct::new(schema, values));
    let rows = [
        ("$[?(@.id == 9223372036854775807)]", Found::Something),
        ("$[?(@.id == 9223372036854775806)]", Found::Nothing),
        ("$[?(@.amount > 12345678901234567890.49)]", Found::Something),
        ("$[?(@.amount == 12345678901234567890.5)]", Found::Something),
        ("$[?(@.amount > 1e400)]", Found::Nothing),
        ("$[?(@.amount > -1e400)]", Found::Something),
        ("$[?(@.at == 1000)]", Found::Something),
        ("$[?(@.state == 'new')]", Found::Something),
        ("$.state", Found::Something),
        ("$[?(@.blob == 'aGk=')]", Found::Something),
        ("$[?(@.ratio > 9.99e299 && @.ratio < 1.01e300)]", Found::Something),
        ("$.gone", Found::Missing),
    ];
    for (path, want) in rows {
        assert_eq!(find(path, &row), want, "{path}");
    }
    let schema = SchemaBuilder::structure().field("ratio", Schema::float64()).build();
    let row = Value::from(Struct::new(schema, vec![Value::Float64(f64::NAN)]));
    let path: JsonPath = "$[?(@.ratio > 1)]".parse().expect("a path");
    assert!(path.find(&row).is_err());
}
