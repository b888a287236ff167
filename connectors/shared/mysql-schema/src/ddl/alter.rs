//! `ALTER TABLE`.

use std::sync::Arc;

use couplet_cdc::TableId;

use super::column::{Definition, default_value, definition};
use super::create::set_default_charset;
use super::cursor::Cursor;
use super::error::Failure;
use super::keys::{Key, declaration};
use super::types::{TextSet, charset_words};
use super::{Applied, DdlEventKind};
use crate::jdbc;
use crate::table::{ColumnDefault, Table};

/// Begins the names that columns get while a table is altered: a statement calls columns by their names before it, also
/// where it gives one the name of another.
const NEW: char = '\u{1}';

/// The table while it is altered.
struct Altered {
    table: Table,
    options: TextSet,
    /// Keys that are added: they call columns by their names behind the statement.
    keys: Vec<Key>,
    new_id: Option<TableId>,
}

impl Applied<'_> {
    /// Behind `ALTER [ONLINE | IGNORE] TABLE`.
    pub(super) fn alter_table(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        cursor.words(&["IF", "EXISTS"]);
        let id = self.table_name(cursor)?;
        let Some(table) = self.tables.get(&id) else { return Ok(()) };
        let mut altered =
            Altered { table: Table::clone(table), options: TextSet::default(), keys: Vec::new(), new_id: None };
        if cursor.word("WAIT") {
            cursor.next();
        }
        cursor.word("NOWAIT");
        while !cursor.at_end() {
            self.specification(cursor, &mut altered)?;
            if !cursor.sign(',') && !cursor.at_end() {
                self.option(cursor, &mut altered.table, &mut altered.options)?;
            }
        }
        let Altered { mut table, options, keys, new_id } = altered;
        take_new_names(&mut table);
        for key in keys {
            key.apply(&mut table);
        }
        set_default_charset(&mut table, &options, self.ddl.session.charset_of_database(&id.schema));
        table.settle();
        // A key that names no column is none; the server would not have let it through.
        let names: Vec<_> = table.columns.iter().map(|column| column.name.clone()).collect();
        table.primary_key.retain(|key| names.contains(key));
        let previous = new_id.map(|new_id| {
            self.tables.remove(&id);
            table.id = new_id;
            id.clone()
        });
        let id = table.id.clone();
        self.tables.put(Arc::new(table));
        self.tell(DdlEventKind::Alter { previous }, &id, cursor.statement());
        Ok(())
    }

    fn specification(&self, cursor: &mut Cursor<'_>, altered: &mut Altered) -> Result<(), Failure> {
        if cursor.word("ADD") {
            return self.add(cursor, altered);
        }
        if cursor.word("DROP") {
            return drop(cursor, &mut altered.table);
        }
        if cursor.is_any(&["MODIFY", "CHANGE"]) {
            return self.change(cursor, &mut altered.table);
        }
        if cursor.word("RENAME") {
            return self.rename(cursor, altered);
        }
        if cursor.word("ALTER") {
            return alter_column(cursor, &mut altered.table);
        }
        if cursor.words(&["CONVERT", "TO"]) {
            return self.convert(cursor, altered);
        }
        if cursor.words(&["PARTITION", "BY"]) || cursor.is_any(&["REORGANIZE", "EXCHANGE"]) {
            cursor.skip_all();
            return Ok(());
        }
        if cursor.words(&["ORDER", "BY"]) {
            cursor.skip_all();
        }
        Ok(())
    }

    fn add(&self, cursor: &mut Cursor<'_>, altered: &mut Altered) -> Result<(), Failure> {
        if cursor.is_word("PARTITION") || cursor.is_word("SYSTEM") && cursor.is_word_at(1, "VERSIONING") {
            return cursor.skip_item();
        }
        let column = cursor.word("COLUMN");
        if !column && let Some(key) = declaration(cursor)? {
            altered.keys.push(key);
            return Ok(());
        }
        let unless_there = cursor.words(&["IF", "NOT", "EXISTS"]);
        if !cursor.sign('(') {
            return self.add_column(cursor, &mut altered.table, unless_there);
        }
        loop {
            match declaration(cursor)? {
                Some(key) => altered.keys.push(key),
                None => self.add_column(cursor, &mut altered.table, unless_there)?,
            }
            cursor.skip_item()?;
            if !cursor.sign(',') {
                break;
            }
        }
        cursor.need_sign(')', "a closing parenthesis behind the columns")
    }

    fn add_column(&self, cursor: &mut Cursor<'_>, table: &mut Table, unless_there: bool) -> Result<(), Failure> {
        let name = cursor.name()?;
        let defined = definition(cursor, name, self.ddl.comments)?;
        if unless_there && table.column(&defined.column.name).is_some() {
            return cursor.skip_item();
        }
        place(cursor, table, defined)
    }

    /// `MODIFY [COLUMN] name ..` and `CHANGE [COLUMN] name new_name ..`: the definition replaces all of the old one.
    fn change(&self, cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Failure> {
        let renames = cursor.is_word("CHANGE");
        cursor.next();
        cursor.word("COLUMN");
        cursor.words(&["IF", "EXISTS"]);
        let name = cursor.name()?;
        let new_name = if renames { cursor.name()? } else { name.clone() };
        let defined = definition(cursor, renamed(&name, &new_name), self.ddl.comments)?;
        if table.column(&name).is_none() {
            return cursor.skip_item();
        }
        table.rename(&name, &defined.column.name);
        place(cursor, table, defined)
    }

    fn rename(&self, cursor: &mut Cursor<'_>, altered: &mut Altered) -> Result<(), Failure> {
        if cursor.is_any(&["INDEX", "KEY"]) && cursor.is_word_at(2, "TO") {
            return cursor.skip_item();
        }
        if cursor.is_word("COLUMN") && !cursor.is_word_at(1, "TO") {
            cursor.next();
            cursor.words(&["IF", "EXISTS"]);
            let name = cursor.name()?;
            if !cursor.word("TO") {
                return Err(cursor.expected("TO"));
            }
            let new_name = cursor.name()?;
            altered.table.rename(&name, &renamed(&name, &new_name));
            return Ok(());
        }
        let _ = cursor.word("TO") || cursor.word("AS") || cursor.sign('=');
        altered.new_id = Some(self.table_name(cursor)?);
        Ok(())
    }

    /// `CONVERT TO CHARACTER SET x [COLLATE y]`: of the table and of all its text.
    fn convert(&self, cursor: &mut Cursor<'_>, altered: &mut Altered) -> Result<(), Failure> {
        if !charset_words(cursor) {
            return Err(cursor.expected("CHARACTER SET"));
        }
        let mut set = TextSet { charset: Some(cursor.name()?), collation: None };
        while set.take(cursor)? {}
        let table = &mut altered.table;
        set_default_charset(table, &set, self.ddl.session.charset_of_database(&table.id.schema));
        for column in &mut table.columns {
            if jdbc::uses_charset(column.jdbc_type) {
                column.charset.clone_from(&table.default_charset);
            }
        }
        Ok(())
    }
}

/// What a column is called until the statement ends.
fn renamed(name: &str, new_name: &str) -> String {
    if name == new_name { name.to_owned() } else { format!("{NEW}{new_name}") }
}

fn take_new_names(table: &mut Table) {
    let names = table.columns.iter_mut().map(|column| &mut column.name).chain(&mut table.primary_key);
    for name in names {
        if let Some(new_name) = name.strip_prefix(NEW) {
            *name = new_name.to_owned();
        }
    }
}

/// Puts a column into the table, at `FIRST` or `AFTER` another if that follows, with the key that it is.
fn place(cursor: &mut Cursor<'_>, table: &mut Table, defined: Definition) -> Result<(), Failure> {
    let Definition { mut column, primary, unique } = defined;
    let name = column.name.clone();
    column.inherit_charset(table.default_charset.as_deref());
    table.put(column);
    if primary {
        Key::Primary(vec![name.clone()]).apply(table);
    } else if unique && table.primary_key.is_empty() {
        table.primary_key = vec![name.clone()];
    }
    if cursor.word("FIRST") {
        table.reorder(&name, None);
    } else if cursor.word("AFTER") {
        let after = cursor.name()?;
        let new = format!("{NEW}{after}");
        let after = if table.column(&new).is_some() { new } else { after };
        table.reorder(&name, Some(&after));
    }
    Ok(())
}

fn drop(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Failure> {
    if cursor.words(&["PRIMARY", "KEY"]) {
        table.primary_key.clear();
        return Ok(());
    }
    let column = cursor.word("COLUMN");
    const OTHERS: &[&str] = &["INDEX", "KEY", "FOREIGN", "CONSTRAINT", "CHECK", "PARTITION", "SYSTEM", "PERIOD"];
    // `DROP key` drops the column of that name, `DROP KEY key` an index.
    let alone = cursor.is_sign_at(1, ',') || cursor.is_at_last();
    if !column && cursor.is_any(OTHERS) && !alone {
        if cursor.is_any(&["INDEX", "KEY"]) {
            cursor.next();
            cursor.words(&["IF", "EXISTS"]);
            if cursor.name()?.eq_ignore_ascii_case("PRIMARY") {
                table.primary_key.clear();
            }
        }
        return cursor.skip_item();
    }
    cursor.words(&["IF", "EXISTS"]);
    let name = cursor.name()?;
    table.remove(&name);
    let _ = cursor.word("RESTRICT") || cursor.word("CASCADE");
    Ok(())
}

/// `ALTER [COLUMN] name {SET DEFAULT x | DROP DEFAULT | SET VISIBLE}`, and what is said of indexes and checks.
fn alter_column(cursor: &mut Cursor<'_>, table: &mut Table) -> Result<(), Failure> {
    let column = cursor.word("COLUMN");
    if !column && cursor.is_any(&["INDEX", "KEY", "CHECK", "CONSTRAINT"]) && !cursor.is_word_at(1, "SET") {
        return cursor.skip_item();
    }
    cursor.words(&["IF", "EXISTS"]);
    let name = cursor.name()?;
    let index = table.index_of(&name);
    let default = if cursor.words(&["SET", "DEFAULT"]) {
        default_value(cursor)?.unwrap_or(ColumnDefault::Null)
    } else if cursor.words(&["DROP", "DEFAULT"]) {
        ColumnDefault::Absent
    } else {
        return cursor.skip_item();
    };
    if let Some(column) = index.map(|index| &mut table.columns[index]) {
        // A nullable column has the default NULL, if no other.
        let nullable = column.optional && default == ColumnDefault::Absent;
        column.default = if nullable { ColumnDefault::Null } else { default };
    }
    Ok(())
}
