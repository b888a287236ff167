//! Bank customers: seeded, so that two runs of one seed book the same amounts in the same order per account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use couplet_harness::clients::postgres;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::mybank_schema::ACCOUNTS;

/// Connections that book at the same time, each on accounts of its own.
const TELLERS: u64 = 3;

/// The running tellers.
pub struct Generator {
    transactions: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tellers: Vec<JoinHandle<Result<()>>>,
}

impl Generator {
    /// Opens the counters. `rate`: transactions a second of all tellers together; 0 is as fast as the database can.
    pub async fn start(database_url: &str, seed: u64, rate: u32) -> Result<Self> {
        let (transactions, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut tellers = Vec::new();
        for number in 0..TELLERS {
            let teller = Teller {
                client: postgres(database_url).await?,
                random: Random(seed.wrapping_mul(TELLERS).wrapping_add(number)),
                number,
                pause: if rate == 0 { Duration::ZERO } else { Duration::from_secs(TELLERS) / rate },
                booked: Vec::new(),
                sequence: 0,
            };
            let (count, stop) = (Arc::clone(&transactions), Arc::clone(&stop));
            #[allow(clippy::disallowed_methods, reason = "the lab links nothing of the runtime")]
            tellers.push(tokio::spawn(teller.work(count, stop)));
        }
        Ok(Self { transactions, stop, tellers })
    }

    /// Transactions committed so far.
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// # Errors
    /// When a teller has stopped early.
    pub fn check(&self) -> Result<()> {
        if self.tellers.iter().any(JoinHandle::is_finished) {
            bail!("a teller of the generator stopped early: the database refused a transaction");
        }
        Ok(())
    }

    /// Lets every teller finish its transaction, and returns how many were committed.
    pub async fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        for teller in self.tellers {
            teller.await.context("a teller panicked")??;
        }
        Ok(self.transactions.load(Ordering::Relaxed))
    }
}

struct Teller {
    client: Client,
    random: Random,
    number: u64,
    /// From the start of one transaction to the start of the next.
    pause: Duration,
    /// Ids of this teller's bank transactions that still exist.
    booked: Vec<i64>,
    sequence: i64,
}

impl Teller {
    async fn work(mut self, count: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Result<()> {
        let mut due = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            // The plan goes on while a teller is held up, so that the rate holds over the whole time.
            due += self.pause;
            tokio::time::sleep_until(due).await;
            let sql = self.next_transaction();
            self.client.batch_execute(&sql).await?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One database transaction: mostly a booking, sometimes a correction, a cancellation, or a batch of standing orders.
    fn next_transaction(&mut self) -> String {
        let dice = self.random.below(100);
        let body = match dice {
            70..85 if !self.booked.is_empty() => self.settle(),
            85..95 if !self.booked.is_empty() => self.cancel(),
            95..100 => (0..4).map(|_| self.book()).collect(),
            _ => self.book(),
        };
        format!("begin;{body}commit;")
    }

    fn book(&mut self) -> String {
        self.sequence += 1;
        let id =
            self.sequence * i64::try_from(TELLERS).unwrap_or(1) + i64::try_from(self.number).unwrap_or(0) + 1_000_000;
        self.booked.push(id);
        let (account, cents) = (self.account(), self.random.below(1_000_000));
        let amount = format!("{}.{:02}", cents / 100, cents % 100);
        let currency = ["EUR", "USD", "GBP"][self.random.below(3) as usize];
        let description =
            ["'rent'", "'groceries, ''organic'''", "'Überweisung € 😀'", "null"][self.random.below(4) as usize];
        format!(
            "insert into bank_transactions(id, account_id, amount, currency, description)
             values ({id}, {account}, {amount}, '{currency}', {description});
             update accounts set balance = balance + {amount} where id = {account};"
        )
    }

    fn settle(&mut self) -> String {
        let id = self.booked[self.random.below(self.booked.len() as u64) as usize];
        format!("update bank_transactions set status = 'settled', updated_at = clock_timestamp() where id = {id};")
    }

    fn cancel(&mut self) -> String {
        let at = self.random.below(self.booked.len() as u64) as usize;
        let id = self.booked.swap_remove(at);
        format!("delete from bank_transactions where id = {id};")
    }

    /// An account that no other teller uses, so that tellers never wait for each other.
    fn account(&mut self) -> u64 {
        self.random.below(ACCOUNTS / TELLERS) * TELLERS + self.number + 1
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}
