//! Defaults of columns, from their text in the table's definition.

use couplet_api::data::Value;
use couplet_mysql_schema::Column;

use super::column::{ColumnType, Kind};
use super::convert::Phase;
use super::text::{cell_of_text, time};
use crate::binlog::Cell;

const EPOCH: &str = "1970-01-01 00:00:00";

/// The default of `column` as a value; `None`: it has none that a schema could show.
pub(crate) fn default_value(column: &Column, known: &ColumnType) -> Option<Value> {
    let text = without_introducer(column.default.text()?);
    let trimmed = text.trim();
    let truth = match trimmed.to_ascii_lowercase().as_str() {
        "true" => Some("1"),
        "false" => Some("0"),
        _ => None,
    };
    let cell = match &known.kind {
        Kind::Int { .. } | Kind::BigDecimal => number(truth.unwrap_or(trimmed))?,
        Kind::Float => Cell::Double(truth.unwrap_or(trimmed).parse().ok()?),
        Kind::FloatAsDouble | Kind::Double => Cell::Double(truth.unwrap_or(trimmed).parse().ok()?),
        Kind::Decimal(_, scale) => Cell::Decimal(rounded(truth.unwrap_or(trimmed), *scale)?),
        Kind::Flag => return Some(Value::Bool(flag(trimmed))),
        Kind::Bits => Cell::Bit(bits(trimmed)?),
        // The epoch stands for CURRENT_TIMESTAMP.
        Kind::Timestamp(_) if trimmed.starts_with(EPOCH) => return (!column.optional).then(|| known.fallback.clone()),
        Kind::Date(_) | Kind::DateTime(_) | Kind::Timestamp(_) if is_zero(trimmed) => {
            return (!column.optional).then(|| known.fallback.clone());
        }
        Kind::Time(_) => Cell::Time(time(trimmed.split_once(' ').map_or(trimmed, |(_, clock)| clock))?),
        Kind::Date(_) => {
            let day = trimmed.split(' ').next().unwrap_or_default();
            let cell = cell_of_text(&known.kind, &day.to_owned().into());
            return or_epoch(cell.and_then(|c| known.convert(c, Phase::Snapshot).ok()), column, known);
        }
        Kind::DateTime(_) | Kind::Timestamp(_) => {
            let cell = cell_of_text(&known.kind, &trimmed.to_owned().into());
            return or_epoch(cell.and_then(|c| known.convert(c, Phase::Snapshot).ok()), column, known);
        }
        kind => cell_of_text(kind, &text.to_owned().into())?,
    };
    known.convert(cell, Phase::Snapshot).ok().filter(|value| !value.is_null())
}

/// A default that cannot be read is none in an optional column and the epoch in a required one.
fn or_epoch(value: Option<Value>, column: &Column, known: &ColumnType) -> Option<Value> {
    match value.filter(|value| !value.is_null()) {
        None if !column.optional => Some(known.fallback.clone()),
        other => other,
    }
}

/// `_utf8mb4'text'` is `text`.
fn without_introducer(text: &str) -> &str {
    let inner = text.strip_prefix('_').and_then(|rest| {
        let (name, quoted) = rest.split_once('\'')?;
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric());
        if plain { quoted.strip_suffix('\'') } else { None }
    });
    inner.unwrap_or(text)
}

fn number(text: &str) -> Option<Cell> {
    if let Ok(n) = text.parse::<i64>() {
        return Some(Cell::Int(n));
    }
    if let Ok(n) = text.parse::<u64>() {
        return Some(Cell::Int(n.cast_signed()));
    }
    #[allow(clippy::cast_possible_truncation, reason = "a saturated number is what Java's rounding gives too")]
    text.parse::<f64>().ok().map(|n| Cell::Int(n.round() as i64))
}

/// `text` with `scale` digits behind the point, half away from zero.
fn rounded(text: &str, scale: i32) -> Option<String> {
    use couplet_api::data::Decimal;
    let number: Decimal = text.parse().ok()?;
    if let Some(exact) = number.rescaled(scale) {
        return Some(exact.to_plain_string());
    }
    let drop = u32::try_from(number.scale() - scale).ok()?;
    let divisor = num_bigint::BigInt::from(10).pow(drop);
    let half = &divisor / 2;
    let unscaled = number.unscaled();
    let shifted = if unscaled.sign() == num_bigint::Sign::Minus { unscaled - half } else { unscaled + half };
    Some(Decimal::new(shifted / divisor, scale).to_plain_string())
}

fn flag(text: &str) -> bool {
    text.parse::<i64>().map_or_else(|_| text.eq_ignore_ascii_case("true"), |n| n != 0)
}

/// Binary digits, highest first.
fn bits(text: &str) -> Option<bytes::Bytes> {
    let digits: Vec<u8> = text.bytes().collect();
    let groups = digits.rchunks(8).rev().map(|group| {
        group.iter().try_fold(0_u8, |n, digit| matches!(digit, b'0' | b'1').then(|| (n << 1) | (digit - b'0')))
    });
    groups.collect::<Option<Vec<u8>>>().map(Into::into)
}

/// `0000-00-00`, with or without a time, or any month or day 0.
fn is_zero(text: &str) -> bool {
    let date = text.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = date.split('-').collect();
    text == "0" || (parts.len() == 3 && (parts[1].chars().all(|c| c == '0') || parts[2].chars().all(|c| c == '0')))
}
