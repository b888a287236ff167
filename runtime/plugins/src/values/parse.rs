use std::sync::Arc;

use couplet_api::data::{Datum, Decimal, Schema, SchemaBuilder, SchemaRef, Type, Value};

use super::align::{Merger, convert};
use super::tokens::{Tokens, trim};
use crate::java::{DateFormat, ascii_digits, digit};

/// Deeper nesting is not read; the JVM's stack ends somewhere there too.
const DEPTH_MAX: usize = 200;

/// Text that no value can be made of, in an array or map: the whole is text then.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotParsable;

/// A value with its schema; null has no schema and is no value.
pub(super) type Parsed = Datum;

type Result<T> = std::result::Result<T, NotParsable>;

/// `Values.parseString`: the smallest type that `text` is a value of. `None` when it is nested too deeply.
pub(crate) fn parse(text: &str) -> Option<Datum> {
    if text.is_empty() {
        return Some(Datum::new(Schema::string(), ""));
    }
    let mut parser = Parser { tokens: Tokens::new(text), depth: 0, too_deep: false };
    let parsed = parser.value(false);
    match parsed {
        _ if parser.too_deep => None,
        Ok(value) => Some(value.unwrap_or(Datum::NULL)),
        Err(NotParsable) => Some(Datum::new(Schema::string(), text)),
    }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    depth: usize,
    too_deep: bool,
}

impl Parser<'_> {
    /// Reads a value; `None` is null. `embedded`: inside an array or map.
    fn value(&mut self, embedded: bool) -> Result<Option<Parsed>> {
        if !self.tokens.has_next() {
            return Ok(None);
        }
        if embedded && self.tokens.take("\"") {
            return Ok(Some(self.quoted()));
        }
        if self.literal(embedded, "null") {
            return Ok(None);
        }
        for (literal, truth) in [("true", true), ("false", false)] {
            if self.literal(embedded, literal) {
                return Ok(Some(Datum::new(Schema::boolean(), truth)));
            }
        }
        let start = self.tokens.mark();
        match self.compound() {
            Ok(Some(compound)) => return Ok(Some(compound)),
            Ok(None) => {}
            Err(NotParsable) => self.tokens.rewind(start),
        }
        let token = self.tokens.next();
        if trim(token).is_empty() {
            return Ok(Some(Datum::new(Schema::string(), token)));
        }
        self.token(embedded, trim(token)).map(Some)
    }

    /// Takes a token that must stand alone, unless the value is embedded.
    fn literal(&mut self, embedded: bool, literal: &str) -> bool {
        let start = self.tokens.mark();
        if self.tokens.take(literal) && (embedded || !self.tokens.has_next()) {
            return true;
        }
        self.tokens.rewind(start);
        false
    }

    /// Reads an array or a map, if one begins here.
    fn compound(&mut self) -> Result<Option<Parsed>> {
        let is_array = self.tokens.take("[");
        if !is_array && !self.tokens.take("{") {
            return Ok(None);
        }
        if self.depth == DEPTH_MAX {
            self.too_deep = true;
            return Err(NotParsable);
        }
        self.depth += 1;
        let parsed = if is_array { self.array() } else { self.map() };
        self.depth -= 1;
        parsed.map(Some)
    }

    fn token(&mut self, embedded: bool, token: &str) -> Result<Parsed> {
        let first = token.chars().next().unwrap_or_default();
        if digit(first).is_some()
            && let Some(date) = self.tokens_as_date(token)
        {
            return Ok(date);
        }
        if (digit(first).is_some() || matches!(first, '+' | '-'))
            && let Some(number) = number(token)
        {
            return Ok(number);
        }
        if embedded {
            return Err(NotParsable);
        }
        Ok(Datum::new(Schema::string(), self.tokens.original()))
    }

    /// A time or timestamp is cut into five tokens by its colons.
    fn tokens_as_date(&mut self, token: &str) -> Option<Parsed> {
        let start = self.tokens.mark();
        if let Some(rest) = self.tokens.next_many(4)
            && let Some(date) = date(&format!("{token}{rest}"))
        {
            return Some(date);
        }
        self.tokens.rewind(start);
        date(token)
    }

    fn quoted(&mut self) -> Parsed {
        let mut content = String::new();
        while self.tokens.has_next() && !self.tokens.take("\"") {
            content.push_str(self.tokens.next());
        }
        date(&content).unwrap_or_else(|| Datum::new(Schema::string(), content))
    }

    fn array(&mut self) -> Result<Parsed> {
        let mut items = Vec::new();
        let mut merger = Merger::default();
        while self.tokens.has_next() {
            if self.tokens.take("]") {
                return aligned_array(merger.schema(), items);
            }
            if self.tokens.take(",") {
                return Err(NotParsable);
            }
            let item = self.value(true)?;
            merger.merge(item.as_ref());
            items.push(item.map_or(Value::Null, |datum| datum.value));
            let mark = self.tokens.mark();
            if self.tokens.take("]") {
                self.tokens.rewind(mark);
            } else if !self.tokens.take(",") {
                return Err(NotParsable);
            }
        }
        Err(NotParsable)
    }

    fn map(&mut self) -> Result<Parsed> {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        let (mut keys, mut values) = (Merger::default(), Merger::default());
        while self.tokens.has_next() {
            if self.tokens.take("}") {
                return aligned_map(keys.schema(), values.schema(), entries);
            }
            if self.tokens.take(",") {
                return Err(NotParsable);
            }
            let key = self.value(true)?.filter(|key| !key.is_null()).ok_or(NotParsable)?;
            if !self.tokens.take(":") {
                return Err(NotParsable);
            }
            let value = self.value(true)?;
            self.tokens.take(",");
            keys.merge(Some(&key));
            values.merge(value.as_ref());
            put(&mut entries, key.value, value.map_or(Value::Null, |datum| datum.value));
        }
        Err(NotParsable)
    }
}

fn put(entries: &mut Vec<(Value, Value)>, key: Value, value: Value) {
    match entries.iter_mut().find(|(k, _)| *k == key) {
        Some(slot) => slot.1 = value,
        None => entries.push((key, value)),
    }
}

fn aligned_array(items_schema: Option<&SchemaRef>, items: Vec<Value>) -> Result<Parsed> {
    let Some(schema) = items_schema else {
        return Ok(Datum::new(SchemaBuilder::mixed(Type::Array, None).build(), Value::Array(items.into())));
    };
    let items = items.into_iter().map(|item| convert(schema, item)).collect::<Option<Arc<[Value]>>>();
    Ok(Datum::new(SchemaBuilder::array(schema.clone()).build(), Value::Array(items.ok_or(NotParsable)?)))
}

fn aligned_map(
    key_schema: Option<&SchemaRef>,
    value_schema: Option<&SchemaRef>,
    entries: Vec<(Value, Value)>,
) -> Result<Parsed> {
    let schema = match (key_schema, value_schema) {
        (Some(keys), Some(values)) => SchemaBuilder::map(keys.clone(), values.clone()),
        (keys, _) => SchemaBuilder::mixed(Type::Map, keys.cloned()),
    };
    // Without a schema for the keys the values are left alone too.
    let value_schema = key_schema.and(value_schema);
    let mut aligned = Vec::with_capacity(entries.len());
    let part = |schema: Option<&SchemaRef>, value| {
        schema.map_or(Ok(Value::clone(&value)), |s| convert(s, value).ok_or(NotParsable))
    };
    for (key, value) in entries {
        put(&mut aligned, part(key_schema, key)?, part(value_schema, value)?);
    }
    Ok(Datum::new(schema.build(), Value::Map(aligned.into())))
}

/// A date, time or timestamp in ISO 8601, told by its length.
fn date(token: &str) -> Option<Parsed> {
    let token = token.replace("\\:", ":");
    let (format, schema) = match token.encode_utf16().count() {
        10 => (DateFormat::iso_date(), SchemaBuilder::date()),
        13 => (DateFormat::iso_time(), SchemaBuilder::time()),
        24 => (DateFormat::iso_timestamp(), SchemaBuilder::timestamp()),
        _ => return None,
    };
    let ms = format.parse(&token).ok()?;
    Some(Datum::new(schema.build(), Value::Date(ms)))
}

fn number(token: &str) -> Option<Parsed> {
    let decimal: Decimal = ascii_digits(token).parse().ok()?;
    if let Some(integer) = integer(&decimal) {
        return Some(match integer {
            -128..=127 => Datum::new(Schema::int8(), integer as i8),
            -32_768..=32_767 => Datum::new(Schema::int16(), integer as i16),
            -2_147_483_648..=2_147_483_647 => Datum::new(Schema::int32(), integer as i32),
            _ => Datum::new(Schema::int64(), integer),
        });
    }
    if decimal.scale() != 0 {
        let text = format!("{}e{}", decimal.unscaled(), -i64::from(decimal.scale()));
        if let Some(float) = text.parse().ok().filter(|f: &f32| f.is_finite()) {
            return Some(Datum::new(Schema::float32(), float));
        }
        if let Some(double) = text.parse().ok().filter(|f: &f64| f.is_finite()) {
            return Some(Datum::new(Schema::float64(), double));
        }
    }
    Some(Datum::new(SchemaBuilder::decimal(decimal.scale()).build(), Value::Decimal(Arc::new(decimal))))
}

/// The decimal as a 64-bit integer, if it is one.
fn integer(decimal: &Decimal) -> Option<i64> {
    let digits = decimal.unscaled().magnitude().bits();
    if digits == 0 {
        return Some(0);
    }
    // Nothing of more than 64 digits left of the point, or more digits right of it than there are, is such an integer.
    if decimal.scale() < -64 || i64::from(decimal.scale()) > digits as i64 {
        return None;
    }
    i64::try_from(decimal.rescaled(0)?.unscaled()).ok()
}
