//! The PostgreSQL source under kill -9, and with a server that goes away: every change once, in the order of the commits.

use couplet_harness::chance::Chance;
use couplet_harness::clients::Kafka;
use couplet_harness::services::{PostgresCluster, PostgresSettings, Shutdown};
use couplet_harness::shared::unique;
use couplet_harness::worker::Worker;
use tokio_postgres::Client;

use crate::bank::{self, Bank, Habits, TABLES, topic};
use crate::scene::{by_time, embedded_broker, kafka_broker, postgres_source, worker};
use crate::turns::{await_moment, check, deadline, scale};

const SEED: u64 = 1618;
const HABITS: Habits = Habits { new_keys: true, tombstones: true };

/// One source whose Kafka transactions are parts of database transactions, and one with `settings` that has the large
/// transaction too.
async fn changes_survive_kills(bootstrap: &str, settings: &[(&str, &str)]) {
    let kafka = Kafka::new(bootstrap).expect("a client");
    let cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let url = cluster.url("postgres");
    Bank::found(&url).await;
    let group = unique("bank");
    let [small, large] = [format!("{group}-small"), format!("{group}-large")];
    let mut worker = Worker::start(&worker(bootstrap, &group)).await.expect("a worker");
    let few = [
        ("max.batch.size", "23"),
        ("table.include.list", "public.account,public.entry"),
        ("provide.transaction.metadata", "true"),
    ];
    for (name, settings) in [(&small, &few[..]), (&large, settings)] {
        let request = postgres_source(name, cluster.port, HABITS, settings);
        bank::begin(&kafka, &worker, &request, deadline()).await;
    }
    let bank = Bank::open(&url, HABITS);
    let (kills, rows) = scale();
    let mut chance = Chance(SEED);
    for kill in 0..kills {
        if kill == kills / 2 {
            bank.do_something_large(rows);
        }
        let accounts = topic([&small, &large][kill % 2], "account");
        await_moment(&kafka, [&accounts, &topic(&large, "ledger")], kill, &mut chance).await;
        worker.kill();
        worker.restart().await.expect("starts again");
    }
    let books = bank.close().await;
    let of_small = ["account", "entry"].map(|table| (topic(&small, table), table));
    let topics: Vec<_> = of_small.into_iter().chain(TABLES.map(|table| (topic(&large, table), table))).collect();
    check(&kafka, &mut worker, &books, &topics).await;
    books.check_transactions(&kafka, &format!("{small}.transaction"), &["account", "entry"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_there_once_however_often_the_worker_is_killed() {
    let Some(broker) = kafka_broker().await else { return };
    changes_survive_kills(&broker.bootstrap, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_there_once_on_the_embedded_broker() {
    let broker = embedded_broker().await;
    changes_survive_kills(&broker.address().to_string(), &by_time(&unique("own-offsets"))).await;
    broker.stop().await;
}

/// Ends all replication connections.
async fn cut(cluster: &PostgresCluster) {
    let database: Client = couplet_harness::clients::postgres(&cluster.url("postgres")).await.expect("a connection");
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'walsender'";
    database.query(sql, &[]).await.expect("SQL");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_there_once_when_the_server_goes_away() {
    let Some(broker) = kafka_broker().await else { return };
    let kafka = Kafka::new(&broker.bootstrap).expect("a client");
    let mut cluster = PostgresCluster::start(PostgresSettings::default()).await.expect("PostgreSQL");
    let url = cluster.url("postgres");
    Bank::found(&url).await;
    let name = unique("restarted");
    let mut worker = Worker::start(&worker(&broker.bootstrap, &name)).await.expect("a worker");
    let request = postgres_source(&name, cluster.port, HABITS, &[]);
    bank::begin(&kafka, &worker, &request, deadline()).await;
    let bank = Bank::open(&url, HABITS);
    let (turns, rows) = scale();
    let mut chance = Chance(SEED);
    for turn in 0..turns {
        if turn == turns / 2 {
            bank.do_something_large(rows);
        }
        await_moment(&kafka, [&topic(&name, "account"), &topic(&name, "ledger")], turn, &mut chance).await;
        match turn % 3 {
            0 => cluster.restart(Shutdown::Fast).await.expect("it restarts"),
            1 => cut(&cluster).await,
            _ => cluster.restart(Shutdown::Immediate).await.expect("it restarts"),
        }
    }
    let books = bank.close().await;
    let topics = TABLES.map(|table| (topic(&name, table), table));
    check(&kafka, &mut worker, &books, &topics).await;
}
