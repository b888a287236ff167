//! The queries of incremental snapshots: the largest key of a table, and the next rows behind a key. Pure.
//!
//! Keys are literals without a type, which the server reads as the type of the column they are compared with.

use crate::wire::{quoted, quoted_literal};

/// A column that orders the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyColumn {
    /// Name.
    pub(crate) name: String,
    /// Whether it may be null; null comes last.
    pub(crate) optional: bool,
}

/// The text of a key; `None` is null.
pub(crate) type KeyText = Vec<Option<String>>;

/// What is read of a table.
pub(crate) struct ChunkQuery<'a> {
    /// The table, quoted.
    pub(crate) table: String,
    /// The columns that order it.
    pub(crate) key: &'a [KeyColumn],
    /// A condition on its rows, in parentheses.
    pub(crate) condition: Option<&'a str>,
}

impl ChunkQuery<'_> {
    /// The largest key.
    pub(crate) fn largest(&self) -> String {
        let order: Vec<String> = self.key.iter().map(|column| format!("{} DESC", quoted(&column.name))).collect();
        let filter = self.condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        format!("SELECT {} FROM {}{filter} ORDER BY {} LIMIT 1", self.names(), self.table, order.join(", "))
    }

    /// At most `rows` rows of `columns`, each followed by its key, in the order of the key: those behind `after`, up to `last`.
    pub(crate) fn chunk(&self, columns: &[String], after: Option<(&KeyText, &KeyText)>, rows: usize) -> String {
        let bounds = after.map(|(after, last)| format!("{} AND {}", self.behind(after), self.up_to(last)));
        let filters: Vec<&str> = bounds.as_deref().into_iter().chain(self.condition).collect();
        let filter = if filters.is_empty() { String::new() } else { format!(" WHERE {}", filters.join(" AND ")) };
        let columns: String = columns.iter().map(|column| format!("{column}, ")).collect();
        let names = self.names();
        format!("SELECT {columns}{names} FROM {}{filter} ORDER BY {names} LIMIT {rows}", self.table)
    }

    fn names(&self) -> String {
        self.key.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
    }

    fn behind(&self, key: &KeyText) -> String {
        match self.compared(">", key) {
            Some(comparison) => comparison,
            None => self.behind_with_nulls(key),
        }
    }

    fn up_to(&self, key: &KeyText) -> String {
        match self.compared("<=", key) {
            Some(comparison) => comparison,
            None => format!("NOT {}", self.behind_with_nulls(key)),
        }
    }

    /// A comparison of rows, which an index answers; only without nulls.
    fn compared(&self, operator: &str, key: &KeyText) -> Option<String> {
        if self.key.iter().any(|column| column.optional) {
            return None;
        }
        let values: Vec<String> = key.iter().map(|text| text.as_deref().map(quoted_literal)).collect::<Option<_>>()?;
        Some(format!("ROW({}) {operator} ROW({})", self.names(), values.join(", ")))
    }

    /// For columns a, b: `((a > x) OR (a = x AND b > y))`, with nulls as the largest values.
    fn behind_with_nulls(&self, key: &KeyText) -> String {
        let columns: Vec<(&KeyColumn, &Option<String>)> = self.key.iter().zip(key).collect();
        let ways: Vec<String> = (0..columns.len())
            .map(|last| {
                let parts: Vec<String> = columns[..=last]
                    .iter()
                    .enumerate()
                    .map(|(i, (column, value))| part(column, value, i < last))
                    .collect();
                format!("({})", parts.join(" AND "))
            })
            .collect();
        format!("({})", ways.join(" OR "))
    }
}

fn part(column: &KeyColumn, value: &Option<String>, equal: bool) -> String {
    let name = quoted(&column.name);
    match (value.as_deref().map(quoted_literal), equal) {
        (Some(value), true) => format!("{name} = {value}"),
        (None, true) => format!("{name} IS NULL"),
        (Some(value), false) if column.optional => format!("({name} > {value} OR {name} IS NULL)"),
        (Some(value), false) => format!("{name} > {value}"),
        (None, false) => "FALSE".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, optional: bool) -> KeyColumn {
        KeyColumn { name: name.to_owned(), optional }
    }

    fn text(key: &[&str]) -> KeyText {
        key.iter().map(|part| (*part != "null").then(|| (*part).to_owned())).collect()
    }

    #[test]
    fn chunks_follow_one_another() {
        let key = [column("a", false), column("b", false)];
        let query = ChunkQuery { table: "\"s\".\"t\"".to_owned(), key: &key, condition: Some("(v > 7)") };
        assert_eq!(
            query.largest(),
            "SELECT \"a\", \"b\" FROM \"s\".\"t\" WHERE (v > 7) ORDER BY \"a\" DESC, \"b\" DESC LIMIT 1"
        );
        let columns = ["\"v\"".to_owned()];
        assert_eq!(
            query.chunk(&columns, None, 4),
            "SELECT \"v\", \"a\", \"b\" FROM \"s\".\"t\" WHERE (v > 7) ORDER BY \"a\", \"b\" LIMIT 4"
        );
        assert_eq!(
            query.chunk(&columns, Some((&text(&["1", "it's"]), &text(&["2", "x"]))), 4),
            "SELECT \"v\", \"a\", \"b\" FROM \"s\".\"t\" WHERE ROW(\"a\", \"b\") > ROW('1', 'it''s') \
             AND ROW(\"a\", \"b\") <= ROW('2', 'x') AND (v > 7) ORDER BY \"a\", \"b\" LIMIT 4"
        );
    }

    #[test]
    fn null_is_the_largest_value() {
        let key = [column("a", true), column("b", false)];
        let query = ChunkQuery { table: "t".to_owned(), key: &key, condition: None };
        let rows = [
            (&["1", "2"], "((\"a\" > '1' OR \"a\" IS NULL)) OR (\"a\" = '1' AND \"b\" > '2')"),
            (&["null", "2"], "(FALSE) OR (\"a\" IS NULL AND \"b\" > '2')"),
        ];
        for (key, want) in rows {
            assert_eq!(query.behind(&text(key)), format!("({want})"));
            assert_eq!(query.up_to(&text(key)), format!("NOT ({want})"));
        }
    }
}
