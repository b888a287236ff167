use std::borrow::Cow;
use std::cmp::Ordering;

use couplet_api::Result;
use couplet_api::data::{Decimal, FloatText, Value};

use super::condition::not_a_number;
use crate::java::JavaRegex;

/// What stands between two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    /// `===`: of one type, too.
    Same,
    /// `!==`.
    NotSame,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    /// `=~`: the whole text matches.
    Matches,
    In,
    NotIn,
    Contains,
    /// Length of a text or list.
    Size,
    Empty,
    SubsetOf,
    AnyOf,
    NoneOf,
}

/// One side of a comparison, evaluated.
#[derive(Debug)]
pub(super) enum Operand<'a> {
    /// The path leads nowhere.
    Undefined,
    Null,
    Bool(bool),
    Number(Cow<'a, Decimal>),
    Text(Cow<'a, str>),
    Pattern(&'a JavaRegex),
    List(Vec<Operand<'a>>),
    /// A struct or a map.
    Object(&'a Value),
}

impl<'a> Operand<'a> {
    /// Dates count as milliseconds, bytes as base64, as they are in JSON.
    pub(super) fn of_value(value: &'a Value) -> Result<Self> {
        let float = |text: &str| text.parse().map(|n| Operand::Number(Cow::Owned(n))).map_err(|_| not_a_number());
        Ok(match value {
            Value::Null => Operand::Null,
            Value::Bool(truth) => Operand::Bool(*truth),
            Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
                Operand::Number(Cow::Owned(Decimal::new(value.as_i64().unwrap_or_default().into(), 0)))
            }
            Value::Date(ms) => Operand::Number(Cow::Owned(Decimal::new((*ms).into(), 0))),
            Value::Float32(n) => float(FloatText::new().float(*n))?,
            Value::Float64(n) => float(FloatText::new().double(*n))?,
            Value::Decimal(number) => Operand::Number(Cow::Borrowed(number)),
            Value::Str(text) => Operand::Text(Cow::Borrowed(text.as_str())),
            Value::Bytes(bytes) => {
                use base64::Engine as _;
                Operand::Text(Cow::Owned(base64::engine::general_purpose::STANDARD.encode(bytes)))
            }
            Value::Array(items) => Operand::List(items.iter().map(Self::of_value).collect::<Result<_>>()?),
            Value::Map(_) | Value::Struct(_) => Operand::Object(value),
        })
    }
}

/// Whether `left operator right` holds.
///
/// # Errors
/// `Kind::Data` when a regular expression takes too many steps.
pub(super) fn compare(left: &Operand, operator: Operator, right: &Operand) -> Result<bool> {
    let ordered = |wanted: fn(Ordering) -> bool| order(left, right).is_some_and(wanted);
    Ok(match operator {
        Operator::Equal => equal(left, right),
        Operator::NotEqual => !equal(left, right),
        Operator::Same => same_type(left, right) && equal(left, right),
        Operator::NotSame => !(same_type(left, right) && equal(left, right)),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::Matches => matches(left, right)?,
        Operator::In => list(right).is_some_and(|items| has(items, left)),
        Operator::NotIn => !list(right).is_some_and(|items| has(items, left)),
        Operator::Contains => match (left, right) {
            (Operand::Text(text), Operand::Text(part)) => text.contains(&**part),
            (Operand::List(items), _) => has(items, right),
            _ => false,
        },
        Operator::Size => match (left, right) {
            (Operand::Text(text), Operand::Number(size)) => is_count(size, text.encode_utf16().count()),
            (Operand::List(items), Operand::Number(size)) => is_count(size, items.len()),
            _ => false,
        },
        Operator::Empty => match (left, right) {
            (Operand::Text(text), Operand::Bool(wanted)) => text.is_empty() == *wanted,
            (Operand::List(items), Operand::Bool(wanted)) => items.is_empty() == *wanted,
            _ => false,
        },
        Operator::SubsetOf => lists(left, right).is_some_and(|(part, whole)| part.iter().all(|item| has(whole, item))),
        Operator::AnyOf => lists(left, right).is_some_and(|(some, others)| some.iter().any(|item| has(others, item))),
        Operator::NoneOf => lists(left, right).is_some_and(|(some, others)| !some.iter().any(|item| has(others, item))),
    })
}

/// Numbers and text are equal when one written as the other is; text on the left is compared as text.
fn equal(left: &Operand, right: &Operand) -> bool {
    match (left, right) {
        (Operand::Null, Operand::Null) => true,
        (Operand::Bool(a), Operand::Bool(b)) => a == b,
        (Operand::Number(a), Operand::Number(b)) => order_of_numbers(a, b).is_eq(),
        (Operand::Number(a), Operand::Text(b)) => b.parse().is_ok_and(|b| order_of_numbers(a, &b).is_eq()),
        (Operand::Text(a), Operand::Number(b)) => **a == b.to_string(),
        (Operand::Text(a), Operand::Text(b)) => a == b,
        (Operand::List(a), Operand::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Operand::Object(a), Operand::Object(b)) => a == b,
        _ => false,
    }
}

fn same_type(left: &Operand, right: &Operand) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

fn order(left: &Operand, right: &Operand) -> Option<Ordering> {
    match (left, right) {
        (Operand::Number(a), Operand::Number(b)) => Some(order_of_numbers(a, b)),
        // Java compares UTF-16 units.
        (Operand::Text(a), Operand::Text(b)) => Some(a.encode_utf16().cmp(b.encode_utf16())),
        _ => None,
    }
}

/// `BigDecimal.compareTo`, without writing out the zeros of numbers of very different size.
fn order_of_numbers(a: &Decimal, b: &Decimal) -> Ordering {
    let by_sign = a.unscaled().sign().cmp(&b.unscaled().sign());
    if by_sign.is_ne() || a.scale() == b.scale() {
        return by_sign.then_with(|| a.unscaled().cmp(b.unscaled()));
    }
    let size = |n: &Decimal| n.unscaled().magnitude().to_string().len() as i64 - i64::from(n.scale());
    let by_size = size(a).cmp(&size(b));
    if by_size.is_ne() && a.unscaled().sign() != num_bigint::Sign::NoSign {
        return if a.unscaled().sign() == num_bigint::Sign::Minus { by_size.reverse() } else { by_size };
    }
    // As large as each other, so the scales are at most as far apart as the numbers have digits.
    let scale = a.scale().max(b.scale());
    let unscaled = |n: &Decimal| n.rescaled(scale).map(|n| n.unscaled().clone());
    unscaled(a).cmp(&unscaled(b))
}

/// One side is a pattern, the other a text, number or truth value.
fn matches(left: &Operand, right: &Operand) -> Result<bool> {
    let (pattern, other) = match (left, right) {
        (Operand::Pattern(_), Operand::Pattern(_)) => return Ok(false),
        (Operand::Pattern(pattern), other) | (other, Operand::Pattern(pattern)) => (pattern, other),
        _ => return Ok(false),
    };
    match other {
        Operand::List(items) => {
            for item in items {
                if pattern.matches(&text(item))? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => pattern.matches(&text(other)),
    }
}

/// What a pattern is matched with; nothing for what has no text.
fn text<'a>(operand: &'a Operand) -> Cow<'a, str> {
    match operand {
        Operand::Text(text) => Cow::Borrowed(text),
        Operand::Number(number) => Cow::Owned(number.to_string()),
        Operand::Bool(truth) => Cow::Owned(truth.to_string()),
        _ => Cow::Borrowed(""),
    }
}

const fn list<'a, 'b>(operand: &'a Operand<'b>) -> Option<&'a Vec<Operand<'b>>> {
    match operand {
        Operand::List(items) => Some(items),
        _ => None,
    }
}

fn lists<'a, 'b>(
    left: &'a Operand<'b>,
    right: &'a Operand<'b>,
) -> Option<(&'a Vec<Operand<'b>>, &'a Vec<Operand<'b>>)> {
    Some((list(left)?, list(right)?))
}

fn has(items: &[Operand], wanted: &Operand) -> bool {
    items.iter().any(|item| equal(item, wanted))
}

fn is_count(number: &Decimal, count: usize) -> bool {
    order_of_numbers(number, &Decimal::new(count.into(), 0)).is_eq()
}
