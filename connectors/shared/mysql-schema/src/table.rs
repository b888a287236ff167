//! The shape of a table as Debezium keeps it: what its schema history and schema change topic hold.

use couplet_cdc::TableId;

use crate::jdbc;

/// What a column is when nothing is inserted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnDefault {
    /// There is no default.
    #[default]
    Absent,
    /// NULL; also what stands for an expression.
    Null,
    /// The text of a literal, without quotes.
    Text(String),
}

impl ColumnDefault {
    /// Whether there is one (`hasDefaultValue`).
    pub fn is_present(&self) -> bool {
        *self != ColumnDefault::Absent
    }

    /// The text of a literal (`defaultValueExpression`).
    pub fn text(&self) -> Option<&str> {
        match self {
            ColumnDefault::Text(text) => Some(text),
            ColumnDefault::Absent | ColumnDefault::Null => None,
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name as it was written.
    pub name: String,
    /// See [`crate::jdbc`].
    pub jdbc_type: i32,
    /// The server's own type code; not known from statements.
    pub native_type: Option<i32>,
    /// Type in capitals with its suffixes: `INT UNSIGNED`, `ENUM`. No length.
    pub type_name: String,
    /// Same as the name.
    pub type_expression: String,
    /// Character set of text, explicit or inherited.
    pub charset: Option<String>,
    /// Length, precision, or digits of a second's fraction; how much text the values of a `SET` can take.
    pub length: Option<i32>,
    /// Digits after the decimal point.
    pub scale: Option<i32>,
    /// Place in the table, from 1.
    pub position: i32,
    /// Whether NULL is allowed.
    pub optional: bool,
    /// Whether it is `AUTO_INCREMENT`.
    pub auto_incremented: bool,
    /// As Debezium sets it: the same as `auto_incremented`, not whether it is computed.
    pub generated: bool,
    /// The comment, kept only when `include.schema.comments` is set.
    pub comment: Option<String>,
    /// What it is when nothing is inserted.
    pub default: ColumnDefault,
    /// Elements of an `ENUM` or `SET` as they stand in the statement, quotes included.
    pub enum_values: Vec<String>,
}

impl Column {
    /// A column without a type yet, nullable.
    pub fn new(name: impl Into<String>) -> Self {
        Column {
            name: name.into(),
            jdbc_type: jdbc::INTEGER,
            native_type: None,
            type_name: String::new(),
            type_expression: String::new(),
            charset: None,
            length: None,
            scale: None,
            position: 1,
            optional: true,
            auto_incremented: false,
            generated: false,
            comment: None,
            default: ColumnDefault::Absent,
            enum_values: Vec::new(),
        }
    }

    /// Gives a text column that names no character set that of its table.
    pub(crate) fn inherit_charset(&mut self, table: Option<&str>) {
        let unnamed = self.charset.as_deref().is_none_or(|name| name.eq_ignore_ascii_case("DEFAULT"));
        if unnamed && jdbc::uses_charset(self.jdbc_type) {
            self.charset = table.map(ToOwned::to_owned);
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Database (as schema) and name.
    pub id: TableId,
    /// Character set of text columns that name none.
    pub default_charset: Option<String>,
    /// Columns of the primary key, or of the first unique key without nullable columns.
    pub primary_key: Vec<String>,
    /// Columns in order.
    pub columns: Vec<Column>,
    /// The comment, kept only when `include.schema.comments` is set.
    pub comment: Option<String>,
    /// Further attributes, name and value; statements set none.
    pub attributes: Vec<(String, String)>,
}

impl Table {
    /// A table without columns.
    pub const fn new(id: TableId) -> Self {
        Table {
            id,
            default_charset: None,
            primary_key: Vec::new(),
            columns: Vec::new(),
            comment: None,
            attributes: Vec::new(),
        }
    }

    /// The column of that name, without regard to case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.index_of(name).map(|index| &self.columns[index])
    }

    /// The place of the column of that name, from 0, without regard to case.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.columns.iter().position(|column| column.name.to_lowercase() == name)
    }

    /// Puts `column` where one of its name is, or behind the last.
    pub(crate) fn put(&mut self, column: Column) {
        match self.index_of(&column.name) {
            Some(index) => self.columns[index] = column,
            None => self.columns.push(column),
        }
        self.number();
    }

    /// Removes the column of that name, also from the primary key.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(index) = self.index_of(name) {
            let removed = self.columns.remove(index);
            self.primary_key.retain(|key| *key != removed.name);
            self.number();
        }
    }

    /// Moves the column `name` behind `after`, or to the front. An unknown `after` moves nothing.
    pub(crate) fn reorder(&mut self, name: &str, after: Option<&str>) {
        let Some(from) = self.index_of(name) else { return };
        if after.is_some_and(|after| self.index_of(after).is_none_or(|place| place == from)) {
            return;
        }
        let column = self.columns.remove(from);
        let to = after.and_then(|after| self.index_of(after)).map_or(0, |place| place + 1);
        self.columns.insert(to, column);
        self.number();
    }

    /// Renames a column, also in the primary key.
    pub(crate) fn rename(&mut self, name: &str, new_name: &str) {
        let Some(index) = self.index_of(name) else { return };
        let old = std::mem::replace(&mut self.columns[index].name, new_name.to_owned());
        for key in &mut self.primary_key {
            if *key == old {
                new_name.clone_into(key);
            }
        }
    }

    /// Gives every text column without a character set the table's, and numbers the columns.
    pub(crate) fn settle(&mut self) {
        for column in &mut self.columns {
            column.inherit_charset(self.default_charset.as_deref());
        }
        self.number();
    }

    fn number(&mut self) {
        for (position, column) in (1..).zip(&mut self.columns) {
            column.position = position;
        }
    }
}

/// `"database"."table"`, as table changes name a table; a table without a database by its name alone.
pub fn quoted(id: &TableId, quote: char) -> String {
    if id.schema.is_empty() {
        return quoted_part(&id.table, quote);
    }
    format!("{}.{}", quoted_part(&id.schema, quote), quoted_part(&id.table, quote))
}

fn quoted_part(part: &str, quote: char) -> String {
    if !part.is_empty() && (part.starts_with(quote) || part.ends_with(quote)) {
        return part.to_owned();
    }
    let doubled = part.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

/// Reads what [`quoted`] wrote with double quotes.
pub fn parse_quoted(text: &str) -> TableId {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    let mut inside = false;
    while let Some(c) = chars.next() {
        let last = parts.len() - 1;
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                parts[last].push('"');
            }
            '"' => inside = !inside,
            '.' if !inside => parts.push(String::new()),
            _ => parts[last].push(c),
        }
    }
    let table = parts.pop().unwrap_or_default();
    TableId::new(parts.into_iter().next().unwrap_or_default(), table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> Table {
        let mut table = Table::new(TableId::new("d", "t"));
        names.iter().for_each(|name| table.put(Column::new(*name)));
        table
    }

    fn names(table: &Table) -> Vec<(&str, i32)> {
        table.columns.iter().map(|column| (column.name.as_str(), column.position)).collect()
    }

    #[test]
    fn columns_move_and_are_numbered_anew() {
        let rows = [
            ("to the front", "c", None, ["c", "a", "b"]),
            ("behind the first", "c", Some("A"), ["a", "c", "b"]),
            ("behind the last", "a", Some("c"), ["b", "c", "a"]),
            ("behind itself", "b", Some("b"), ["a", "b", "c"]),
            ("behind one that is not there", "a", Some("x"), ["a", "b", "c"]),
        ];
        for (claim, name, after, want) in rows {
            let mut table = table(&["a", "b", "c"]);
            table.reorder(name, after);
            assert_eq!(names(&table), [(want[0], 1), (want[1], 2), (want[2], 3)], "{claim}");
        }
    }

    #[test]
    fn the_primary_key_follows_a_rename_and_a_removal() {
        let mut table = table(&["a", "b"]);
        table.primary_key = vec!["a".into(), "b".into()];
        table.rename("A", "id");
        assert_eq!(table.primary_key, ["id", "b"]);
        table.remove("B");
        assert_eq!((table.primary_key.as_slice(), names(&table)), (["id".to_owned()].as_slice(), vec![("id", 1)]));
    }

    #[test]
    fn quoted_names_are_read_back() {
        for (database, table) in [("d", "t"), ("d.x", "a\"b"), ("", "t"), ("naïve", "Order Items")] {
            let id = TableId::new(database, table);
            assert_eq!(parse_quoted(&quoted(&id, '"')), id);
        }
        assert_eq!(parse_quoted("d.t"), TableId::new("d", "t"), "unquoted");
    }
}
