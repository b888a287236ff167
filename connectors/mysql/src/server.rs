//! What the server says of itself and its log.

use couplet_api::Result;
use couplet_api::error::Error;
use couplet_cdc::TableId;
use couplet_mysql_wire::{Access, Connection};

use crate::config::MyConfig;
use crate::flavour::Flavour;
use crate::gtid::GtidSet;

const DEBEZIUM_ERROR: &str = "io.debezium.DebeziumException";

/// A connection for statements.
pub(crate) struct Server {
    sql: Connection,
    flavour: Flavour,
}

/// Where the server's log ends.
#[derive(Debug, Clone)]
pub(crate) struct LogEnd {
    /// File.
    pub(crate) file: String,
    /// Position.
    pub(crate) position: u64,
    /// Transactions, if the server has such.
    pub(crate) gtids: Option<GtidSet>,
}

impl Server {
    /// Connects, with the session as snapshots need it.
    ///
    /// # Errors
    /// As [`Connection::open`], or when a statement of `database.initial.statements` fails.
    pub(crate) async fn connect(config: &MyConfig) -> Result<Self> {
        let mut server = Self::connect_bare(&config.access, config.flavour).await?;
        for statement in &config.initial_statements {
            server.sql.run(statement).await?;
        }
        Ok(server)
    }

    /// Connects for a look.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(crate) async fn connect_bare(access: &Access, flavour: Flavour) -> Result<Self> {
        let mut sql = Connection::open(access).await?;
        sql.run("SET NAMES utf8mb4").await?;
        sql.run("SET SESSION time_zone = '+00:00'").await?;
        Ok(Server { sql, flavour })
    }

    /// The connection.
    pub(crate) const fn sql(&mut self) -> &mut Connection {
        &mut self.sql
    }

    /// A global variable; `None`: there is none of that name.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn variable(&mut self, name: &str) -> Result<Option<String>> {
        let row = self.sql.first(&format!("SHOW GLOBAL VARIABLES WHERE Variable_name = '{name}'")).await?;
        Ok(row.and_then(|row| row.text(1)))
    }

    /// Whether names of tables differ by more than case.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn ignores_case(&mut self) -> Result<bool> {
        Ok(self.variable("lower_case_table_names").await?.is_some_and(|text| text != "0"))
    }

    /// Checks that the log holds whole rows.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] naming the variable and the value it needs.
    pub(crate) async fn check_log(&mut self) -> Result<()> {
        let heading = self.flavour.heading();
        let wrong = |what: &str, fix: &str| {
            let text = format!(
                "The {heading} server is not configured to use a {what}, which is required for this connector to work \
                 properly. Change the {heading} configuration to use a {fix} and restart the connector."
            );
            Err(Error::config(text).with_class(DEBEZIUM_ERROR))
        };
        let is = |value: Option<String>, wanted: &str| value.is_none_or(|v| v.eq_ignore_ascii_case(wanted));
        if !is(self.variable("log_bin").await?, "ON") {
            return wrong("binary log", "log_bin");
        }
        if !is(self.variable("binlog_format").await?, "ROW") {
            return wrong("ROW binlog_format", "binlog_format=ROW");
        }
        if !is(self.variable("binlog_row_image").await?, "FULL") {
            return wrong("FULL binlog_row_image", "binlog_row_image=FULL");
        }
        Ok(())
    }

    /// Whether transactions have global identifiers.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn has_gtids(&mut self) -> Result<bool> {
        let name = match self.flavour {
            Flavour::MySql => "gtid_mode",
            Flavour::MariaDb => "gtid_strict_mode",
        };
        Ok(self.variable(name).await?.is_some_and(|text| text.eq_ignore_ascii_case("ON")))
    }

    /// Transactions whose log is gone.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn purged(&mut self) -> Result<GtidSet> {
        Ok(match self.flavour {
            Flavour::MySql => GtidSet::parse(Flavour::MySql, &self.variable("gtid_purged").await?.unwrap_or_default()),
            // MariaDB keeps no such set; it says so when a dump begins.
            Flavour::MariaDb => GtidSet::empty(Flavour::MariaDb),
        })
    }

    /// Where the log ends now.
    ///
    /// # Errors
    /// What the server says, or that it has no log.
    pub(crate) async fn log_end(&mut self) -> Result<LogEnd> {
        let status = match self.sql.first("SHOW MASTER STATUS").await {
            // MySQL 8.4 and later.
            Err(error) if error.message().contains("1064") => self.sql.first("SHOW BINARY LOG STATUS").await?,
            other => other?,
        };
        let row = status.ok_or_else(|| {
            Error::config(
                "Cannot read the binlog filename and position via 'SHOW MASTER STATUS'. Make sure your server is \
                 correctly configured",
            )
            .with_class(DEBEZIUM_ERROR)
        })?;
        let gtids = match self.flavour {
            Flavour::MySql => row.text(4),
            Flavour::MariaDb => self.variable("gtid_binlog_pos").await?,
        };
        let gtids = gtids.map(|text| GtidSet::parse(self.flavour, &text)).filter(|set| !set.is_empty());
        Ok(LogEnd {
            file: row.text(0).unwrap_or_default(),
            position: row.text(1).and_then(|text| text.parse().ok()).unwrap_or(4),
            gtids,
        })
    }

    /// The place in the log that MariaDB's consistent snapshot, just begun, is of.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn snapshot_place(&mut self) -> Result<(String, u64)> {
        let rows = self.sql.all("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
        let value = |name: &str| {
            let row = rows.iter().find(|row| row.text(0).is_some_and(|n| n.eq_ignore_ascii_case(name)));
            row.and_then(|row| row.text(1)).unwrap_or_default()
        };
        Ok((value("binlog_snapshot_file"), value("binlog_snapshot_position").parse().unwrap_or(0)))
    }

    /// Files of the log.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn log_files(&mut self) -> Result<Vec<String>> {
        let rows = self.sql.all("SHOW BINARY LOGS").await?;
        Ok(rows.iter().filter_map(|row| row.text(0)).collect())
    }

    /// All tables, by database and name; views are none.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn tables(&mut self) -> Result<Vec<TableId>> {
        let query = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'";
        let rows = self.sql.all(query).await?;
        let mut tables: Vec<TableId> =
            rows.iter().filter_map(|row| Some(TableId::new(row.text(0)?, row.text(1)?))).collect();
        tables.sort();
        Ok(tables)
    }

    /// About how many rows a table has.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn row_count(&mut self, id: &TableId) -> Result<u64> {
        let query = format!("SHOW TABLE STATUS IN {} WHERE Name = {}", quoted(&id.schema), literal(&id.table));
        let row = self.sql.first(&query).await?;
        Ok(row.and_then(|row| row.text(4)).and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// The only column of the primary key of a table, if that is an integer.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn integer_key(&mut self, id: &TableId) -> Result<Option<String>> {
        let query = format!(
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND COLUMN_KEY = 'PRI'",
            literal(&id.schema),
            literal(&id.table)
        );
        let columns = self.sql.all(&query).await?;
        let [column] = columns.as_slice() else { return Ok(None) };
        let kind = column.text(1).unwrap_or_default().to_lowercase();
        let integer = ["tinyint", "smallint", "mediumint", "int", "bigint"].contains(&kind.as_str());
        Ok(column.text(0).filter(|_| integer))
    }

    /// Whether the user has the right `privilege` on anything.
    ///
    /// # Errors
    /// What the server says.
    pub(crate) async fn has_right(&mut self, privilege: &str) -> Result<bool> {
        let rows = self.sql.all("SHOW GRANTS FOR CURRENT_USER").await?;
        let grants = rows.iter().filter_map(|row| row.text(0)).map(|text| text.to_uppercase());
        Ok(grants.into_iter().any(|text| text.contains("ALL PRIVILEGES") || text.contains(privilege)))
    }
}

/// A name in backquotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name in backquotes.
pub(crate) fn quoted_table(id: &TableId) -> String {
    format!("{}.{}", quoted(&id.schema), quoted(&id.table))
}

/// A text in quotes.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
