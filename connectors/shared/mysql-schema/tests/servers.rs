//! Statements that real servers ran, and the shapes that their `information_schema` then showed.

use couplet_mysql_schema::{Column, Ddl, Dialect, Scope, Table, Tables, jdbc};
use couplet_testkit::golden;
use serde_json::Value as Json;

/// Other words for types.
const SAME_TYPE: &[(&str, &[&str])] = &[
    ("tinyint", &["BOOL", "BOOLEAN", "INT1"]),
    ("smallint", &["INT2"]),
    ("mediumint", &["INT3", "MIDDLEINT"]),
    ("int", &["INTEGER", "INT4"]),
    ("bigint", &["INT8"]),
    ("double", &["REAL", "FLOAT8"]),
    ("float", &["FLOAT4"]),
    ("decimal", &["DEC", "FIXED", "NUMERIC"]),
    ("char", &["NATIONAL", "NCHAR", "CHARACTER"]),
    ("varchar", &["NVARCHAR", "NATIONAL", "NCHAR", "CHAR", "CHARACTER"]),
    ("mediumtext", &["LONG"]),
    ("mediumblob", &["LONG"]),
    // Text in no character set at all.
    ("binary", &["CHAR"]),
    ("varbinary", &["VARCHAR"]),
    ("blob", &["TEXT"]),
    ("geomcollection", &["GEOMETRYCOLLECTION"]),
    // MariaDB has no type for JSON.
    ("longtext", &["JSON"]),
];

fn texts(list: &Json) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("text")).collect()
}

fn same_type(column: &Column, shown: &str) -> bool {
    let word = column.type_name.split(' ').next().unwrap_or_default();
    let others = SAME_TYPE.iter().find(|(name, _)| *name == shown).map_or(&[][..], |(_, others)| others);
    word.eq_ignore_ascii_case(shown) || others.contains(&word)
}

fn same_charset(column: &Column, shown: Option<&str>) -> bool {
    let alias = |name: &str| if name == "utf8" { "utf8mb3".to_owned() } else { name.to_owned() };
    match shown {
        Some(shown) => {
            !jdbc::uses_charset(column.jdbc_type) || column.charset.as_deref().map(alias) == Some(alias(shown))
        }
        None => column.charset.as_deref().is_none_or(|name| name == "binary"),
    }
}

fn column_differs(column: &Column, shown: &Json) -> Option<String> {
    let name = shown["name"].as_str().expect("a name");
    let (kind, whole) = (shown["type"].as_str().expect("a type"), shown["columnType"].as_str().expect("a type"));
    let unsigned = whole.contains("unsigned") == column.type_name.contains("UNSIGNED") || whole.contains("zerofill");
    let required = Some(!column.optional) == shown["optional"].as_bool().map(|optional| !optional);
    let fine = column.name == name
        && required
        && unsigned
        && same_type(column, kind)
        && same_charset(column, shown["charset"].as_str());
    (!fine).then(|| format!("want {shown}\n    have {column:?}"))
}

fn table_differs(table: Option<&Table>, shown: &Json) -> Vec<String> {
    let Some(table) = table else { return vec![format!("missing: {}", shown["table"])] };
    let columns = shown["columns"].as_array().expect("columns");
    let mut differing: Vec<_> =
        table.columns.iter().zip(columns).filter_map(|(column, shown)| column_differs(column, shown)).collect();
    if table.columns.len() != columns.len() {
        differing.push(format!("{} columns, not {}", table.columns.len(), columns.len()));
    }
    let key = texts(&shown["primaryKey"]);
    // A table without a primary key may have a unique one in its place.
    if !key.is_empty() && table.primary_key != key {
        differing.push(format!("primary key {:?}, not {key:?}", table.primary_key));
    }
    differing
}

fn check(file: &str, dialect: Dialect, version: u32) {
    let mut failed = Vec::new();
    for case in golden::cases(file) {
        let sql = case["sql"].as_str().expect("statements");
        let (mut ddl, mut tables) = (Ddl::new(dialect).for_version(version), Tables::new(false));
        ddl.set_variable(Scope::Global, "character_set_server", "utf8mb4");
        if let Err(error) = ddl.apply(&mut tables, "d", sql) {
            failed.push(format!("{sql}: {error}"));
            continue;
        }
        let shown = case["tables"].as_array().expect("tables");
        if shown.len() != tables.len() {
            failed.push(format!("{sql}: {} tables, not {}", tables.len(), shown.len()));
        }
        for shown in shown {
            let (database, name) = (shown["database"].as_str().expect("text"), shown["table"].as_str().expect("text"));
            let table = tables.iter().find(|table| *table.id.schema == *database && *table.id.table == *name);
            let differing = table_differs(table.map(|table| &**table), shown);
            failed.extend(differing.into_iter().map(|text| format!("{sql}\n  {text}")));
        }
    }
    assert!(failed.is_empty(), "{} differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn tables_have_the_shapes_that_mysql_shows() {
    check("cdc/ddl/information_schema_mysql.jsonl", Dialect::MySql, 80_031);
}

#[test]
fn tables_have_the_shapes_that_mariadb_shows() {
    check("cdc/ddl/information_schema_mariadb.jsonl", Dialect::MariaDb, 101_119);
}
