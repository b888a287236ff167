//! What recordings do not show: names that are swapped, which changes are kept and told, what is said of broken text.

use std::sync::Arc;

use couplet_mysql_schema::{Capture, Ddl, Dialect, SchemaChange, Tables};

const DATABASE: &str = "d";

fn columns_after(sql: &str) -> String {
    let mut tables = Tables::new(false);
    Ddl::new(Dialect::MariaDb).apply(&mut tables, DATABASE, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let of = |table: &couplet_mysql_schema::Table| {
        let column = |column: &couplet_mysql_schema::Column| {
            format!("{} {}{}", column.name, column.type_name, if column.optional { "" } else { "!" })
        };
        let columns: Vec<_> = table.columns.iter().map(column).collect();
        format!("{}({}) key {}", table.id.table, columns.join(", "), table.primary_key.join(","))
    };
    tables.iter().map(|table| of(table)).collect::<Vec<_>>().join("; ")
}

#[test]
fn names_are_those_before_the_statement() {
    let rows = [
        ("change a b int, change b a text", "t(b INT, a TEXT) key "),
        ("rename column a to b, rename column b to a", "t(b INT, a VARCHAR) key "),
        ("change a x int, add y int after x, add z int after b", "t(x INT, y INT, b VARCHAR, z INT) key "),
        ("change a x int, add primary key (x)", "t(x INT!, b VARCHAR) key x"),
        ("change b A int, drop a", "t(A INT) key "),
        (
            "add period varchar(3), add system int, add vector json",
            "t(a INT, b VARCHAR, period VARCHAR, system INT, vector JSON) key ",
        ),
        ("add constraint c unique (a), modify a int not null", "t(a INT!, b VARCHAR) key a"),
        (
            "add column if not exists a text, drop column if exists q, modify column if exists q int",
            "t(a INT, b VARCHAR) key ",
        ),
    ];
    for (change, want) in rows {
        let sql = format!("create table t (a int, b varchar(3)); alter table t {change}");
        assert_eq!(columns_after(&sql), want, "{change}");
    }
}

#[test]
fn types_of_mariadb_are_kept_by_name() {
    let sql = "create table t (u uuid not null default uuid(), i inet6, j inet4 default '0.0.0.0', x xmltype, primary key (u))";
    assert_eq!(columns_after(sql), "t(u UUID!, i INET6, j INET4, x XMLTYPE) key u");
}

#[test]
fn what_is_no_concern_of_tables_is_no_error() {
    for sql in [
        "set session transaction isolation level read committed",
        "set password for 'a'@'%' = 'x'",
        "grant all on *.* to 'a'@'%' with grant option",
        "create definer=`a`@`%` procedure p() begin create table x (i int); select ';'; end",
        "insert into t values ('create table x (i int)')",
        "create sequence s start with 1",
        "/* nothing */",
        "",
    ] {
        assert_eq!(columns_after(sql), "", "{sql}");
    }
}

fn kept(capture: &Capture, database: &str, sql: &str) -> (Vec<String>, Vec<bool>) {
    let (mut ddl, mut tables) = (Ddl::new(Dialect::MySql), Tables::new(false));
    let changes = ddl.changes(&mut tables, database, sql, capture).expect("understood");
    let text = |change: &SchemaChange| format!("{}: {}", change.database, change.ddl);
    (changes.iter().map(text).collect(), changes.iter().map(|change| capture.keeps(change)).collect())
}

#[test]
fn settings_decide_which_changes_are_told_and_kept() {
    let capture = |tables: bool, databases: bool| Capture {
        table: Arc::new(|id| id.to_string() == "d.t"),
        database: Arc::new(|name| name == "d"),
        only_captured_tables: tables,
        only_captured_databases: databases,
        skip_unparseable: false,
    };
    let all = capture(false, false);
    let of_tables = capture(true, false);
    let of_databases = capture(false, true);
    let rows = [
        ("everything by default", &all, "d", "create table u (i int)", vec!["d: create table u (i int)"], vec![true]),
        ("of captured tables only", &of_tables, "d", "create table u (i int)", vec![], vec![]),
        ("a captured table", &of_tables, "d", "create table t (i int)", vec!["d: create table t (i int)"], vec![true]),
        (
            "one of two",
            &of_tables,
            "d",
            "drop table t, u",
            vec!["d: drop table `d`.`t`", "d: drop table `d`.`u`"],
            vec![true, false],
        ),
        ("a variable of all sessions", &of_tables, "", "SET x=1, y=2", vec![": SET x=1, y=2"], vec![true]),
        ("a captured database", &of_tables, "d", "use d", vec!["d: use d"], vec![false]),
        ("another database", &of_databases, "d", "create table e.t (i int)", vec![], vec![]),
        ("without any table", &all, "d", "grant select on t to x", vec!["d: grant select on t to x"], vec![true]),
        ("the same, of captured tables only", &of_tables, "d", "grant select on t to x", vec![], vec![]),
        ("not a change", &all, "d", "BEGIN", vec![], vec![]),
    ];
    for (claim, capture, database, sql, told, keeps) in rows {
        let (have, have_kept) = kept(capture, database, sql);
        assert_eq!((have, have_kept), (told.iter().map(ToString::to_string).collect(), keeps), "{claim}");
    }
}

#[test]
fn broken_text_is_named_with_its_place_or_skipped() {
    let (mut ddl, mut tables) = (Ddl::new(Dialect::MySql), Tables::new(false));
    let broken = "create table t (\n  a int,\n  b varchar(,\n  c int)";
    let error = ddl.changes(&mut tables, DATABASE, broken, &Capture::default()).expect_err("broken");
    for part in ["'d'", "line 3, column 13", "expected a length", "schema.history.internal.skip.unparseable.ddl"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    let skipping = Capture { skip_unparseable: true, ..Capture::default() };
    let changes = ddl.changes(&mut tables, DATABASE, broken, &skipping).expect("skipped");
    assert_eq!((changes.len(), changes[0].changes.len(), tables.len()), (1, 0, 0));
}
