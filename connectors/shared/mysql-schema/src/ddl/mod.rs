//! Applies statements to tables. The parser knows what gives a table its shape and skips what it need not know, so a
//! clause that is new to it does no harm.
//!
//! Contract: `MySqlAntlrDdlParser` and `MariaDbAntlrDdlParser` of Debezium, whose quirks are kept where records show
//! them, and left where they would give a table a wrong shape (`docs/contract.md`).

mod alter;
mod changes;
mod column;
mod create;
mod cursor;
mod error;
mod keys;
mod lexer;
mod session;
mod statement;
mod types;

use couplet_cdc::TableId;

pub use changes::Capture;
pub use error::DdlError;
pub use session::Scope;

use crate::tables::Tables;
use cursor::Cursor;
use error::Failure;
use lexer::{Kind, Reading, Token};
use session::Session;

/// Whose statements are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// What a statement was about, in the order in which it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DdlEvent {
    /// What happened.
    pub kind: DdlEventKind,
    /// To which table; none for a database or a variable.
    pub table: Option<TableId>,
    /// In which database; empty when none is known.
    pub database: String,
    /// The statement without comments around it, or the part of it that is about this table.
    pub statement: String,
}

/// What a [`DdlEvent`] tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DdlEventKind {
    /// A table or view was made.
    Create,
    /// A table or view was altered, or a table got a unique key.
    Alter {
        /// The table's name before, if it was renamed.
        previous: Option<TableId>,
    },
    /// A table was dropped.
    Drop,
    /// A table was truncated.
    Truncate,
    /// A database was made, dropped or chosen.
    Database,
    /// A variable was set; the number is its place in the statement, from 0.
    Variable(usize),
}

/// The parser, and what it remembers from one statement to the next: variables, character sets of databases.
#[derive(Debug, Clone)]
pub struct Ddl {
    dialect: Dialect,
    version: u32,
    comments: bool,
    backslash_escapes: bool,
    session: Session,
}

impl Ddl {
    /// A parser that has seen nothing yet. It reads what stands in comments for servers of any version: those of MySQL have
    /// five digits, those of MariaDB more.
    pub fn new(dialect: Dialect) -> Self {
        let version = match dialect {
            Dialect::MySql => 99_999,
            Dialect::MariaDb => u32::MAX,
        };
        Ddl { dialect, version, comments: false, backslash_escapes: true, session: Session::default() }
    }

    /// Reads comments for servers up to `version` only (`80031` is 8.0.31, `101119` is 10.11.19).
    #[must_use]
    pub fn for_version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Whether comments of tables and columns are kept: for MySQL if `include.schema.comments` is set, for MariaDB, as the
    /// original has it, unless `include.schema.changes` is off.
    #[must_use]
    pub fn with_comments(mut self, kept: bool) -> Self {
        self.comments = kept;
        self
    }

    /// Whether `\` escapes in the texts that follow: not so in a session with `NO_BACKSLASH_ESCAPES`, as the status
    /// variables of a query event say.
    pub fn set_backslash_escapes(&mut self, escapes: bool) {
        self.backslash_escapes = escapes;
    }

    /// Sets a variable of the server, such as `character_set_server`, before any statement is read.
    pub fn set_variable(&mut self, scope: Scope, name: &str, value: &str) {
        self.session.set(Some(scope), name, Some(value));
    }

    /// Applies all statements in `sql`, which ran while `database` was the current one, and says what they were about:
    /// nothing, when they were about nothing that has to do with tables.
    ///
    /// # Errors
    /// The first place that cannot be understood. Statements before it are applied.
    pub fn apply(&mut self, tables: &mut Tables, database: &str, sql: &str) -> Result<Vec<DdlEvent>, DdlError> {
        let reading = Reading {
            backslash_escapes: self.backslash_escapes,
            mariadb: self.dialect == Dialect::MariaDb,
            version: self.version,
        };
        let failed = |failure| DdlError::new(sql, failure);
        let tokens = lexer::tokens(sql, reading)
            .map_err(|at| failed(Failure { at, expected: "a closing quote for the one" }))?;
        database.clone_into(&mut self.session.database);
        let mut events = Vec::new();
        let mut rest = tokens.as_slice();
        while !rest.is_empty() {
            let length = statement_length(sql, rest);
            let (statement, after) = rest.split_at(length);
            rest = after.get(1..).unwrap_or_default();
            if !statement.is_empty() {
                let mut cursor = Cursor::new(sql, statement);
                let mut applied = Applied { ddl: self, tables, events: &mut events };
                applied.statement(&mut cursor).map_err(failed)?;
            }
        }
        Ok(events)
    }
}

/// How many tokens belong to the first statement: up to a semicolon, or all when it holds a body with its own.
fn statement_length(sql: &str, tokens: &[Token]) -> usize {
    let is_word = |token: &Token, words: &[&str]| {
        token.kind == Kind::Word && words.iter().any(|word| sql[token.start..token.end].eq_ignore_ascii_case(word))
    };
    let end = tokens.iter().position(|token| token.kind == Kind::Sign(';')).unwrap_or(tokens.len());
    let head = &tokens[..end];
    let has_body = head.first().is_some_and(|token| is_word(token, &["CREATE", "ALTER"]))
        && head
            .iter()
            .take_while(|token| !is_word(token, &["TABLE", "DATABASE", "SCHEMA", "VIEW", "INDEX"]))
            .any(|token| is_word(token, &["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"]));
    if has_body { tokens.len() } else { end }
}

/// A statement being applied.
struct Applied<'a> {
    ddl: &'a mut Ddl,
    tables: &'a mut Tables,
    events: &'a mut Vec<DdlEvent>,
}

impl Applied<'_> {
    fn tell(&mut self, kind: DdlEventKind, table: &TableId, statement: impl Into<String>) {
        let (database, statement) = (table.schema.to_string(), statement.into());
        self.events.push(DdlEvent { kind, table: Some(table.clone()), database, statement });
    }

    fn tell_database(&mut self, kind: DdlEventKind, database: impl Into<String>, statement: &str) {
        let event = DdlEvent { kind, table: None, database: database.into(), statement: statement.to_owned() };
        self.events.push(event);
    }

    fn table_name(&self, cursor: &mut Cursor<'_>) -> Result<TableId, Failure> {
        cursor.table(&self.ddl.session.database)
    }
}
