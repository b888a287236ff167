//! Whatever the text, it is applied or refused: nothing panics, nothing hangs.

use couplet_mysql_schema::history::HistoryRecord;
use couplet_mysql_schema::{Ddl, Dialect, Tables};
use couplet_testkit::golden;
use proptest::prelude::*;

/// Words and signs that mean something to the parser, and some that do not.
const PIECES: &[&str] = &[
    "create",
    "table",
    "alter",
    "drop",
    "rename",
    "to",
    "add",
    "column",
    "modify",
    "change",
    "(",
    ")",
    ",",
    ";",
    ".",
    "t",
    "`a`",
    "'x'",
    "\"y\"",
    "int",
    "varchar",
    "enum",
    "set",
    "decimal",
    "5",
    "1.5",
    "b'1'",
    "not",
    "null",
    "default",
    "primary",
    "key",
    "unique",
    "constraint",
    "check",
    "like",
    "if",
    "exists",
    "first",
    "after",
    "character",
    "charset",
    "collate",
    "latin1",
    "comment",
    "=",
    "references",
    "on",
    "update",
    "delete",
    "as",
    "select",
    "partition",
    "by",
    "use",
    "database",
    "index",
    "view",
    "@x",
    "@@global.y",
    "-",
    "/*!",
    "*/",
    "/*",
    "--",
    "#",
    "\n",
    "truncate",
    "statement",
    "for",
    "serial",
    "value",
    "convert",
    "current_timestamp",
    "now",
    "é",
];

fn apply(sql: &str) {
    for dialect in [Dialect::MySql, Dialect::MariaDb] {
        let mut tables = Tables::new(false);
        let mut ddl = Ddl::new(dialect).with_comments(true);
        ddl.apply(&mut tables, "d", "create table t (a int primary key, b text)").expect("a table");
        if let Err(error) = ddl.apply(&mut tables, "d", sql) {
            assert!(error.line > 0 && error.column > 0, "{error}");
        }
        for table in tables.iter() {
            let misplaced = table.columns.iter().zip(1..).find(|(column, position)| column.position != *position);
            assert!(misplaced.is_none(), "{sql}: {misplaced:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_text(sql in any::<String>()) {
        apply(&sql);
    }

    #[test]
    fn any_words(pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..40)) {
        apply(&pieces.join(" "));
        apply(&pieces.concat());
    }

    #[test]
    fn any_record(text in any::<String>()) {
        let _ = HistoryRecord::parse(&text);
    }
}

#[test]
fn recorded_statements_cut_anywhere() {
    for text in golden::texts("cdc/ddl", 30) {
        for (end, _) in text.char_indices() {
            apply(&text[..end]);
        }
    }
}
