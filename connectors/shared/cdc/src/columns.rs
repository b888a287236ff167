//! Settings that change single columns: truncation, masking, and the source type as schema parameters.

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::data::{SchemaBuilder, Value};
use couplet_api::error::Error;

use crate::filter::{Patterns, TableId};

/// What is done to a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnChange {
    /// Replaced by this many asterisks, nulls too.
    Mask(usize),
    /// Cut to this many UTF-16 units.
    Truncate(usize),
}

/// A column's type in the database.
#[derive(Debug, Clone, Copy)]
pub struct SourceType<'a> {
    /// Name of the column.
    pub column: &'a str,
    /// Name of the type.
    pub name: &'a str,
    /// Length or precision.
    pub length: i32,
    /// Scale, if known.
    pub scale: Option<i32>,
}

/// The settings `column.mask.with.N.chars`, `column.truncate.to.N.chars`, `column.propagate.source.type` and
/// `datatype.propagate.source.type`.
#[derive(Debug, Clone, Default)]
pub struct ColumnChanges {
    changes: Vec<(Patterns, ColumnChange)>,
    propagate_columns: Option<Patterns>,
    propagate_types: Option<Patterns>,
}

impl ColumnChanges {
    /// Reads the settings out of `props`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for a wrong number or list, and for hashing, which is not built.
    pub fn new(props: &Props) -> Result<Self> {
        let mut all = ColumnChanges::default();
        for (key, list) in props.iter() {
            let Some(list) = list else { continue };
            let patterns = || Patterns::new(list).map_err(|problem| Error::config(crate::invalid(key, &problem)));
            let number = |prefix: &str| -> Option<Result<usize>> {
                let digits = key.strip_prefix(prefix)?.strip_suffix(".chars")?;
                Some(
                    digits.parse().map_err(|_| Error::config(format!("{key}: {digits} is not a number of characters"))),
                )
            };
            if key.starts_with("column.mask.hash.") {
                return Err(Error::config(format!(
                    "{key}: masking by hash is not supported; use column.mask.with.N.chars or column.exclude.list"
                )));
            } else if let Some(length) = number("column.mask.with.") {
                all.changes.push((patterns()?, ColumnChange::Mask(length?)));
            } else if let Some(length) = number("column.truncate.to.") {
                all.changes.push((patterns()?, ColumnChange::Truncate(length?)));
            } else if key == "column.propagate.source.type" {
                all.propagate_columns = Some(patterns()?);
            } else if key == "datatype.propagate.source.type" {
                all.propagate_types = Some(patterns()?);
            }
        }
        Ok(all)
    }

    /// What is done to `column` of `table`; `text`: whether it is a character column, `length` its length.
    pub fn of(&self, table: &TableId, column: &str, text: bool, length: i32) -> Option<ColumnChange> {
        let name = format!("{table}.{column}");
        let (_, change) = self.changes.iter().find(|(patterns, _)| patterns.matches(&name))?;
        match change {
            ColumnChange::Mask(_) if text => Some(change.clone()),
            ColumnChange::Truncate(to) if length < 0 || usize::try_from(length).is_ok_and(|l| l > *to) => {
                Some(change.clone())
            }
            _ => None,
        }
    }

    /// Adds the parameters these settings ask for to the schema of a column.
    pub fn describe(&self, schema: SchemaBuilder, table: &TableId, source: SourceType<'_>) -> SchemaBuilder {
        let name = format!("{table}.{}", source.column);
        let mut schema = schema;
        if let Some((_, change)) = self.changes.iter().find(|(patterns, _)| patterns.matches(&name)) {
            schema = match change {
                ColumnChange::Mask(_) => schema.parameter("masked", "true"),
                ColumnChange::Truncate(to) if usize::try_from(source.length).map_or(true, |l| l > *to) => {
                    schema.parameter("truncateLength", to.to_string())
                }
                ColumnChange::Truncate(_) => schema,
            };
        }
        let typed = format!("{table}.{}", source.name);
        let by_column = self.propagate_columns.as_ref().is_some_and(|p| p.matches(&name));
        let by_type = self.propagate_types.as_ref().is_some_and(|p| p.matches(&typed));
        if !by_column && !by_type {
            return schema;
        }
        schema = schema.parameter("__debezium.source.column.type", source.name.to_uppercase());
        schema = schema.parameter("__debezium.source.column.length", source.length.to_string());
        if let Some(scale) = source.scale {
            schema = schema.parameter("__debezium.source.column.scale", scale.to_string());
        }
        schema.parameter("__debezium.source.column.name", source.column)
    }
}

impl ColumnChange {
    /// The value to send instead of `value`.
    pub fn apply(&self, value: Value) -> Value {
        match (self, value) {
            (ColumnChange::Mask(length), _) => Value::str("*".repeat(*length)),
            (ColumnChange::Truncate(to), Value::Str(text)) if text.encode_utf16().nth(*to).is_some() => {
                let units: Vec<u16> = text.encode_utf16().take(*to).collect();
                Value::str(String::from_utf16_lossy(&units))
            }
            (ColumnChange::Truncate(to), Value::Bytes(bytes)) if bytes.len() > *to => Value::Bytes(bytes.slice(..*to)),
            (ColumnChange::Truncate(_), value) => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_masked_and_cut() {
        let props = Props::from_iter([
            ("column.mask.with.3.chars", "public.t.a"),
            ("column.truncate.to.2.chars", "public.t.(b|c)"),
        ]);
        let changes = ColumnChanges::new(&props).expect("valid");
        let table = TableId::new("public", "t");
        let of = |column: &str, text, length| changes.of(&table, column, text, length);
        assert_eq!(of("a", true, 10), Some(ColumnChange::Mask(3)));
        assert_eq!(of("a", false, 10), None, "a number is not masked");
        assert_eq!(of("b", true, 2), None, "nothing to cut");
        assert_eq!(of("c", true, i32::MAX).map(|c| c.apply(Value::str("xyz"))), Some(Value::str("xy")));
        assert_eq!(ColumnChange::Mask(2).apply(Value::Null), Value::str("**"));
    }

    #[test]
    fn hashing_is_refused_and_not_ignored() {
        let props = Props::from_iter([("column.mask.hash.SHA-256.with.salt.x", "public.t.a")]);
        assert!(ColumnChanges::new(&props).expect_err("refused").message().contains("column.mask.hash.SHA-256"));
    }
}
