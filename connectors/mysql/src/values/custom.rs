//! Debezium's own custom converters: TINYINT(1) as a boolean, and what its JDBC sink wants. Pure.
//!
//! Source: `TinyIntOneToBooleanConverter` and `JdbcSinkDataTypesConverter` of `debezium-connector-binlog`.

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::data::{SchemaBuilder, Type, Value};
use couplet_api::error::Error;
use couplet_cdc::{Patterns, TableId, invalid, unknown_converter};
use couplet_mysql_schema::Column;

/// Where the classes live; the second package is the older one.
const PACKAGES: [&str; 2] = ["io.debezium.connector.binlog.converters.", "io.debezium.connector.mysql.converters."];
const CHARSET: &str = "__debezium.source.column.character_set";

/// What the values of a column become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Custom {
    /// A boolean: whether a number is not 0.
    Truth,
    /// 1 or 0 as a 16-bit number.
    Bit,
    /// A double.
    Double,
    /// A float.
    Float,
    /// A text.
    Text,
}

/// The converters of a connector, in order; the first that wants a column gets it.
#[derive(Debug, Clone, Default)]
pub(crate) struct CustomConverters(Vec<Rule>);

#[derive(Debug, Clone)]
enum Rule {
    TinyInt { selector: Option<Patterns>, length_checker: bool },
    JdbcSink { boolean: Option<Patterns>, real: Option<Patterns>, string: Option<Patterns>, double: bool },
}

impl CustomConverters {
    /// Reads `converters` and the settings of each.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Fatal`] in Debezium's words for an unknown class, [`couplet_api::Kind::Config`] for a bad
    /// expression.
    pub(crate) fn new(props: &Props) -> Result<Self> {
        let names =
            props.get("converters").unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| Rule::new(name, props)).collect::<Result<_>>().map(CustomConverters)
    }

    /// What the values of `column` of `table` become; `None`: they stay as they are.
    pub(crate) fn of(&self, table: &TableId, column: &Column) -> Option<Custom> {
        if self.0.is_empty() {
            return None;
        }
        let name = format!("{table}.{}", column.name);
        self.0.iter().find_map(|rule| rule.of(&name, column))
    }
}

impl Rule {
    fn new(name: &str, props: &Props) -> Result<Self> {
        let setting = |key: &str| props.get(&format!("{name}.{key}")).map(str::trim).filter(|text| !text.is_empty());
        let selector = |key: &str| {
            let compiled = setting(key).map(Patterns::new).transpose();
            compiled.map_err(|problem| Error::config(invalid(&format!("{name}.{key}"), &problem)))
        };
        let flag = |key: &str| setting(key).is_none_or(|text| text.eq_ignore_ascii_case("true"));
        let class = setting("type").unwrap_or("null");
        match PACKAGES.iter().find_map(|package| class.strip_prefix(package)) {
            Some("TinyIntOneToBooleanConverter") => {
                Ok(Rule::TinyInt { selector: selector("selector")?, length_checker: flag("length.checker") })
            }
            Some("JdbcSinkDataTypesConverter") => Ok(Rule::JdbcSink {
                boolean: selector("selector.boolean")?,
                real: selector("selector.real")?,
                string: selector("selector.string")?,
                double: flag("treat.real.as.double"),
            }),
            _ => Err(unknown_converter(class)),
        }
    }

    fn of(&self, name: &str, column: &Column) -> Option<Custom> {
        let selects = |patterns: &Option<Patterns>| patterns.as_ref().is_some_and(|patterns| patterns.matches(name));
        match self {
            Rule::TinyInt { selector, length_checker } => {
                let family = ["TINYINT", "TINYINT UNSIGNED"].iter().any(|t| column.type_name.eq_ignore_ascii_case(t));
                let fits = family && (!length_checker || column.length == Some(1));
                (fits && (selector.is_none() || selects(selector))).then_some(Custom::Truth)
            }
            Rule::JdbcSink { boolean, .. } if selects(boolean) => Some(Custom::Bit),
            Rule::JdbcSink { real, double, .. } if selects(real) => {
                Some(if *double { Custom::Double } else { Custom::Float })
            }
            Rule::JdbcSink { string, .. } if selects(string) => Some(Custom::Text),
            Rule::JdbcSink { .. } => None,
        }
    }
}

impl Custom {
    /// The schema of `column`'s values, not yet optional or with default.
    pub(crate) fn schema(self, column: &Column) -> SchemaBuilder {
        let schema = SchemaBuilder::new(match self {
            Custom::Truth => Type::Boolean,
            Custom::Bit => Type::Int16,
            Custom::Double => Type::Float64,
            Custom::Float => Type::Float32,
            Custom::Text => Type::String,
        });
        match column.charset.as_deref().filter(|_| self == Custom::Text) {
            Some(charset) => schema.parameter(CHARSET, charset),
            None => schema,
        }
    }

    /// What stands for null in a required column without default, and for what cannot be converted.
    pub(crate) fn fallback(self) -> Value {
        match self {
            Custom::Truth => Value::Bool(false),
            Custom::Bit => Value::Int16(0),
            Custom::Double => Value::Float64(0.0),
            Custom::Float => Value::Float32(0.0),
            Custom::Text => Value::str(""),
        }
    }

    /// `value` converted; null stays null.
    pub(crate) fn convert(self, value: Value) -> Value {
        if value.is_null() {
            return value;
        }
        let converted = match self {
            // To MySQL any number but 0 is true; the other converter asks for one above 0.
            Custom::Truth => truth(&value, |n| n != 0.0).map(Value::Bool),
            Custom::Bit => truth(&value, |n| n > 0.0).map(|yes| Value::Int16(yes.into())),
            Custom::Double => number(&value).map(Value::Float64),
            #[allow(clippy::cast_possible_truncation, reason = "treat.real.as.double=false asks for it")]
            Custom::Float => number(&value).map(|n| Value::Float32(n as f32)),
            Custom::Text => text(&value),
        };
        converted.unwrap_or_else(|| self.fallback())
    }
}

fn truth(value: &Value, is: impl Fn(f64) -> bool) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::Str(text) => Some(text.parse().map_or_else(|_| text.eq_ignore_ascii_case("true"), is)),
        other => number(other).map(is),
    }
}

#[allow(clippy::cast_precision_loss, reason = "as in Java")]
fn number(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Int16(n) => (*n).into(),
        Value::Int32(n) => (*n).into(),
        Value::Int64(n) => *n as f64,
        Value::Float32(n) => (*n).into(),
        Value::Float64(n) => *n,
        Value::Decimal(n) => n.to_string().parse().ok()?,
        Value::Str(text) => text.trim().parse().ok()?,
        _ => return None,
    })
}

fn text(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Str(_) => value.clone(),
        Value::Bytes(bytes) => Value::str(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int16(n) => Value::str(n.to_string()),
        Value::Int32(n) => Value::str(n.to_string()),
        Value::Int64(n) => Value::str(n.to_string()),
        Value::Decimal(n) => Value::str(n.to_string()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = "io.debezium.connector.binlog.converters.TinyIntOneToBooleanConverter";
    const SINK: &str = "io.debezium.connector.mysql.converters.JdbcSinkDataTypesConverter";

    fn of(settings: &[(&str, &str)], type_name: &str, length: Option<i32>, name: &str) -> Option<Custom> {
        let converters = CustomConverters::new(&Props::from_iter(settings.iter().copied())).expect("known classes");
        let column = Column { type_name: type_name.to_owned(), length, ..Column::new(name) };
        converters.of(&TableId::new("d", "t"), &column)
    }

    #[test]
    fn columns_are_chosen_by_type_length_and_name() {
        let tiny = [("converters", "b"), ("b.type", TINY)];
        assert_eq!(of(&tiny, "TINYINT", Some(1), "x"), Some(Custom::Truth));
        assert_eq!(of(&tiny, "TINYINT", None, "x"), None);
        assert_eq!(of(&tiny, "SMALLINT", Some(1), "x"), None);
        let free = [tiny[0], tiny[1], ("b.length.checker", "false"), ("b.selector", "d.t.[xy]")];
        assert_eq!(of(&free, "tinyint unsigned", None, "x"), Some(Custom::Truth));
        assert_eq!(of(&free, "TINYINT", None, "z"), None);
        let sink = [("converters", "a, s"), ("a.type", SINK), ("s.type", SINK), ("s.selector.real", "D\\.T\\.R")];
        assert_eq!(of(&sink, "REAL", None, "r"), Some(Custom::Double));
        assert_eq!(of(&sink, "REAL", None, "q"), None);
        let float =
            [("converters", "s"), ("s.type", SINK), ("s.selector.real", ".*"), ("s.treat.real.as.double", "false")];
        assert_eq!(of(&float, "REAL", None, "r"), Some(Custom::Float));
    }

    #[test]
    fn unknown_classes_and_bad_expressions_are_named() {
        let error = |settings: &[(&str, &str)]| {
            CustomConverters::new(&Props::from_iter(settings.iter().copied())).expect_err("refused").trace()
        };
        assert!(
            error(&[("converters", "i"), ("i.type", "com.example.Isbn")])
                .contains("Unable to find class com.example.Isbn")
        );
        assert!(error(&[("converters", "b"), ("b.type", TINY), ("b.selector", "(")]).contains("b.selector"));
    }

    #[test]
    fn values_are_converted() {
        let rows = [
            (Custom::Truth, Value::Int16(-1), Value::Bool(true)),
            (Custom::Truth, Value::Int16(0), Value::Bool(false)),
            (Custom::Truth, Value::str("true"), Value::Bool(true)),
            (Custom::Truth, Value::Null, Value::Null),
            (Custom::Bit, Value::Int16(-1), Value::Int16(0)),
            (Custom::Bit, Value::Bool(true), Value::Int16(1)),
            (Custom::Double, Value::Int32(7), Value::Float64(7.0)),
            (Custom::Float, Value::Float64(0.5), Value::Float32(0.5)),
            (Custom::Text, Value::Bytes("ab".into()), Value::str("ab")),
            (Custom::Text, Value::Int64(7), Value::str("7")),
            (Custom::Text, Value::Bool(true), Value::str("")),
        ];
        for (custom, value, want) in rows {
            assert_eq!(custom.convert(value.clone()), want, "{custom:?} of {value:?}");
        }
    }
}
