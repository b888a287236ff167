//! The MySQL and MariaDB sources under kill -9, and with a server that goes away: every change once, in the order of the
//! log. Shapes of tables change meanwhile, which a worker that comes back has to know from the schema history.

use couplet_harness::chance::Chance;
use couplet_harness::clients::Kafka;
use couplet_harness::services::{BinlogServer, Shutdown};
use couplet_harness::shared::unique;
use couplet_harness::worker::Worker;
use couplet_mysql_wire::Connection;

use crate::bank::{self, Bank, Habits, TABLES, topic};
use crate::database::Database;
use crate::scene::{DATABASE, binlog_source, kafka_broker, worker};
use crate::turns::{await_moment, check, deadline, scale};

const SEED: u64 = 3306;
const HABITS: Habits = Habits { new_keys: true, tombstones: true };

/// What breaks.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The worker is killed.
    Worker,
    /// Connections that get the log are ended.
    Connection,
    /// The server is restarted.
    Server(Shutdown),
}

/// Ends the sessions that get the log.
async fn cut(connection: &mut Connection) {
    let sessions = connection.all("show processlist").await.expect("sessions");
    let dumps = sessions.iter().filter(|row| row.text(4).is_some_and(|command| command.starts_with("Binlog Dump")));
    let ids: Vec<String> = dumps.filter_map(|row| row.text(0)).collect();
    assert!(!ids.is_empty(), "nobody gets the log");
    for id in ids {
        // One may have ended by itself.
        let _ = connection.run(&format!("kill {id}")).await;
    }
}

async fn strike(fault: Fault, worker: &mut Worker, server: &mut BinlogServer, url: &str) {
    match fault {
        Fault::Worker => {
            worker.kill();
            worker.restart().await.expect("starts again");
        }
        Fault::Connection => match Database::connect(url).await.expect("a connection") {
            Database::Binlog(mut connection) => cut(&mut connection).await,
            Database::Postgres(_) => unreachable!("a bank in MySQL or MariaDB"),
        },
        Fault::Server(shutdown) => server.restart(shutdown).await.expect("it restarts"),
    }
}

/// One source whose Kafka transactions are parts of database transactions, and one that has the large transaction too;
/// `faults` take turns.
async fn changes_survive(server: impl Future<Output = anyhow::Result<BinlogServer>>, faults: &[Fault]) {
    let Some(broker) = kafka_broker().await else { return };
    let mut server = server.await.expect("a server");
    let kafka = Kafka::new(&broker.bootstrap).expect("a client");
    let url = server.database_url(DATABASE);
    let mut owner = Bank::found(&url).await;
    let group = unique("bank");
    let [small, large] = [format!("{group}-small"), format!("{group}-large")];
    let mut worker = Worker::start(&worker(&broker.bootstrap, &group)).await.expect("a worker");
    let few = [
        ("max.batch.size", "23"),
        ("table.include.list", "public.account,public.entry"),
        ("provide.transaction.metadata", "true"),
        ("database.server.id", "7001"),
    ];
    for (name, settings) in [(&small, &few[..]), (&large, &[("database.server.id", "7002")])] {
        let request = binlog_source(name, &server, &broker.bootstrap, HABITS, settings);
        bank::begin(&kafka, &worker, &request, deadline()).await;
    }
    let bank = Bank::open(&url, HABITS);
    let (turns, rows) = scale();
    let mut chance = Chance(SEED);
    for turn in 0..turns {
        if turn == turns / 2 {
            bank.do_something_large(rows);
        }
        let accounts = topic([&small, &large][turn % 2], "account");
        await_moment(&kafka, [&accounts, &topic(&large, "ledger")], turn, &mut chance).await;
        while !owner.add_column("account", turn).await {
            owner = Database::connect(&url).await.expect("a connection");
        }
        strike(faults[turn % faults.len()], &mut worker, &mut server, &url).await;
    }
    let books = bank.close().await;
    let of_small = ["account", "entry"].map(|table| (topic(&small, table), table));
    let topics: Vec<_> = of_small.into_iter().chain(TABLES.map(|table| (topic(&large, table), table))).collect();
    check(&kafka, &mut worker, &books, &topics).await;
    books.check_transactions(&kafka, &format!("{small}.transaction"), &["account", "entry"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_changes_are_there_once_however_often_the_worker_is_killed() {
    changes_survive(BinlogServer::mysql(), &[Fault::Worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_changes_are_there_once_when_the_server_goes_away() {
    let faults = [Fault::Server(Shutdown::Fast), Fault::Connection, Fault::Server(Shutdown::Immediate)];
    changes_survive(BinlogServer::mysql(), &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_changes_are_there_once_without_gtids() {
    let faults = [Fault::Worker, Fault::Connection, Fault::Server(Shutdown::Immediate)];
    changes_survive(BinlogServer::mysql_without_gtids(), &faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_changes_are_there_once() {
    let faults = [Fault::Worker, Fault::Connection, Fault::Server(Shutdown::Immediate)];
    changes_survive(BinlogServer::mariadb(), &faults).await;
}
