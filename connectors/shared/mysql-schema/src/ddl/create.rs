//! `CREATE TABLE`.

use couplet_cdc::TableId;

use super::column::definition;
use super::cursor::{Cursor, strip_quotes};
use super::error::Failure;
use super::keys::{Key, declaration};
use super::lexer::Kind;
use super::types::TextSet;
use super::{Applied, DdlEventKind};
use crate::charset::charset_of;
use crate::table::Table;

/// What stands between the parentheses.
struct Body {
    keys: Vec<Key>,
    /// The first unique column, which is taken for the key when there is no primary one.
    unique: Option<String>,
}

impl Applied<'_> {
    /// Behind `CREATE [OR REPLACE] TABLE`.
    pub(super) fn create_table(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        let unless_there = cursor.words(&["IF", "NOT", "EXISTS"]);
        let id = self.table_name(cursor)?;
        if unless_there && self.tables.get(&id).is_some() {
            return Ok(());
        }
        let like = cursor.word("LIKE")
            || cursor.is_sign('(') && cursor.is_word_at(1, "LIKE") && {
                cursor.next();
                cursor.word("LIKE")
            };
        if like {
            return self.create_like(cursor, id);
        }
        let mut table = Table::new(id.clone());
        let body = match cursor.sign('(') {
            true => Some(self.body(cursor, &mut table)?),
            false => None,
        };
        let selects = self.options(cursor, &mut table)?;
        let Some(body) = body.filter(|_| !selects) else {
            // The columns come from a query; the rows that follow carry their own description, if anything does.
            self.tables.remove(&id);
            return Ok(());
        };
        if table.default_charset.as_deref().is_none_or(|name| name.trim().is_empty()) {
            let charset = self.ddl.session.charset_of_database(&id.schema);
            table.default_charset = charset.map(ToOwned::to_owned);
        }
        body.finish(&mut table);
        table.settle();
        self.tables.put(table);
        self.tell(DdlEventKind::Create, &id, cursor.statement());
        Ok(())
    }

    fn create_like(&mut self, cursor: &mut Cursor<'_>, id: TableId) -> Result<(), Failure> {
        let original = self.table_name(cursor)?;
        if let Some(original) = self.tables.get(&original) {
            let mut table = Table::clone(original);
            table.id = id.clone();
            table.comment = None;
            self.tables.put(table);
            self.tell(DdlEventKind::Create, &id, cursor.statement());
        }
        Ok(())
    }

    /// Behind the opening parenthesis, up to and with the closing one.
    fn body(&mut self, cursor: &mut Cursor<'_>, table: &mut Table) -> Result<Body, Failure> {
        let mut body = Body { keys: Vec::new(), unique: None };
        loop {
            if cursor.is_any(&["SELECT", "WITH"]) && !cursor.is_kind(Kind::Quoted) && table.columns.is_empty() {
                cursor.skip_item()?;
            } else if let Some(key) = declaration(cursor)? {
                body.keys.push(key);
            } else {
                let mut name = cursor.name()?;
                while cursor.sign('.') {
                    name = cursor.name()?;
                }
                let defined = definition(cursor, name, self.ddl.comments)?;
                let name = defined.column.name.clone();
                table.put(defined.column);
                if defined.primary {
                    body.keys.push(Key::Primary(vec![name]));
                } else if defined.unique {
                    body.unique.get_or_insert(name);
                }
                cursor.skip_item()?;
            }
            if !cursor.sign(',') {
                break;
            }
        }
        cursor.need_sign(')', "a comma, or a closing parenthesis behind the columns")?;
        Ok(body)
    }

    /// Reads options and partitions to the end. Returns whether a query follows.
    fn options(&mut self, cursor: &mut Cursor<'_>, table: &mut Table) -> Result<bool, Failure> {
        let mut set = TextSet::default();
        let mut selects = false;
        while !cursor.at_end() {
            if cursor.words(&["PARTITION", "BY"]) {
                cursor.skip_all();
            } else if cursor.is_any(&["SELECT", "VALUES"]) || cursor.is_word("AS") || cursor.is_sign('(') {
                selects = true;
                cursor.skip_all();
            } else {
                self.option(cursor, table, &mut set)?;
            }
        }
        set_default_charset(table, &set, self.ddl.session.charset_of_database(&table.id.schema));
        Ok(selects)
    }

    /// One option of a table, or one token of one that is of no interest.
    pub(super) fn option(&self, cursor: &mut Cursor<'_>, table: &mut Table, set: &mut TextSet) -> Result<(), Failure> {
        if cursor.word("COMMENT") {
            cursor.sign('=');
            let missing = cursor.expected("a comment in quotes");
            let text = cursor.kind(Kind::Quoted).ok_or(missing)?;
            if self.ddl.comments {
                table.comment = Some(strip_quotes(text).to_owned());
            }
        } else if cursor.word("UNION") {
            cursor.sign('=');
            cursor.skip()?;
        } else if !set.take(cursor)? {
            cursor.skip()?;
        }
        Ok(())
    }
}

/// Sets the table's character set from what its options say; `DEFAULT` is the database's.
pub(super) fn set_default_charset(table: &mut Table, set: &TextSet, database: Option<&str>) {
    let named = set.charset.as_deref().or_else(|| set.collation.as_deref().and_then(charset_of));
    if let Some(name) = named {
        let name = if name.eq_ignore_ascii_case("DEFAULT") { database } else { Some(name) };
        table.default_charset = name.map(ToOwned::to_owned);
    }
}

impl Body {
    fn finish(self, table: &mut Table) {
        let primary = self.keys.iter().rfind(|key| matches!(key, Key::Primary(_)));
        if let Some(primary) = primary {
            primary.apply(table);
            return;
        }
        if let Some(unique) = self.unique {
            table.primary_key = vec![unique];
            return;
        }
        for key in &self.keys {
            key.apply(table);
        }
    }
}
