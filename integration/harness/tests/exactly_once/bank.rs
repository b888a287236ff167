//! A bank whose clerks remember every change they made, and the look at what became of the changes in topics.
//!
//! Transactions of several rows in several tables, side by side, with deletes, keys that change, and now and then a large one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use couplet_harness::chance::Chance;
use couplet_harness::clients::{Kafka, Message};
use couplet_harness::{Deadline, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::database::Database;

/// Each has an `id`, its key, and an `n`.
pub const TABLES: [&str; 3] = ["account", "entry", "ledger"];
/// Clerks at work. An id belongs to the clerk whose number is its remainder: what two of them do has no order.
const CLERKS: i64 = 2;
/// Accounts of each clerk. An account has one of two ids, and none while it is deleted.
const ACCOUNTS: i64 = 50;
/// Rows that a snapshot finds.
pub const ROWS: i64 = CLERKS * ACCOUNTS;
/// Changes of accounts in a transaction: several Kafka transactions of a source with small batches.
const CHANGES: usize = 30;
/// New entries in a transaction.
const ENTRIES: i64 = 3;
/// Rows of a statement.
const ROWS_MAX: i64 = 10_000;
/// Between the transactions of a clerk.
const PAUSE: Duration = Duration::from_millis(50);
const SEED: u64 = 1618;

/// A record as consumers see it: id of its key, operation (`t` for a tombstone), and the row's `n` if there is a row.
pub type Record = (i64, char, Option<i64>);
/// Records by table.
type Story = BTreeMap<&'static str, Vec<Record>>;

/// What clerks do beside inserts and updates.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Accounts get other keys.
    pub new_keys: bool,
    /// What deletes leave behind.
    pub tombstones: bool,
}

/// The bank at work.
pub struct Bank {
    url: String,
    stop: Arc<AtomicBool>,
    /// Rows of the next large transaction; 0: none is due.
    large: Arc<AtomicI64>,
    work: JoinSet<(i64, Story)>,
}

impl Bank {
    /// Makes tables and first accounts in the database at `url`.
    pub async fn found(url: &str) -> Database {
        let mut database = Database::create(url).await.expect("a connection");
        let tables = TABLES.map(|table| format!("create table {table}(id bigint primary key, n bigint)"));
        let statements: Vec<String> = tables.into_iter().chain(inserts("account", ROWS, |row| (row, 0))).collect();
        assert!(database.run(&statements).await, "the server went away");
        database
    }

    /// Clerks begin to work, and go on whatever becomes of the server.
    pub fn open(url: &str, habits: Habits) -> Bank {
        let (stop, large) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let mut work = JoinSet::new();
        for number in 0..CLERKS {
            let clerk = Clerk::new(number, habits);
            work.spawn(clerk.work(url.to_owned(), stop.clone(), large.clone()));
        }
        Bank { url: url.to_owned(), stop, large, work }
    }

    /// One of the next transactions has `rows` more.
    pub fn do_something_large(&self, rows: i64) {
        self.large.store(rows, Ordering::Relaxed);
    }

    /// Ends the work, and tells what became of it.
    pub async fn close(mut self) -> Books {
        eventually("a large transaction to begin", Deadline::after_secs(60), || async {
            Ok((self.large.load(Ordering::Relaxed) == 0).then_some(()))
        })
        .await
        .expect("clerks at work");
        self.stop.store(true, Ordering::Relaxed);
        let mut clerks = BTreeMap::new();
        while let Some(clerk) = self.work.join_next().await {
            let (number, story) = clerk.expect("a clerk");
            clerks.insert(number, story);
        }
        let mut database = Database::connect(&self.url).await.expect("a connection");
        let mut rows = BTreeMap::new();
        for table in TABLES {
            let found = database.pairs(&format!("select id, n from {table}")).await.expect("rows");
            rows.insert(table, found.into_iter().collect());
        }
        Books { clerks, rows }
    }
}

/// All that is to be found in topics.
pub struct Books {
    clerks: BTreeMap<i64, Story>,
    /// What is in the tables at the end.
    rows: BTreeMap<&'static str, BTreeMap<i64, i64>>,
}

impl Books {
    /// How many records a topic of `table` must have.
    pub fn count(&self, table: &str) -> usize {
        self.clerks.values().map(|story| story[table].len()).sum()
    }

    /// Waits until `topic` has as many committed records as `table` had changes.
    pub async fn await_all(&self, kafka: &Kafka, topic: &str, table: &str, deadline: Deadline) -> anyhow::Result<()> {
        let want = self.count(table);
        kafka.await_count(topic, i64::try_from(want)?, deadline).await?;
        eventually(&format!("{want} committed records in {topic}"), deadline, || async {
            // A transaction that is open at the end of the topic is an error of reading: it will be over soon.
            let seen = kafka.fold_topic(topic, 0_usize, |seen, _| {
                *seen += 1;
                Ok(())
            });
            Ok(seen.await.ok().filter(|seen| *seen >= want).map(drop))
        })
        .await
    }

    /// Nobody may write any more: `topic` has every change of `table` once, in order, and makes up the same rows.
    pub async fn check(&self, kafka: &Kafka, topic: &str, table: &str) {
        let read = kafka.fold_topic(topic, Vec::new(), |records, message| {
            records.push(record(&message)?);
            Ok(())
        });
        let records: Vec<Record> = read.await.expect("readable");
        let mut rows = BTreeMap::new();
        for (id, _, n) in &records {
            match n {
                Some(n) => rows.insert(*id, *n),
                None => rows.remove(id),
            };
        }
        for (clerk, story) in &self.clerks {
            let seen: Vec<Record> = records.iter().copied().filter(|(id, ..)| id % CLERKS == *clerk).collect();
            compare(topic, &seen, &story[table]);
        }
        assert!(rows == self.rows[table], "{topic} makes up other rows than are in {table}");
    }
}

impl Books {
    /// Nobody may write any more: `topic` tells of each transaction once that it begins, then that it ends, and all events of
    /// `tables` are counted.
    pub async fn check_transactions(&self, kafka: &Kafka, topic: &str, tables: &[&str]) {
        let read = kafka.fold_topic(topic, Vec::new(), |told: &mut Vec<Value>, message| {
            told.push(serde_json::from_slice(message.value.as_deref().unwrap_or_default())?);
            Ok(())
        });
        let told = read.await.expect("readable");
        // PostgreSQL's names begin with the transaction's number, and end with a place that BEGIN and END do not share.
        let number = |event: &Value| {
            let (id, of_postgres) = (event["id"].as_str()?, |number: &&str| number.parse::<u64>().is_ok());
            Some(id.split(':').next().filter(of_postgres).unwrap_or(id).to_owned())
        };
        let (mut counted, mut seen) = (0, BTreeSet::new());
        for (place, event) in told.iter().enumerate() {
            let status = if place % 2 == 0 { "BEGIN" } else { "END" };
            assert_eq!(event["status"], json!(status), "{topic}, record {place}: {event}");
            if status == "BEGIN" {
                assert!(seen.insert(number(event)), "{topic}, record {place} begins once more: {event}");
            } else {
                assert_eq!(number(event), number(&told[place - 1]), "{topic}, record {place}");
                counted += event["event_count"].as_u64().unwrap_or_default();
            }
        }
        let stories = self.clerks.values().flat_map(|story| tables.iter().map(|table| &story[*table]));
        let events = stories.flatten().filter(|(_, op, _)| matches!(op, 'c' | 'u' | 'd')).count();
        assert_eq!(counted, events as u64, "{topic}: events of all transactions");
    }
}

fn compare(topic: &str, seen: &[Record], want: &[Record]) {
    let Some(place) = (0..seen.len().max(want.len())).find(|place| seen.get(*place) != want.get(*place)) else {
        return;
    };
    let around =
        |records: &[Record]| records.iter().skip(place.saturating_sub(5)).take(12).copied().collect::<Vec<_>>();
    panic!(
        "{topic}, record {place}, {} of {} are there:\n{:?}\nbut in the database\n{:?}",
        seen.len(),
        want.len(),
        around(seen),
        around(want)
    );
}

fn record(message: &Message) -> anyhow::Result<Record> {
    let key: Value = serde_json::from_slice(message.key.as_deref().unwrap_or_default())?;
    let id = key["id"].as_i64().unwrap_or(-1);
    let Some(value) = &message.value else { return Ok((id, 't', None)) };
    let event: Value = serde_json::from_slice(value)?;
    let op = event["op"].as_str().and_then(|op| op.chars().next()).unwrap_or('?');
    Ok((id, op, event["after"]["n"].as_i64()))
}

/// What a transaction will have changed once it is committed.
struct Draft {
    statements: Vec<String>,
    accounts: Vec<(i64, Option<i64>)>,
    story: Vec<(&'static str, Record)>,
    /// An entry that is there if all of it is.
    mark: i64,
    /// Rows of the ledger.
    large: i64,
}

struct Clerk {
    number: i64,
    habits: Habits,
    chance: Chance,
    /// Id now, or when it was deleted, and `n`.
    accounts: Vec<(i64, Option<i64>)>,
    /// Transactions that were tried.
    tried: i64,
    story: Story,
}

impl Clerk {
    fn new(number: i64, habits: Habits) -> Clerk {
        let accounts: Vec<(i64, Option<i64>)> =
            (0..ACCOUNTS).map(|account| (account * CLERKS + number, Some(0))).collect();
        let mut story: Story = TABLES.map(|table| (table, Vec::new())).into();
        story.insert("account", accounts.iter().map(|(id, n)| (*id, 'r', *n)).collect());
        Clerk { number, habits, chance: Chance(SEED + number.unsigned_abs()), accounts, tried: 0, story }
    }

    async fn work(mut self, url: String, stop: Arc<AtomicBool>, large: Arc<AtomicI64>) -> (i64, Story) {
        let mut database = Database::connect(&url).await.expect("a connection");
        while !stop.load(Ordering::Relaxed) {
            let mut draft = self.draft(large.swap(0, Ordering::Relaxed));
            loop {
                if database.run(&draft.statements).await {
                    break;
                }
                let committed;
                (database, committed) = ask(&url, draft.mark).await;
                if committed {
                    break;
                }
                draft = self.draft(draft.large);
            }
            self.accounts = draft.accounts;
            for (table, record) in draft.story {
                self.story.entry(table).or_default().push(record);
            }
            tokio::time::sleep(PAUSE).await;
        }
        (self.number, self.story)
    }

    fn draft(&mut self, large: i64) -> Draft {
        let mut draft = Draft {
            statements: vec!["begin".to_owned()],
            accounts: self.accounts.clone(),
            story: Vec::new(),
            mark: (self.tried * ENTRIES) * CLERKS + self.number,
            large,
        };
        for _ in 0..CHANGES / 2 {
            self.change(&mut draft);
        }
        if large > 0 {
            let id = |row: i64| row * CLERKS + self.number;
            draft.statements.extend(inserts("ledger", large, |row| (id(row), row)));
            draft.story.extend((0..large).map(|row| ("ledger", (id(row), 'c', Some(row)))));
        }
        let id = |entry: i64| draft.mark + entry * CLERKS;
        draft.statements.extend(inserts("entry", ENTRIES, |entry| (id(entry), entry)));
        draft.story.extend((0..ENTRIES).map(|entry| ("entry", (id(entry), 'c', Some(entry)))));
        for _ in 0..CHANGES / 2 {
            self.change(&mut draft);
        }
        self.tried += 1;
        draft.statements.push("commit".to_owned());
        draft
    }

    fn change(&mut self, draft: &mut Draft) {
        let place = usize::try_from(self.chance.below(ACCOUNTS.unsigned_abs())).expect("small");
        let (id, n) = draft.accounts[place];
        let moved = ACCOUNTS * CLERKS;
        let other = if id >= moved { id - moved } else { id + moved };
        let mut tell = |record: Record| draft.story.push(("account", record));
        let gone = |tell: &mut dyn FnMut(Record), tombstones: bool| {
            tell((id, 'd', None));
            if tombstones {
                tell((id, 't', None));
            }
        };
        let (sql, account) = match (n, self.chance.below(10)) {
            (None, _) => {
                tell((id, 'c', Some(0)));
                (format!("insert into account(id, n) values ({id}, 0)"), (id, Some(0)))
            }
            (Some(_), 0 | 1) => {
                gone(&mut tell, self.habits.tombstones);
                (format!("delete from account where id = {id}"), (id, None))
            }
            (Some(n), 2 | 3) if self.habits.new_keys => {
                gone(&mut tell, self.habits.tombstones);
                tell((other, 'c', Some(n)));
                (format!("update account set id = {other} where id = {id}"), (other, Some(n)))
            }
            (Some(n), _) => {
                tell((id, 'u', Some(n + 1)));
                (format!("update account set n = n + 1 where id = {id}"), (id, Some(n + 1)))
            }
        };
        draft.statements.push(sql);
        draft.accounts[place] = account;
    }
}

/// Statements that insert `count` rows.
fn inserts(table: &str, count: i64, row: impl Fn(i64) -> (i64, i64)) -> Vec<String> {
    let first = (0..count).step_by(usize::try_from(ROWS_MAX).expect("small"));
    let statement = |from: i64| {
        let rows = (from..count.min(from + ROWS_MAX)).map(&row).map(|(id, n)| format!("({id}, {n})"));
        format!("insert into {table}(id, n) values {}", rows.collect::<Vec<_>>().join(", "))
    };
    first.map(statement).collect()
}

/// Connects to a server that went away, and asks whether it committed the transaction with the entry `mark`.
async fn ask(url: &str, mark: i64) -> (Database, bool) {
    eventually("the server", Deadline::after_secs(120), || async {
        let Ok(mut database) = Database::connect(url).await else { return Ok(None) };
        let found = database.pairs(&format!("select id, n from entry where id = {mark}")).await;
        Ok(found.ok().map(|rows| (database, !rows.is_empty())))
    })
    .await
    .expect("the server")
}

/// The topic of a source's table.
pub fn topic(source: &str, table: &str) -> String {
    format!("{source}.public.{table}")
}

/// Makes a source and waits until its snapshot is in its topics. One that is interrupted begins again, as Debezium's: what is
/// exactly once is what comes behind it.
pub async fn begin(kafka: &Kafka, worker: &couplet_harness::worker::Worker, request: &Value, deadline: Deadline) {
    let name = request["name"].as_str().expect("a name");
    for table in TABLES {
        kafka.create_topic(&topic(name, table), 1, &[]).await.expect("a topic");
    }
    worker.rest.create(request).await.expect("created");
    let accounts = topic(name, "account");
    let snapshot = eventually("the snapshot", deadline, || async {
        let seen = kafka.fold_topic(&accounts, 0, |seen, _| {
            *seen += 1;
            Ok(())
        });
        Ok(seen.await.ok().filter(|seen| *seen >= ROWS).map(drop))
    });
    snapshot.await.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()));
}
