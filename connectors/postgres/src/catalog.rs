//! Tables, columns and keys as the server's catalogue has them now.

use std::sync::Arc;

use couplet_api::Result;
use couplet_cdc::TableId;

use crate::types::{TypeRegistry, length_and_scale};
use crate::wire::{Lsn, Sql, sql_error};

/// Size of a page of the log.
const PAGE_BYTES: u64 = 8192;
/// Longest header of one.
const PAGE_HEADER_BYTES: u64 = 40;

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Name.
    pub(crate) name: Arc<str>,
    /// Declared type.
    pub(crate) type_oid: u32,
    /// Length or precision as the JDBC driver has it.
    pub(crate) length: i32,
    /// Scale as the JDBC driver has it.
    pub(crate) scale: i32,
    /// Whether null is allowed.
    pub(crate) optional: bool,
    /// Expression of the default.
    pub(crate) default: Option<String>,
}

/// A table with its columns and key.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Its name.
    pub(crate) id: TableId,
    /// Columns in order.
    pub(crate) columns: Vec<Column>,
    /// Names of the key columns in key order.
    pub(crate) key: Vec<String>,
}

/// A replication slot.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    /// Oldest position the server keeps for it.
    pub(crate) restart: Option<Lsn>,
    /// Position up to which changes were confirmed.
    pub(crate) confirmed: Option<Lsn>,
    /// Its plugin.
    pub(crate) plugin: Option<String>,
    /// Its database.
    pub(crate) database: Option<String>,
    /// Whether the server dropped log that it needs.
    pub(crate) lost: bool,
}

/// All ordinary and partitioned tables outside the system schemas, with the planner's row estimate.
///
/// # Errors
/// As the server says.
pub(crate) async fn tables(sql: &Sql, with_system: bool) -> Result<Vec<(TableId, f32)>> {
    let query = "SELECT n.nspname, c.relname, c.reltuples FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p') AND ($1 OR (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')) \
                 ORDER BY n.nspname, c.relname";
    let rows = sql.query(query, &[&with_system]).await?;
    Ok(rows.iter().map(|r| (TableId::new(r.get::<_, &str>(0), r.get::<_, &str>(1)), r.get(2))).collect())
}

/// Object id of a table.
///
/// # Errors
/// As the server says.
pub(crate) async fn table_oid(sql: &Sql, table: &TableId) -> Result<Option<u32>> {
    let query = "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2";
    let rows = sql.query(query, &[&&*table.schema, &&*table.table]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The definition of `id`; `None`: there is no such table.
///
/// # Errors
/// As the server says.
pub(crate) async fn table(sql: &Sql, types: &mut TypeRegistry, id: &TableId) -> Result<Option<Table>> {
    let Some(oid) = table_oid(sql, id).await? else { return Ok(None) };
    let columns = columns(sql, types, oid).await?;
    let key = key_columns(sql, oid).await?;
    Ok(Some(Table { id: id.clone(), columns, key }))
}

/// Pages of an ordinary table that can be read in ranges of them; `None`: a partitioned one, or an old server.
///
/// # Errors
/// As the server says.
pub(crate) async fn pages(sql: &Sql, id: &TableId) -> Result<Option<u64>> {
    let query = "SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r' \
                 AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) \
                 AND current_setting('server_version_num')::int >= 140000";
    let rows = sql.query(query, &[&&*id.schema, &&*id.table]).await?;
    Ok(rows.first().and_then(|row| u64::try_from(row.get::<_, i64>(0)).ok()))
}

/// Makes what the running transaction sees visible to others, and returns its name.
///
/// # Errors
/// As the server says.
pub(crate) async fn export_snapshot(sql: &Sql) -> Result<String> {
    let rows = sql.query("SELECT pg_catalog.pg_export_snapshot()", &[]).await?;
    rows.first().map(|row| row.get(0)).ok_or_else(|| couplet_api::error::Error::remote("no snapshot was exported"))
}

/// Columns of the table with object id `relation`; none when it is gone.
///
/// # Errors
/// As the server says.
pub(crate) async fn columns(sql: &Sql, types: &mut TypeRegistry, relation: u32) -> Result<Vec<Column>> {
    let query = "SELECT a.attname, a.atttypid, a.atttypmod, \
                 NOT (a.attnotnull OR (t.typtype = 'd' AND t.typnotnull)), pg_catalog.pg_get_expr(d.adbin, d.adrelid) \
                 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
                 LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
                 WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
    let rows = sql.query(query, &[&relation]).await?;
    let oids: Vec<u32> = rows.iter().map(|row| row.get(1)).collect();
    types.complete(sql, &oids).await?;
    let column = |row: &tokio_postgres::Row| {
        let type_oid: u32 = row.get(1);
        let (length, scale) = length_and_scale(types, type_oid, row.get(2));
        let name = row.get::<_, &str>(0).into();
        Column { name, type_oid, length, scale, optional: row.get(3), default: row.get(4) }
    };
    Ok(rows.iter().map(column).collect())
}

/// Names of the key columns: the primary key, or else the first unique index by name.
///
/// # Errors
/// As the server says.
pub(crate) async fn key_columns(sql: &Sql, relation: u32) -> Result<Vec<String>> {
    let query = "SELECT i.indisprimary, c.relname, a.attname \
                 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
                 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place) \
                 LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND a.attnum > 0 \
                 WHERE i.indrelid = $1 AND i.indisunique AND k.place <= i.indnkeyatts \
                 ORDER BY i.indisprimary DESC, c.relname, k.place";
    let rows = sql.query(query, &[&relation]).await?;
    let Some(first) = rows.first().map(|row| row.get::<_, String>(1)) else { return Ok(Vec::new()) };
    Ok(rows.iter().filter(|r| r.get::<_, &str>(1) == first).filter_map(|r| r.get(2)).collect())
}

/// The slot called `name`.
///
/// # Errors
/// As the server says.
pub(crate) async fn slot(sql: &Sql, name: &str) -> Result<Option<Slot>> {
    let query = "SELECT restart_lsn::text, confirmed_flush_lsn::text, plugin::text, database::text, \
                 to_jsonb(s)->>'wal_status' FROM pg_catalog.pg_replication_slots s WHERE slot_name = $1";
    let rows = sql.query(query, &[&name]).await?;
    Ok(rows.first().map(|row| {
        let lsn = |i: usize| row.get::<_, Option<&str>>(i).and_then(Lsn::parse);
        Slot {
            restart: lsn(0),
            confirmed: lsn(1),
            plugin: row.get(2),
            database: row.get(3),
            lost: row.get::<_, Option<&str>>(4) == Some("lost"),
        }
    }))
}

/// The oldest transaction whose effects on the catalogue the slot `name` still needs.
///
/// # Errors
/// As the server says.
pub(crate) async fn slot_xmin(sql: &Sql, name: &str) -> Result<Option<i64>> {
    let query = "SELECT catalog_xmin::text::bigint FROM pg_catalog.pg_replication_slots WHERE slot_name = $1";
    Ok(sql.query(query, &[&name]).await?.first().and_then(|row| row.get(0)))
}

/// A server parameter.
///
/// # Errors
/// As the server says.
pub(crate) async fn parameter(sql: &Sql, name: &str) -> Result<Option<String>> {
    let rows = sql.query("SELECT pg_catalog.current_setting($1, true)", &[&name]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// End of the server's log.
///
/// # Errors
/// As the server says.
pub(crate) async fn log_end(sql: &Sql) -> Result<Lsn> {
    let query =
        "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END)::text";
    let rows = sql.query(query, &[]).await?;
    Ok(rows.first().and_then(|row| row.get::<_, Option<&str>>(0)).and_then(Lsn::parse).unwrap_or_default())
}

/// A position that no transaction visible now was committed behind, and that the stream reaches without another one.
///
/// # Errors
/// As the server says.
pub(crate) async fn log_insert_end(sql: &Sql) -> Result<Lsn> {
    let query = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
                 ELSE pg_current_wal_insert_lsn() END)::text";
    let rows = sql.query(query, &[]).await?;
    let end = rows.first().and_then(|row| row.get::<_, Option<&str>>(0)).and_then(Lsn::parse).unwrap_or_default();
    // At the start of a page the position is behind the header of a page that is not written yet.
    let within = end.0 % PAGE_BYTES;
    Ok(if within <= PAGE_HEADER_BYTES { Lsn(end.0 - within) } else { end })
}

/// Number of the running transaction; `None` on a standby.
///
/// # Errors
/// As the server says.
pub(crate) async fn transaction_id(sql: &Sql) -> Result<Option<i64>> {
    let rows = sql.query("SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE txid_current() END", &[]).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// Numbers, of 32 bits as the log has them, of the transactions that the current one does not see because they are running.
///
/// # Errors
/// As the server says.
pub(crate) async fn running_transactions(sql: &Sql) -> Result<Vec<i64>> {
    // Works in PostgreSQL 12, too.
    let rows = sql.query("SELECT txid_snapshot_xip(txid_current_snapshot()) & 4294967295", &[]).await?;
    rows.iter().map(|row| row.try_get(0).map_err(|error| sql_error(&error))).collect()
}
