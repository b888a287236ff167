use couplet_api::Result;
use couplet_api::data::Value;

use super::condition::Condition;

/// A parsed path.
#[derive(Debug, Clone)]
pub(crate) struct JsonPath {
    pub(super) tokens: Vec<Token>,
}

/// One step of a path.
#[derive(Debug, Clone)]
pub(super) enum Token {
    /// `.name`, `['name', 'other']`.
    Names(Vec<String>),
    /// `.*`, `[*]`.
    All,
    /// `..name`: a member of an object at any depth.
    Anywhere(String),
    /// `[0]`, `[-1]`, `[0, 2]`: negative ones count from the end.
    Items(Vec<i64>),
    /// `[from:to]`, `to` excluded.
    Slice(Option<i64>, Option<i64>),
    /// `[?(...)]`.
    Filter(Condition),
}

impl Token {
    /// Whether the step leads to one place at most.
    fn is_definite(&self) -> bool {
        match self {
            Token::Names(names) => names.len() == 1,
            Token::Items(items) => items.len() == 1,
            Token::All | Token::Anywhere(_) | Token::Slice(..) | Token::Filter(_) => false,
        }
    }
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Something that is not null.
    Something,
    /// Nothing, though all that the path needs is there: no item meets the conditions.
    Nothing,
    /// Null, or the path needs what is not there.
    Missing,
}

/// Why a walk ended early: the path needs what is not there, or a comparison failed.
enum Stop {
    Missing,
    Failed(couplet_api::Error),
}

impl From<couplet_api::Error> for Stop {
    fn from(error: couplet_api::Error) -> Self {
        Stop::Failed(error)
    }
}

type Walk = std::result::Result<(), Stop>;

/// The parts of a walk that stay the same.
struct Walker<'a, 'r> {
    root: &'a Value,
    results: &'r mut Vec<&'a Value>,
}

impl JsonPath {
    /// Whether the path leads to one place at most.
    pub(super) fn is_definite(&self) -> bool {
        self.tokens.iter().all(Token::is_definite)
    }

    /// What the path finds in `root`.
    ///
    /// # Errors
    /// `Kind::Data` when values cannot be compared.
    pub(crate) fn find(&self, root: &Value) -> Result<Found> {
        let Some(results) = self.read(root, root)? else { return Ok(Found::Missing) };
        Ok(match results.as_slice() {
            [] if self.is_definite() => Found::Missing,
            [] => Found::Nothing,
            [one] if self.is_definite() && one.is_null() => Found::Missing,
            _ => Found::Something,
        })
    }

    /// The one value that a definite path leads to from `start`; `None`: there is none.
    pub(super) fn value<'a>(&self, start: &'a Value, root: &'a Value) -> Result<Option<&'a Value>> {
        Ok(self.read(start, root)?.and_then(|results| results.first().copied()))
    }

    /// All values; `None`: the path needs what is not there.
    fn read<'a>(&self, start: &'a Value, root: &'a Value) -> Result<Option<Vec<&'a Value>>> {
        let mut results = Vec::new();
        match (Walker { root, results: &mut results }).walk(start, &self.tokens, true) {
            Ok(()) => Ok(Some(results)),
            Err(Stop::Missing) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

impl<'a> Walker<'a, '_> {
    /// Follows `tokens` from `value`; `definite`: all steps up to here were.
    fn walk(&mut self, value: &'a Value, tokens: &[Token], definite: bool) -> Walk {
        let Some((token, rest)) = tokens.split_first() else {
            self.results.push(value);
            return Ok(());
        };
        let after = definite && token.is_definite();
        match token {
            Token::Names(names) => self.names(value, names, rest, (definite, after)),
            Token::All => match value {
                Value::Array(items) => items.iter().try_for_each(|item| self.walk(item, rest, false)),
                _ => members(value).try_for_each(|(_, member)| self.walk(member, rest, false)),
            },
            Token::Anywhere(name) => self.anywhere(value, name, rest),
            Token::Items(indexes) => match value {
                Value::Array(items) => {
                    let at = |index: &i64| items.get(place(*index, items.len())?);
                    indexes.iter().filter_map(at).try_for_each(|item| self.walk(item, rest, after))
                }
                _ => needed(definite),
            },
            Token::Slice(from, to) => match value {
                Value::Array(items) => {
                    slice(items, *from, *to).iter().try_for_each(|item| self.walk(item, rest, false))
                }
                _ => needed(definite),
            },
            Token::Filter(condition) => match value {
                Value::Array(items) => items.iter().try_for_each(|item| match condition.holds(item, self.root)? {
                    true => self.walk(item, rest, false),
                    false => Ok(()),
                }),
                Value::Map(_) | Value::Struct(_) => match condition.holds(value, self.root)? {
                    true => self.walk(value, rest, false),
                    false => Ok(()),
                },
                _ => needed(definite),
            },
        }
    }

    fn names(&mut self, value: &'a Value, names: &[String], rest: &[Token], (definite, after): (bool, bool)) -> Walk {
        if !matches!(value, Value::Map(_) | Value::Struct(_)) {
            return needed(definite);
        }
        // The members that a last step names are one result together.
        if rest.is_empty() && names.len() > 1 {
            self.results.push(value);
            return Ok(());
        }
        names.iter().try_for_each(|name| match member(value, name) {
            Some(member) => self.walk(member, rest, after),
            None if rest.is_empty() => Ok(()),
            None => needed(after),
        })
    }

    fn anywhere(&mut self, value: &'a Value, name: &str, rest: &[Token]) -> Walk {
        if let Some(found) = member(value, name) {
            self.walk(found, rest, false)?;
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.anywhere(item, name, rest)),
            _ => members(value).try_for_each(|(_, member)| self.anywhere(member, name, rest)),
        }
    }
}

/// Something is not there that a path needs if it led to one place so far, and is passed by otherwise.
const fn needed(definite: bool) -> Walk {
    if definite { Err(Stop::Missing) } else { Ok(()) }
}

/// The members of an object in their order; those of anything else are none.
fn members(value: &Value) -> Box<dyn Iterator<Item = (&str, &Value)> + '_> {
    match value {
        Value::Struct(row) => Box::new(row.schema().fields().iter().zip(row.values()).map(|(field, value)| {
            let default = field.schema().default().filter(|_| value.is_null());
            (field.name(), default.unwrap_or(value))
        })),
        Value::Map(entries) => Box::new(entries.iter().filter_map(|(key, value)| Some((key.as_str()?, value)))),
        _ => Box::new(std::iter::empty()),
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(row) => {
            let index = row.schema().field_index(name)?;
            let value = &row.values()[index];
            let default = row.schema().fields()[index].schema().default().filter(|_| value.is_null());
            Some(default.unwrap_or(value))
        }
        value => value.get(name),
    }
}

fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { length + index } else { index }).ok()
}

/// The items of `[from:to]`; what lies outside of the array is left out.
fn slice(items: &[Value], from: Option<i64>, to: Option<i64>) -> &[Value] {
    let bound = |index: i64| place(index, items.len()).unwrap_or(0).min(items.len());
    let (from, to) = (from.map_or(0, bound), to.map_or(items.len(), bound));
    items.get(from..to).unwrap_or_default()
}
