//! Column defaults: the literal of the catalogue's expression as a Connect value, for the types Debezium reads.

use couplet_api::data::{Type, Value};

use super::{ColumnType, PgType, Phase, oid};

/// The default of a column declared with `declared` and represented as `column`, out of its expression; `None`: no default.
pub(crate) fn default_value(declared: &PgType, column: &ColumnType, expression: &str) -> Option<Value> {
    let text = literal(declared, expression.trim())?;
    let value = match declared.oid {
        oid::BOOL => Value::Bool(text.eq_ignore_ascii_case("true")),
        oid::DATE if text.len() < 8 => return None,
        _ => column.decoder.decode_text(normal(declared.oid, text), Phase::Stream).ok()?,
    };
    // A struct cannot be a default (KAFKA-12694).
    let usable = !value.is_null() && column.schema.clone().build().kind() != Type::Struct;
    usable.then_some(value)
}

/// Completes short forms that catalogue expressions and generated placeholders have.
fn normal(type_oid: u32, text: String) -> String {
    match type_oid {
        oid::TIMESTAMP if !text.contains(':') => format!("{text} 00:00:00"),
        oid::TIMESTAMPTZ if !text.contains(':') => format!("{text} 00:00:00+00"),
        oid::INTERVAL if text == "epoch" => "00:00:00".to_owned(),
        oid::UUID => text.to_lowercase(),
        _ => text,
    }
}

/// The text of the default, or the placeholder of a generated one.
fn literal(declared: &PgType, expression: &str) -> Option<String> {
    if declared.labels.is_some() {
        let quoted = expression.strip_suffix(&format!("::{}", declared.name))?;
        let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
        return Some(inner.to_owned());
    }
    let (generated, nullable) = match declared.oid {
        oid::BIT => ("00", false),
        oid::VARBIT => ("0", false),
        oid::BOOL => ("false", true),
        oid::BPCHAR | oid::VARCHAR | oid::TEXT | oid::XML => ("", false),
        oid::NUMERIC | oid::FLOAT4 | oid::FLOAT8 => ("0.0", true),
        oid::INT2 | oid::INT4 | oid::INT8 => ("0", true),
        oid::JSON | oid::JSONB => ("{}", false),
        oid::UUID => ("00000000-0000-0000-0000-000000000000", false),
        oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ => ("1970-01-01", false),
        oid::TIME => ("00:00", false),
        oid::INTERVAL => ("epoch", false),
        _ => return None,
    };
    if nullable && expression.starts_with("NULL::") {
        return None;
    }
    if is_generated(expression) {
        return Some(generated.to_owned());
    }
    match expression.split_once('\'') {
        Some((_, rest)) => rest.split_once('\'').map(|(text, _)| text.to_owned()),
        None if expression.starts_with("NULL::") => None,
        None => Some(expression.to_owned()),
    }
}

/// Whether a function makes the value: a call, or one of the clock's keywords.
fn is_generated(expression: &str) -> bool {
    let lower = expression.to_ascii_lowercase();
    if matches!(lower.as_str(), "current_timestamp" | "current_time" | "current_date" | "localtime" | "localtimestamp")
    {
        return true;
    }
    let bare = expression.strip_prefix('(').unwrap_or(expression);
    let name = bare.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')));
    name.is_some_and(|end| end > 0 && bare[end..].starts_with('(') && bare[end..].contains(')'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HstoreMode, ValueConfig};
    use crate::types::{TypeRegistry, length_and_scale};
    use couplet_cdc::{BinaryMode, DecimalMode, TimeMode};

    fn default_of(type_oid: u32, modifier: i32, labels: Option<&str>, expression: &str) -> Option<Value> {
        let config = ValueConfig {
            decimal: DecimalMode::String,
            time: TimeMode::Adaptive,
            binary: BinaryMode::Bytes,
            hstore: HstoreMode::Json,
            interval_text: false,
            unknown: false,
            money_digits: 2,
            placeholder: Vec::new(),
        };
        let labels = labels.map(str::to_owned);
        let declared = PgType { oid: type_oid, name: "mood".into(), element: None, base: None, modifier: -1, labels };
        let types = TypeRegistry::of([declared.clone()]);
        let (length, scale) = length_and_scale(&types, type_oid, modifier);
        let column = ColumnType::new(&types, &declared, length, scale, &config)?;
        default_value(&declared, &column, expression)
    }

    #[test]
    fn literals_are_read_out_of_expressions() {
        let rows = [
            (oid::INT4, -1, "42", Some(Value::Int32(42))),
            (oid::INT4, -1, "'-5'::integer", Some(Value::Int32(-5))),
            (oid::INT4, -1, "(1 + 2)", None),
            (oid::INT4, -1, "nextval('t_s_seq'::regclass)", Some(Value::Int32(0))),
            (oid::INT4, -1, "NULL::integer", None),
            (oid::TEXT, -1, "'te''xt'::text", Some(Value::str("te"))),
            (oid::TEXT, -1, "CURRENT_USER", Some(Value::str("CURRENT_USER"))),
            (oid::TEXT, -1, "upper('x'::text)", Some(Value::str(""))),
            (oid::NUMERIC, ((5 << 16) | 2) + 4, "1.20", Some(Value::str("1.20"))),
            (oid::TIMESTAMPTZ, -1, "now()", Some(Value::str("1970-01-01T00:00:00.000000Z"))),
            (
                oid::TIMESTAMP,
                -1,
                "'2001-02-03 04:05:06.789'::timestamp without time zone",
                Some(Value::Int64(981_173_106_789_000)),
            ),
            (oid::DATE, -1, "'2000-01-01'::date", Some(Value::Int32(10957))),
            (oid::BIT, 1, "'1'::\"bit\"", Some(Value::Bool(true))),
            (oid::BOOL, -1, "true", Some(Value::Bool(true))),
            (oid::INTERVAL, -1, "'01:00:00'::interval", Some(Value::Int64(3_600_000_000))),
            (oid::BYTEA, -1, "'\\x0102'::bytea", None),
            (oid::INET, -1, "'1.2.3.4'::inet", None),
        ];
        for (type_oid, modifier, expression, want) in rows {
            assert_eq!(default_of(type_oid, modifier, None, expression), want, "{expression}");
        }
        assert_eq!(default_of(9000, -1, Some("ok,sad"), "'ok'::mood"), Some(Value::str("ok")));
    }
}
