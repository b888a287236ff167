use couplet_api::data::{Decimal, Value};
use couplet_api::{Error, Result};

use super::compare::{Operand, Operator, compare};
use super::path::JsonPath;
use crate::java::JavaRegex;

/// What is between the parentheses of `[?(...)]`.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Both sides of every `||`.
    Any(Vec<Condition>),
    /// Both sides of every `&&`.
    All(Vec<Condition>),
    /// `!`.
    Not(Box<Condition>),
    /// A path alone: it leads somewhere, be it to null.
    Exists(Source),
    /// A comparison.
    Compare(Expression, Operator, Expression),
}

/// A definite path and where it starts.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// `@`: the item that is tested.
    Item(JsonPath),
    /// `$`: the whole record.
    Root(JsonPath),
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Path(Source),
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    /// `/pattern/flags`.
    Pattern(Box<JavaRegex>),
    /// `['a', 1]`.
    List(Vec<Expression>),
}

impl Condition {
    /// Whether `item` of the record `root` meets the condition.
    ///
    /// # Errors
    /// `Kind::Data` for NaN and infinity, which have no order here, and for regular expressions that take too long.
    pub(super) fn holds(&self, item: &Value, root: &Value) -> Result<bool> {
        match self {
            Condition::Any(parts) => any(parts, item, root, true),
            Condition::All(parts) => Ok(!any(parts, item, root, false)?),
            Condition::Not(part) => Ok(!part.holds(item, root)?),
            Condition::Exists(source) => Ok(source.value(item, root)?.is_some()),
            Condition::Compare(left, operator, right) => {
                compare(&left.operand(item, root)?, *operator, &right.operand(item, root)?)
            }
        }
    }
}

/// Whether any part is `wanted`.
fn any(parts: &[Condition], item: &Value, root: &Value, wanted: bool) -> Result<bool> {
    for part in parts {
        if part.holds(item, root)? == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Source {
    fn value<'a>(&self, item: &'a Value, root: &'a Value) -> Result<Option<&'a Value>> {
        match self {
            Source::Item(path) => path.value(item, root),
            Source::Root(path) => path.value(root, root),
        }
    }
}

impl Expression {
    fn operand<'a>(&'a self, item: &'a Value, root: &'a Value) -> Result<Operand<'a>> {
        Ok(match self {
            Expression::Path(source) => match source.value(item, root)? {
                Some(value) => Operand::of_value(value)?,
                None => Operand::Undefined,
            },
            Expression::Null => Operand::Null,
            Expression::Bool(value) => Operand::Bool(*value),
            Expression::Number(number) => Operand::Number(std::borrow::Cow::Borrowed(number)),
            Expression::Text(text) => Operand::Text(text.into()),
            Expression::Pattern(pattern) => Operand::Pattern(pattern),
            Expression::List(items) => {
                let items: Result<Vec<Operand<'a>>> = items.iter().map(|e| e.operand(item, root)).collect();
                Operand::List(items?)
            }
        })
    }
}

/// An error of a record whose value has no place in an order.
pub(super) fn not_a_number() -> Error {
    Error::data("A floating point number that is infinite or none at all cannot be compared in a filter condition")
}
