//! What the connector makes on the server before it streams: the publication, and replica identities when asked to.

use couplet_api::Result;
use couplet_api::error::Error;
use couplet_cdc::TableId;

use crate::catalog;
use crate::config::{PgConfig, PublicationMode};
use crate::wire::{Sql, quoted};

const DEBEZIUM_ERROR: &str = "io.debezium.DebeziumException";

/// The captured tables, by name.
///
/// # Errors
/// As the server says.
pub(crate) async fn captured_tables(sql: &Sql, config: &PgConfig) -> Result<Vec<(TableId, f32)>> {
    let all = catalog::tables(sql, !config.ignore_builtin).await?;
    Ok(all.into_iter().filter(|(table, _)| config.captures(table)).collect())
}

/// Makes or changes the publication as `publication.autocreate.mode` asks.
///
/// # Errors
/// In Debezium's words, with the server's as their cause.
pub(crate) async fn prepare_publication(sql: &Sql, config: &PgConfig) -> Result<()> {
    let name = &config.publication;
    let rows = sql.query("SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = $1", &[name]).await?;
    let for_all_tables = rows.first().map(|row| row.get::<_, bool>(0));
    let root = if config.via_partition_root { " WITH (publish_via_partition_root = true)" } else { "" };
    let create = format!("CREATE PUBLICATION {}", quoted(name));
    match (for_all_tables, config.publication_mode) {
        (None, PublicationMode::Disabled) => Err(Error::config(
            "Publication autocreation is disabled, please create one and restart the connector.",
        )
        .with_class("org.apache.kafka.connect.errors.ConnectException")),
        (None, PublicationMode::AllTables) => run(sql, &format!("{create} FOR ALL TABLES{root}")).await,
        (None, PublicationMode::NoTables) => run(sql, &format!("{create}{root}")).await,
        (None, PublicationMode::Filtered) => {
            let tables = table_list(sql, config).await.map_err(|e| unable("create", config, "", e))?;
            let statement = format!("{create} FOR TABLE {tables}{root}");
            run(sql, &statement).await.map_err(|e| unable("create", config, &tables, e))
        }
        (Some(true), PublicationMode::Filtered) => Err(Error::config(format!(
            "A logical publication for all tables named '{name}' for plugin 'PGOUTPUT' and database '{}' is already \
             active on the server and can not be altered. If you need to exclude some tables or include only specific \
             subset, please recreate the publication with necessary configuration or let plugin recreate it by dropping \
             existing publication. Otherwise please change the 'publication.autocreate.mode' property to 'all_tables'.",
            config.connection.database
        ))
        .with_class(DEBEZIUM_ERROR)),
        (Some(false), PublicationMode::Filtered) => update_filtered(sql, config).await,
        (Some(_), _) => Ok(()),
    }
}

async fn update_filtered(sql: &Sql, config: &PgConfig) -> Result<()> {
    let query = "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = $1";
    let rows = sql.query(query, &[&config.publication]).await?;
    let mut now: Vec<TableId> = rows.iter().map(|r| TableId::new(r.get::<_, &str>(0), r.get::<_, &str>(1))).collect();
    let mut wanted: Vec<TableId> = captured_tables(sql, config).await?.into_iter().map(|(t, _)| t).collect();
    now.sort();
    wanted.sort();
    if wanted.is_empty() || now == wanted {
        return Ok(());
    }
    let tables = table_list(sql, config).await.map_err(|e| unable("update", config, "", e))?;
    let statement = format!("ALTER PUBLICATION {} SET TABLE {tables}", quoted(&config.publication));
    run(sql, &statement).await.map_err(|e| unable("update", config, &tables, e))
}

async fn table_list(sql: &Sql, config: &PgConfig) -> Result<String> {
    let tables = captured_tables(sql, config).await?;
    if tables.is_empty() {
        let text = format!("No table filters found for filtered publication {}", config.publication);
        return Err(Error::config(text).with_class(DEBEZIUM_ERROR));
    }
    let names: Vec<String> = tables.iter().map(|(t, _)| quoted_table(t)).collect();
    Ok(names.join(", "))
}

/// `"schema"."table"`.
pub(crate) fn quoted_table(table: &TableId) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.table))
}

async fn run(sql: &Sql, statement: &str) -> Result<()> {
    tracing::info!(statement, "changing the publication");
    sql.run(statement).await.map_err(|error| {
        let text = error.message().to_owned();
        Error::new(error.kind(), text).with_class("io.debezium.jdbc.JdbcConnectionException").caused_by(error)
    })
}

fn unable(what: &str, config: &PgConfig, tables: &str, error: Error) -> Error {
    let text = format!("Unable to {what} filtered publication {} for {tables}", config.publication);
    Error::new(error.kind(), text).with_class("org.apache.kafka.connect.errors.ConnectException").caused_by(error)
}

/// Sets the replica identities of `replica.identity.autoset.values`. Like Debezium, a table that cannot be changed is
/// logged and left as it is.
///
/// # Errors
/// When the tables cannot be listed.
pub(crate) async fn set_replica_identities(sql: &Sql, config: &PgConfig) -> Result<()> {
    if config.replica_identities.is_empty() {
        return Ok(());
    }
    for (table, _) in captured_tables(sql, config).await? {
        let wanted = config.replica_identities.iter().find(|(patterns, _)| patterns.matches(&table.to_string()));
        let Some((_, identity)) = wanted else { continue };
        let identity = match identity.split_once(' ') {
            Some((_, index)) => format!("USING INDEX {}", quoted(index.trim())),
            None => identity.to_ascii_uppercase(),
        };
        let statement = format!("ALTER TABLE {} REPLICA IDENTITY {identity}", quoted_table(&table));
        match sql.run(&statement).await {
            Ok(()) => tracing::info!(%table, identity, "replica identity set"),
            Err(error) => tracing::error!(%table, %error, "unable to update replica identity"),
        }
    }
    Ok(())
}
