//! What all stories here play with: a broker that misses dead workers soon, workers, sources.

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use couplet_devbroker::{Broker, BrokerConfig};
use couplet_harness::services::{BinlogKind, BinlogServer, BrokerSettings, KafkaBroker};
use couplet_harness::shared;
use couplet_harness::worker::{Engine, WorkerSettings};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::bank::Habits;

/// Database of banks in MySQL and MariaDB: topics have the same names as PostgreSQL's, with its schema of that name.
pub const DATABASE: &str = "public";
/// Longest time of a step on a busy machine.
pub const PATIENCE_SECS: u64 = 120;
/// A worker that was killed is missed after this time: its successor has to wait for as long.
pub const SESSION: Duration = Duration::from_secs(2);

/// A broker for the stories here, because others have sessions of six seconds and more; it ends with the last of them.
/// `None` where there are no services.
pub async fn kafka_broker() -> Option<Arc<KafkaBroker>> {
    static RUNNING: Mutex<Weak<KafkaBroker>> = Mutex::const_new(Weak::new());
    shared::service(shared::BOOTSTRAP)?;
    let mut running = RUNNING.lock().await;
    if let Some(broker) = running.upgrade() {
        return Some(broker);
    }
    let settings = BrokerSettings { session_timeout_min: Some(SESSION), ..BrokerSettings::default() };
    let broker = Arc::new(KafkaBroker::start(settings).await.expect("a broker"));
    *running = Arc::downgrade(&broker);
    Some(broker)
}

/// The embedded one.
pub async fn embedded_broker() -> Broker {
    let config = BrokerConfig { session_timeout_min: SESSION, ..BrokerConfig::default() };
    Broker::start(config).await.expect("a broker")
}

/// A worker of ours with exactly-once sources, in a group whose dead members are missed soon.
pub fn worker(bootstrap: &str, group: &str) -> WorkerSettings {
    WorkerSettings::distributed(Engine::couplet().expect("the worker is built"), bootstrap, group)
        .with("exactly.once.source.support", "enabled")
        .with("session.timeout.ms", &SESSION.as_millis().to_string())
        .with("heartbeat.interval.ms", "500")
        .with("scheduled.rebalance.max.delay.ms", "0")
        .with("offset.flush.interval.ms", "500")
}

/// A source of the lines of a file, which go to the topic of the same name.
pub fn file_source(name: &str, folder: &Path, settings: &[(&str, &str)]) -> Value {
    let config = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max": "1",
        "file": folder.join(name).display().to_string(), "topic": name, "batch.size": "100",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    with_settings(name, config, settings)
}

/// A source of the bank's tables. A worker that was killed leaves its slot busy for a moment.
pub fn postgres_source(name: &str, port: u16, habits: Habits, settings: &[(&str, &str)]) -> Value {
    let slot = name.replace('-', "_");
    let config = json!({
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": port.to_string(), "database.user": "dbz",
        "database.password": "dbz", "database.dbname": "postgres", "topic.prefix": name, "plugin.name": "pgoutput",
        "slot.name": slot, "publication.name": slot, "exactly.once.support": "required",
        "slot.retry.delay.ms": "200", "slot.max.retries": "300",
        "tombstones.on.delete": habits.tombstones.to_string(),
    });
    with_settings(name, config, settings)
}

/// A source of the bank's tables in [`DATABASE`], with its schema history in a topic.
pub fn binlog_source(
    name: &str,
    server: &BinlogServer,
    bootstrap: &str,
    habits: Habits,
    settings: &[(&str, &str)],
) -> Value {
    let class = match server.kind {
        BinlogKind::MySql => "io.debezium.connector.mysql.MySqlConnector",
        BinlogKind::MariaDb => "io.debezium.connector.mariadb.MariaDbConnector",
    };
    let config = json!({
        "connector.class": class, "tasks.max": "1",
        "database.hostname": "127.0.0.1", "database.port": server.port.to_string(), "database.user": "dbz",
        "database.password": "dbz", "database.include.list": DATABASE, "topic.prefix": name,
        "schema.history.internal.kafka.topic": format!("{name}-history"),
        "schema.history.internal.kafka.bootstrap.servers": bootstrap,
        "exactly.once.support": "required", "tombstones.on.delete": habits.tombstones.to_string(),
    });
    with_settings(name, config, settings)
}

fn with_settings(name: &str, mut config: Value, settings: &[(&str, &str)]) -> Value {
    for (key, value) in settings {
        config[*key] = json!(value);
    }
    json!({"name": name, "config": config})
}

/// Settings of a source whose transactions end by the clock and whose offsets are in a topic of its own.
pub fn by_time(offsets: &str) -> [(&'static str, &str); 3] {
    let interval = ("transaction.boundary.interval.ms", "150");
    [("transaction.boundary", "interval"), interval, ("offsets.storage.topic", offsets)]
}
