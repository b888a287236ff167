//! MySQL, and the client of ours that stands for `mysqlbinlog`, which the server's package lacks.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use couplet_harness::clients::ConnectRest;
use couplet_harness::provision::jars;
use couplet_harness::services::BinlogServer;
use couplet_harness::worker::{Engine, WorkerSettings};
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};

use super::Named;
use super::bank::Bank;
use super::floor::{self, BINLOG, ROWS};
use crate::bench::Bench;
use crate::binary;

const TABLE: &str = "create table bank.bank_transactions(
    id bigint auto_increment primary key, account_id bigint not null, user_id bigint not null, amount decimal(12,2) not null,
    currency char(3) not null default 'EUR', created_at timestamp(6) not null default current_timestamp(6), description text)";

/// A server with the table.
pub struct MySqlBank {
    server: BinlogServer,
    client: PathBuf,
    /// File and position of the log.
    mark: (String, u64),
}

impl MySqlBank {
    /// What the statements say; the last one's rows, tabs between values.
    async fn run(&self, statements: Vec<String>) -> Result<String> {
        let mut client = Command::new(&self.client);
        client.args([&self.server.port.to_string(), "run"]).args(statements);
        let done = tokio::task::spawn_blocking(move || client.output()).await??;
        ensure!(done.status.success(), "mysql_client: {}", String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8(done.stdout)?.trim().to_owned())
    }

    async fn log_position(&self) -> Result<(String, u64)> {
        let status = self.run(vec!["show master status".to_owned()]).await?;
        let mut fields = status.split('\t');
        let file = fields.next().context("no log")?.to_owned();
        Ok((file, fields.next().context("no position")?.parse()?))
    }

    async fn floor(&self, arguments: &[&str], case: &str, rows: i64) -> Result<super::Sample> {
        let port = self.server.port.to_string();
        let arguments = [&port].into_iter().map(String::as_str).chain(arguments.iter().copied());
        floor::run(self.client.clone(), arguments.map(str::to_owned).collect(), case, rows).await
    }
}

impl Bank for MySqlBank {
    async fn open() -> Result<Self> {
        let client = binary::build_example("couplet-mysql-wire", "mysql_client")?;
        let bank = Self { server: BinlogServer::mysql().await?, client, mark: Default::default() };
        bank.run(vec!["create database bank".to_owned(), TABLE.to_owned()]).await?;
        Ok(bank)
    }

    fn settings(&self, bench: &Bench, engine: &Engine) -> Result<WorkerSettings> {
        let settings = bench.settings(engine);
        Ok(match engine {
            Engine::Jvm => settings.with("plugin.path", &jars::plugin_path_mysql()?.display().to_string()),
            Engine::Couplet(_) => settings,
        })
    }

    fn connector(&self, bench: &Bench, prefix: &str) -> (Value, String) {
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let request = json!({"name": prefix, "config": {
            "connector.class": "io.debezium.connector.mysql.MySqlConnector", "tasks.max": "1",
            "database.hostname": "127.0.0.1", "database.port": self.server.port.to_string(),
            "database.user": "dbz", "database.password": "dbz", "database.server.id": "184054",
            "topic.prefix": prefix, "table.include.list": "bank.bank_transactions",
            "schema.history.internal.kafka.bootstrap.servers": bench.kafka.bootstrap,
            "schema.history.internal.kafka.topic": format!("{prefix}-history"),
            "key.converter": json, "value.converter": json,
            "key.converter.schemas.enable": "false", "value.converter.schemas.enable": "false",
        }});
        (request, format!("{prefix}.bank.bank_transactions"))
    }

    async fn book(&self, rows: i64, batch: i64) -> Result<()> {
        let mut statements = vec![format!("set session cte_max_recursion_depth = {}", batch + 1)];
        let mut first = 1;
        while first <= rows {
            let last = (first + batch - 1).min(rows);
            statements.push(format!(
                "insert into bank.bank_transactions(account_id, user_id, amount, currency, description)
                 with recursive n(i) as (select {first} union all select i + 1 from n where i < {last})
                 select 1000 + i % 9973, 50 + i % 997, ((i * 37) % 1000000) / 100.0, elt(1 + i % 3, 'EUR', 'USD', 'GBP'),
                        concat('payment number ', i, ' for order ', i * 7) from n"
            ));
            first = last + 1;
        }
        self.run(statements).await.map(drop)
    }

    async fn settle(&self) -> Result<()> {
        self.run(vec!["analyze table bank.bank_transactions".to_owned(), "flush binary logs".to_owned()])
            .await
            .map(drop)
    }

    async fn await_streaming(&self, rest: &ConnectRest, name: &str) -> Result<()> {
        rest.await_running(name, Deadline::after_secs(60)).await?;
        let readers = "select count(*) from information_schema.processlist where command like 'Binlog Dump%'";
        eventually("the connector to stream", Deadline::after_secs(60), || async {
            Ok((self.run(vec![readers.to_owned()]).await? != "0").then_some(()))
        })
        .await
    }

    /// Any number may read the log; the server notices only at its next event that one is gone.
    async fn is_released(&self) -> Result<bool> {
        Ok(true)
    }

    async fn mark(&mut self) -> Result<()> {
        self.mark = self.log_position().await?;
        Ok(())
    }

    async fn log_floor(&self, case: &str, rows: i64) -> Result<Named> {
        let (file, end) = self.log_position().await?;
        ensure!(file == self.mark.0, "the log went on in another file");
        let (from, end) = (self.mark.1.to_string(), end.to_string());
        Ok((BINLOG, self.floor(&["binlog", &file, &from, &end], case, rows).await?))
    }

    async fn table_floors(&self, case: &str, rows: i64) -> Result<Vec<Named>> {
        Ok(vec![(ROWS, self.floor(&["rows", "select * from bank.bank_transactions"], case, rows).await?)])
    }
}
