//! All statements but `CREATE TABLE` and `ALTER TABLE`.

use super::cursor::{Cursor, strip_quotes, unquoted};
use super::error::Failure;
use super::keys::{Key, columns};
use super::session::Scope;
use super::types::TextSet;
use super::{Applied, DdlEventKind};
use crate::charset::charset_of;
use crate::table::{Table, quoted};

impl Applied<'_> {
    /// Applies one statement; nothing happens for those that no table depends on.
    pub(super) fn statement(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        let Some(word) = cursor.any(&["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "SET", "USE"]) else {
            return Ok(());
        };
        match word {
            "CREATE" => self.create(cursor),
            "ALTER" => self.alter(cursor),
            "DROP" => self.drop(cursor),
            "RENAME" if cursor.word("TABLE") || cursor.word("TABLES") => self.rename_tables(cursor),
            "TRUNCATE" => {
                cursor.word("TABLE");
                let id = self.table_name(cursor)?;
                self.tell(DdlEventKind::Truncate, &id, cursor.statement());
                Ok(())
            }
            "SET" => self.set(cursor),
            "USE" => {
                let database = cursor.name()?;
                let charset = self.ddl.session.charsets.get(&database).cloned();
                self.ddl.session.set(None, "character_set_database", charset.as_deref());
                self.ddl.session.database.clone_from(&database);
                self.tell_database(DdlEventKind::Database, database, cursor.statement());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn create(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        cursor.words(&["OR", "REPLACE"]);
        if cursor.word("TABLE") {
            return self.create_table(cursor);
        }
        if cursor.word("DATABASE") || cursor.word("SCHEMA") {
            cursor.words(&["IF", "NOT", "EXISTS"]);
            let database = cursor.name()?;
            self.database_options(cursor, &database)?;
            self.tell_database(DdlEventKind::Database, database, cursor.statement());
            return Ok(());
        }
        let online = cursor.any(&["ONLINE", "OFFLINE"]).is_some();
        if cursor.is_word("UNIQUE") || online && cursor.is_word("INDEX") {
            return self.create_index(cursor);
        }
        if view_words(cursor)? {
            cursor.words(&["IF", "NOT", "EXISTS"]);
            let id = self.table_name(cursor)?;
            self.tell(DdlEventKind::Create, &id, cursor.statement());
        }
        Ok(())
    }

    fn alter(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        while cursor.any(&["ONLINE", "OFFLINE", "IGNORE"]).is_some() {}
        if cursor.word("TABLE") {
            return self.alter_table(cursor);
        }
        if cursor.word("DATABASE") || cursor.word("SCHEMA") {
            let named =
                !cursor.is_any(&["CHARACTER", "CHARSET", "COLLATE", "DEFAULT", "READ", "ENCRYPTION", "COMMENT"]);
            let database = if named { cursor.name()? } else { self.ddl.session.database.clone() };
            return self.database_options(cursor, &database);
        }
        if view_words(cursor)? {
            let id = self.table_name(cursor)?;
            self.tell(DdlEventKind::Alter { previous: None }, &id, cursor.statement());
        }
        Ok(())
    }

    /// Learns the character set of a database.
    fn database_options(&mut self, cursor: &mut Cursor<'_>, database: &str) -> Result<(), Failure> {
        let mut set = TextSet::default();
        while !cursor.at_end() {
            if !set.take(cursor)? {
                cursor.skip()?;
            }
        }
        let session = &mut self.ddl.session;
        let named = set.charset.or_else(|| set.collation.as_deref().and_then(charset_of).map(ToOwned::to_owned));
        let Some(named) = named else { return Ok(()) };
        let server = named.eq_ignore_ascii_case("DEFAULT");
        let charset = if server { session.get("character_set_server").map(ToOwned::to_owned) } else { Some(named) };
        match charset {
            Some(charset) => session.charsets.insert(database.to_owned(), charset),
            None => session.charsets.remove(database),
        };
        Ok(())
    }

    /// A unique index stands in for a primary key that is missing.
    fn create_index(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        if !cursor.words(&["UNIQUE", "INDEX"]) {
            return Ok(());
        }
        cursor.words(&["IF", "NOT", "EXISTS"]);
        cursor.name()?;
        while !cursor.at_end() && !cursor.word("ON") {
            cursor.next();
        }
        let id = self.table_name(cursor)?;
        let names = columns(cursor)?;
        let Some(table) = self.tables.get(&id) else { return Ok(()) };
        let mut table = Table::clone(table);
        if Key::Unique(names).apply(&mut table) {
            self.tables.put(table);
            self.tell(DdlEventKind::Alter { previous: None }, &id, cursor.statement());
        }
        Ok(())
    }

    fn drop(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        if cursor.word("TABLE") || cursor.word("TABLES") {
            return self.drop_tables(cursor);
        }
        if cursor.word("DATABASE") || cursor.word("SCHEMA") {
            cursor.words(&["IF", "EXISTS"]);
            let database = cursor.name()?;
            self.tables.remove_database(&database);
            self.ddl.session.charsets.remove(&database);
            self.tell_database(DdlEventKind::Database, database, cursor.statement());
            return Ok(());
        }
        let _ = cursor.any(&["ONLINE", "OFFLINE"]);
        if cursor.word("INDEX") {
            cursor.words(&["IF", "EXISTS"]);
            if cursor.name()?.eq_ignore_ascii_case("PRIMARY") && cursor.word("ON") {
                return self.drop_primary_key(cursor);
            }
        }
        Ok(())
    }

    fn drop_primary_key(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        let id = self.table_name(cursor)?;
        if let Some(table) = self.tables.get(&id) {
            let mut table = Table::clone(table);
            table.primary_key.clear();
            self.tables.put(table);
            self.tell(DdlEventKind::Alter { previous: None }, &id, cursor.statement());
        }
        Ok(())
    }

    fn drop_tables(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        cursor.words(&["IF", "EXISTS"]);
        let prefix = cursor.before();
        let mut dropped = Vec::new();
        loop {
            dropped.push(self.table_name(cursor)?);
            if !cursor.sign(',') {
                break;
            }
        }
        if cursor.word("WAIT") {
            cursor.next();
        }
        cursor.word("NOWAIT");
        let written = cursor.text();
        let suffix = cursor.any(&["RESTRICT", "CASCADE"]).map_or_else(String::new, |_| format!(" {written}"));
        for id in dropped {
            self.tables.remove(&id);
            let statement = format!("{prefix}{}{suffix}", quoted(&id, '`'));
            self.tell(DdlEventKind::Drop, &id, statement);
        }
        Ok(())
    }

    fn rename_tables(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        cursor.words(&["IF", "EXISTS"]);
        let prefix = cursor.before();
        loop {
            let from = cursor.offset();
            let old = self.table_name(cursor)?;
            if cursor.word("WAIT") {
                cursor.next();
            }
            cursor.word("NOWAIT");
            if !cursor.word("TO") {
                return Err(cursor.expected("TO"));
            }
            let new = self.table_name(cursor)?;
            let clause = &cursor.sql[from..cursor.end_offset()];
            self.tables.rename(&old, &new);
            self.tell(DdlEventKind::Alter { previous: Some(old) }, &new, format!("{prefix}{clause}"));
            if !cursor.sign(',') {
                return Ok(());
            }
        }
    }

    fn set(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Failure> {
        if cursor.word("STATEMENT") {
            // MariaDB: `SET STATEMENT variable=value FOR statement`.
            while !cursor.at_end() && !cursor.word("FOR") {
                cursor.skip()?;
            }
            return self.statement(cursor);
        }
        if cursor.any(&["PASSWORD", "TRANSACTION", "ROLE", "DEFAULT", "RESOURCE"]).is_some() {
            return Ok(());
        }
        if cursor.word("NAMES") || super::types::charset_words(cursor) {
            // Of the client alone; tables are made with the server's and the database's.
            return Ok(());
        }
        let statement = cursor.statement();
        let mut scope = None;
        let mut place = 0;
        while !cursor.at_end() {
            let name = variable(cursor, &mut scope);
            if !cursor.sign('=') {
                // `SET SESSION TRANSACTION ..` and whatever else is no assignment.
                return Ok(());
            }
            if let Some(name) = name {
                let value = value(cursor)?;
                let database = self.ddl.session.database.clone();
                if name.eq_ignore_ascii_case("character_set_database") && !database.is_empty() {
                    self.ddl.session.charsets.insert(database.clone(), value.clone());
                }
                self.ddl.session.set(scope, &name, Some(&value));
                self.tell_database(DdlEventKind::Variable(place), database, statement);
            } else {
                value(cursor)?;
            }
            place += 1;
            cursor.sign(',');
        }
        Ok(())
    }
}

/// Takes what may stand between `CREATE` or `ALTER` and `VIEW`; whether it is a view.
fn view_words(cursor: &mut Cursor<'_>) -> Result<bool, Failure> {
    if cursor.is_any(&["ALGORITHM", "DEFINER", "SQL"]) {
        const AHEAD: &[&str] = &["VIEW", "PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "AGGREGATE", "PACKAGE"];
        while !cursor.at_end() && !cursor.is_any(AHEAD) {
            cursor.skip()?;
        }
    }
    Ok(cursor.word("VIEW"))
}

/// Takes the name of a variable. `None` for a user's own variable.
fn variable(cursor: &mut Cursor<'_>, scope: &mut Option<Scope>) -> Option<String> {
    match cursor.any(&["GLOBAL", "SESSION", "LOCAL", "PERSIST", "PERSIST_ONLY"]) {
        Some("SESSION" | "LOCAL") => *scope = Some(Scope::Session),
        Some(_) => *scope = Some(Scope::Global),
        None => {}
    }
    let name = cursor.next().unwrap_or_default();
    let name = match name.strip_prefix("@@") {
        Some(name) => {
            let (prefix, rest) = name.split_once('.').unwrap_or(("session", name));
            *scope = Some(if prefix.eq_ignore_ascii_case("global") { Scope::Global } else { Scope::Session });
            Some(rest.to_owned())
        }
        None if name.starts_with('@') => None,
        None => Some(unquoted(name)),
    };
    cursor.sign(':');
    name
}

/// The text of a value without quotes and blanks.
fn value(cursor: &mut Cursor<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    while !cursor.at_end() && !cursor.is_sign(',') {
        let start = cursor.offset();
        cursor.skip()?;
        text.push_str(&cursor.sql[start..cursor.end_offset()]);
    }
    Ok(strip_quotes(&text).to_owned())
}
