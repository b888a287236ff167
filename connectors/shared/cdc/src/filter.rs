//! Which tables and columns are captured: include and exclude lists of regular expressions, anchored to the whole
//! identifier, without regard to case.

use std::fmt;
use std::sync::Arc;

use regex::Regex;

/// A table: schema (or database) and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// Schema in PostgreSQL, database in MySQL.
    pub schema: Arc<str>,
    /// Name.
    pub table: Arc<str>,
}

impl TableId {
    /// The table `schema.table`.
    pub fn new(schema: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        TableId { schema: schema.into(), table: table.into() }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// A comma-separated list of regular expressions; `\,` is a comma inside one.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Regex>);

impl Patterns {
    /// Compiles `list`.
    ///
    /// # Errors
    /// What is wrong with the first bad expression, on one line.
    pub fn new(list: &str) -> Result<Self, String> {
        split_list(list).iter().map(|item| compile(item)).collect::<Result<_, _>>().map(Patterns)
    }

    /// Whether any expression matches the whole of `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|regex| regex.is_match(text))
    }

    /// Each expression by itself, in order.
    pub fn each(&self) -> impl Iterator<Item = &Regex> {
        self.0.iter()
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Compiles one expression so that it must match the whole text.
pub(crate) fn compile(expression: &str) -> Result<Regex, String> {
    Regex::new(&format!("(?i)^(?:{expression})$")).map_err(|error| match error {
        regex::Error::Syntax(text) => {
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("{expression}: {reason}")
        }
        other => format!("{expression}: {other}"),
    })
}

fn split_list(list: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        let last = items.len() - 1;
        match c {
            '\\' if chars.peek() == Some(&',') => {
                chars.next();
                items[last].push(',');
            }
            '\\' => {
                items[last].push(c);
                items[last].extend(chars.next());
            }
            ',' => items.push(String::new()),
            _ => items[last].push(c),
        }
    }
    items.into_iter().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

/// Which tables are captured.
#[derive(Debug, Clone, Default)]
pub struct TableFilter {
    /// `table.include.list`.
    pub tables_in: Option<Patterns>,
    /// `table.exclude.list`.
    pub tables_out: Option<Patterns>,
    /// `schema.include.list`, or `database.include.list`.
    pub schemas_in: Option<Patterns>,
    /// `schema.exclude.list`, or `database.exclude.list`.
    pub schemas_out: Option<Patterns>,
}

impl TableFilter {
    /// Whether the lists let `table` through; an include list wins over an exclude list.
    pub fn includes(&self, table: &TableId) -> bool {
        passes(self.schemas_in.as_ref(), self.schemas_out.as_ref(), &table.schema)
            && passes(self.tables_in.as_ref(), self.tables_out.as_ref(), &table.to_string())
    }

    /// Whether any list was given.
    pub const fn is_set(&self) -> bool {
        self.tables_in.is_some() || self.tables_out.is_some() || self.schemas_in.is_some() || self.schemas_out.is_some()
    }

    /// `tables` in the order a snapshot takes them: by the include list's expressions, then by name.
    pub fn in_order(&self, mut tables: Vec<TableId>) -> Vec<TableId> {
        tables.sort_by_key(ToString::to_string);
        let Some(patterns) = &self.tables_in else { return tables };
        let mut ordered: Vec<TableId> = Vec::with_capacity(tables.len());
        for regex in patterns.each() {
            let (matching, rest) = tables.into_iter().partition(|t| regex.is_match(&t.to_string()));
            ordered.extend::<Vec<TableId>>(matching);
            tables = rest;
        }
        ordered
    }
}

/// Which columns are captured.
#[derive(Debug, Clone, Default)]
pub struct ColumnFilter {
    /// `column.include.list`.
    pub included: Option<Patterns>,
    /// `column.exclude.list`.
    pub excluded: Option<Patterns>,
}

impl ColumnFilter {
    /// Whether `column` of `table` is captured.
    pub fn includes(&self, table: &TableId, column: &str) -> bool {
        if self.included.is_none() && self.excluded.is_none() {
            return true;
        }
        passes(self.included.as_ref(), self.excluded.as_ref(), &format!("{table}.{column}"))
    }
}

fn passes(included: Option<&Patterns>, excluded: Option<&Patterns>, name: &str) -> bool {
    match (included, excluded) {
        (Some(included), _) => included.matches(name),
        (None, Some(excluded)) => !excluded.matches(name),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(list: &str) -> Option<Patterns> {
        Some(Patterns::new(list).expect("a list"))
    }

    #[test]
    fn lists_match_whole_names_without_regard_to_case() {
        let filter = TableFilter { tables_in: patterns(r"public.a, s2\..*"), ..TableFilter::default() };
        let rows = [("public", "a", true), ("PUBLIC", "A", true), ("public", "ab", false), ("s2", "x", true)];
        for (schema, table, want) in rows {
            assert_eq!(filter.includes(&TableId::new(schema, table)), want, "{schema}.{table}");
        }
        let filter = ColumnFilter { excluded: patterns(r".*\.secret"), ..ColumnFilter::default() };
        assert!(!filter.includes(&TableId::new("public", "a"), "secret"));
        assert!(filter.includes(&TableId::new("public", "a"), "secrets"));
    }

    #[test]
    fn an_escaped_comma_belongs_to_the_expression() {
        let list = Patterns::new(r"a\,b,c{1\,2}").expect("a list");
        assert!(list.matches("a,b") && list.matches("cc") && !list.matches("a"));
        assert!(Patterns::new("public.(").expect_err("unclosed").contains("public.("));
    }

    #[test]
    fn a_snapshot_follows_the_include_list() {
        let tables = ["b", "a", "c"].map(|t| TableId::new("p", t)).to_vec();
        let names =
            |f: &TableFilter| f.in_order(tables.clone()).iter().map(|t| t.table.to_string()).collect::<String>();
        assert_eq!(names(&TableFilter::default()), "abc");
        assert_eq!(names(&TableFilter { tables_in: patterns("p.c,p.*"), ..TableFilter::default() }), "cab");
    }
}
