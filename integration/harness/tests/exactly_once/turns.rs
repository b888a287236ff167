//! Something breaks, again and again, while a bank is at work; then everything must be there.

use std::time::Duration;

use couplet_harness::Deadline;
use couplet_harness::chance::Chance;
use couplet_harness::clients::Kafka;
use couplet_harness::worker::Worker;

use crate::bank::Books;
use crate::scene::PATIENCE_SECS;

/// Something breaks after this many new records.
const STEP: i64 = 600;

/// How often something breaks, and rows of the large transaction: `COUPLET_TEST_CDC_KILLS` times and a million, or little.
pub fn scale() -> (usize, i64) {
    match std::env::var("COUPLET_TEST_CDC_KILLS") {
        Ok(kills) => (kills.parse().expect("COUPLET_TEST_CDC_KILLS is a number"), 1_000_000),
        Err(_) => (3, 50_000),
    }
}

/// Longest time of a step.
pub fn deadline() -> Deadline {
    let by_hand = scale().1 > 100_000;
    Deadline::after_secs(if by_hand { 20 * PATIENCE_SECS } else { PATIENCE_SECS })
}

/// Waits until something may break: half of the times while changes of accounts go on, half of the times in the middle of the
/// large transaction.
pub async fn await_moment(kafka: &Kafka, topics: [&str; 2], turn: usize, chance: &mut Chance) {
    let (turns, rows) = scale();
    let [accounts, ledger] = topics;
    let (topic, target) = if turn < turns / 2 {
        (accounts, kafka.count(accounts).await.expect("a count") + STEP)
    } else {
        let turns = i64::try_from(turns - turns / 2).expect("small");
        let seen = kafka.count(ledger).await.expect("a count");
        (ledger, (seen + rows / (turns + 1)).min(rows))
    };
    kafka.await_count(topic, target, deadline()).await.expect("progress");
    tokio::time::sleep(Duration::from_millis(chance.below(200))).await;
}

/// Waits for everything in `topics` (and their tables), ends the worker, and looks at each record.
pub async fn check(kafka: &Kafka, worker: &mut Worker, books: &Books, topics: &[(String, &str)]) {
    for (topic, table) in topics {
        let all = books.await_all(kafka, topic, table, deadline()).await;
        all.unwrap_or_else(|error| panic!("{error:#}\n{}", worker.log_tail()));
    }
    worker.stop().await.expect("stops");
    for (topic, table) in topics {
        books.check(kafka, topic, table).await;
    }
}
