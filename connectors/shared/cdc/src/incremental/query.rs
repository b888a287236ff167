//! The queries of incremental snapshots: the largest key of a table, and the next rows behind a key. Pure.

use crate::java_object::{JavaObject, RowKey};

/// How a database spells and orders what the queries are made of.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    /// A name in the database's quotes.
    pub name: fn(&str) -> String,
    /// A value as a literal that compares like the column it is compared with; `None` is null.
    pub literal: fn(&JavaObject) -> Option<String>,
    /// Whether null comes behind all other values; in front of them otherwise.
    pub nulls_last: bool,
    /// Whether an index answers comparisons of `ROW(…)`.
    pub compares_rows: bool,
}

/// A column that orders the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyColumn {
    /// Name.
    pub name: String,
    /// Whether it may be null.
    pub optional: bool,
}

/// What is read of a table.
#[derive(Debug)]
pub struct ChunkQuery<'a> {
    /// The database's way.
    pub dialect: Dialect,
    /// The table, quoted.
    pub table: String,
    /// The columns that order it.
    pub key: &'a [KeyColumn],
    /// A condition on its rows, in parentheses.
    pub condition: Option<&'a str>,
}

impl ChunkQuery<'_> {
    /// The largest key.
    pub fn largest(&self) -> String {
        let order: Vec<String> = self.key.iter().map(|column| format!("{} DESC", self.name(column))).collect();
        let filter = self.condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
        format!("SELECT {} FROM {}{filter} ORDER BY {} LIMIT 1", self.names(), self.table, order.join(", "))
    }

    /// At most `rows` rows of `columns`, each followed by its key, in the order of the key: those behind the first of
    /// `bounds`, up to the second.
    pub fn chunk(&self, columns: &[String], bounds: Option<(&RowKey, &RowKey)>, rows: usize) -> String {
        let bounds = bounds.map(|(after, last)| format!("{} AND {}", self.behind(after), self.up_to(last)));
        let filters: Vec<&str> = bounds.as_deref().into_iter().chain(self.condition).collect();
        let filter = if filters.is_empty() { String::new() } else { format!(" WHERE {}", filters.join(" AND ")) };
        let columns: String = columns.iter().map(|column| format!("{column}, ")).collect();
        let names = self.names();
        format!("SELECT {columns}{names} FROM {}{filter} ORDER BY {names} LIMIT {rows}", self.table)
    }

    fn name(&self, column: &KeyColumn) -> String {
        (self.dialect.name)(&column.name)
    }

    fn names(&self) -> String {
        self.key.iter().map(|column| self.name(column)).collect::<Vec<_>>().join(", ")
    }

    fn behind(&self, key: &RowKey) -> String {
        match self.compared(">", key) {
            Some(comparison) => comparison,
            None => self.behind_by_column(key),
        }
    }

    fn up_to(&self, key: &RowKey) -> String {
        match self.compared("<=", key) {
            Some(comparison) => comparison,
            None => format!("NOT {}", self.behind_by_column(key)),
        }
    }

    /// A comparison of rows, which an index answers; only without nulls.
    fn compared(&self, operator: &str, key: &RowKey) -> Option<String> {
        if !self.dialect.compares_rows || self.key.iter().any(|column| column.optional) {
            return None;
        }
        let values: Vec<String> = key.iter().map(self.dialect.literal).collect::<Option<_>>()?;
        Some(format!("ROW({}) {operator} ROW({})", self.names(), values.join(", ")))
    }

    /// For columns a, b: `((a > x) OR (a = x AND b > y))`.
    fn behind_by_column(&self, key: &RowKey) -> String {
        let columns: Vec<(&KeyColumn, &JavaObject)> = self.key.iter().zip(key).collect();
        let ways: Vec<String> = (0..columns.len())
            .map(|last| {
                let parts: Vec<String> = columns[..=last]
                    .iter()
                    .enumerate()
                    .map(|(i, (column, value))| self.part(column, value, i < last))
                    .collect();
                format!("({})", parts.join(" AND "))
            })
            .collect();
        format!("({})", ways.join(" OR "))
    }

    fn part(&self, column: &KeyColumn, value: &JavaObject, equal: bool) -> String {
        let name = self.name(column);
        let null_is_behind = column.optional && self.dialect.nulls_last;
        match ((self.dialect.literal)(value), equal) {
            (Some(value), true) => format!("{name} = {value}"),
            (None, true) => format!("{name} IS NULL"),
            (Some(value), false) if null_is_behind => format!("({name} > {value} OR {name} IS NULL)"),
            (Some(value), false) => format!("{name} > {value}"),
            (None, false) if self.dialect.nulls_last => "FALSE".to_owned(),
            (None, false) => format!("{name} IS NOT NULL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(nulls_last: bool) -> Dialect {
        Dialect {
            name: |name| format!("\"{name}\""),
            literal: |value| value.to_text().map(|text| format!("'{}'", text.replace('\'', "''"))),
            nulls_last,
            compares_rows: nulls_last,
        }
    }

    fn column(name: &str, optional: bool) -> KeyColumn {
        KeyColumn { name: name.to_owned(), optional }
    }

    fn key(texts: &[&str]) -> RowKey {
        let part = |text: &&str| if *text == "null" { JavaObject::Null } else { JavaObject::Text((*text).to_owned()) };
        texts.iter().map(part).collect()
    }

    #[test]
    fn chunks_follow_one_another() {
        let columns = [column("a", false), column("b", false)];
        let table = "\"s\".\"t\"".to_owned();
        let query = ChunkQuery { dialect: dialect(true), table, key: &columns, condition: Some("(v > 7)") };
        assert_eq!(
            query.largest(),
            "SELECT \"a\", \"b\" FROM \"s\".\"t\" WHERE (v > 7) ORDER BY \"a\" DESC, \"b\" DESC LIMIT 1"
        );
        let read = ["\"v\"".to_owned()];
        assert_eq!(
            query.chunk(&read, None, 4),
            "SELECT \"v\", \"a\", \"b\" FROM \"s\".\"t\" WHERE (v > 7) ORDER BY \"a\", \"b\" LIMIT 4"
        );
        assert_eq!(
            query.chunk(&read, Some((&key(&["1", "it's"]), &key(&["2", "x"]))), 4),
            "SELECT \"v\", \"a\", \"b\" FROM \"s\".\"t\" WHERE ROW(\"a\", \"b\") > ROW('1', 'it''s') \
             AND ROW(\"a\", \"b\") <= ROW('2', 'x') AND (v > 7) ORDER BY \"a\", \"b\" LIMIT 4"
        );
    }

    #[test]
    fn null_is_the_largest_value_or_the_smallest() {
        let columns = [column("a", true), column("b", false)];
        let rows = [
            (true, ["1", "2"], "((\"a\" > '1' OR \"a\" IS NULL)) OR (\"a\" = '1' AND \"b\" > '2')"),
            (true, ["null", "2"], "(FALSE) OR (\"a\" IS NULL AND \"b\" > '2')"),
            (false, ["1", "2"], "(\"a\" > '1') OR (\"a\" = '1' AND \"b\" > '2')"),
            (false, ["null", "2"], "(\"a\" IS NOT NULL) OR (\"a\" IS NULL AND \"b\" > '2')"),
        ];
        for (nulls_last, texts, want) in rows {
            let query =
                ChunkQuery { dialect: dialect(nulls_last), table: "t".to_owned(), key: &columns, condition: None };
            assert_eq!(query.behind(&key(&texts)), format!("({want})"));
            assert_eq!(query.up_to(&key(&texts)), format!("NOT ({want})"));
        }
    }
}
