//! Reads the topics as they grow, and measures how old each change is when it arrives.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use couplet_harness::clients::Kafka;
use hdrhistogram::Histogram;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::Value;

/// A thread that follows the topics.
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

struct Seen {
    received: usize,
    /// (topic's number, key's hash, log position): repeats after a crash have all three in common.
    distinct: HashSet<(usize, u64, u64)>,
    /// Microseconds from commit to arrival here, of streamed changes.
    latency_us: Histogram<u64>,
}

impl Follower {
    /// Follows partition 0 of `topics`, the only one they have.
    pub fn start(kafka: &Kafka, topics: &[String]) -> Result<Self> {
        let consumer = kafka.reader()?;
        let mut assignment = TopicPartitionList::new();
        for topic in topics {
            assignment.add_partition_offset(topic, 0, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let latency_us = Histogram::new_with_bounds(1, 3_600_000_000, 3)?;
        let seen = Arc::new(Mutex::new(Seen { received: 0, distinct: HashSet::new(), latency_us }));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen2, stop2, topics) = (Arc::clone(&seen), Arc::clone(&stop), topics.to_vec());
        let thread = std::thread::spawn(move || follow(&consumer, &topics, &seen2, &stop2));
        Ok(Self { seen, stop, thread: Some(thread) })
    }

    fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records so far.
    pub fn received(&self) -> usize {
        self.seen(|s| s.received)
    }

    /// Records so far without repeats.
    pub fn distinct(&self) -> usize {
        self.seen(|s| s.distinct.len())
    }

    /// Age at this quantile so far, in milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        self.seen(|s| s.latency_us.value_at_quantile(quantile) as f64 / 1000.0)
    }

    /// Measures from here on only.
    pub fn forget_latency(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).latency_us.clear();
    }

    /// Percentiles so far, for people.
    pub fn latency(&self) -> String {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|quantile| self.latency_ms(quantile));
        format!("p50 {p50:.1} ms  p90 {p90:.1} ms  p99 {p99:.1} ms  max {max:.1} ms")
    }

    /// Ends the thread.
    pub fn stop(&mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.join().ok().context("the follower panicked")?,
            None => Ok(()),
        }
    }
}

fn follow(consumer: &BaseConsumer, topics: &[String], seen: &Mutex<Seen>, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        // A broker that is away comes back; what never arrives is found by the check.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let (Some(value), key) = (message.payload(), message.key().unwrap_or_default()) else { continue };
        let event: Value = serde_json::from_slice(value).context("a change event is not JSON")?;
        let source = &event["source"];
        let topic = topics.iter().position(|t| t == message.topic()).unwrap_or(usize::MAX);
        let lsn = source["lsn"].as_u64().unwrap_or(0);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.received += 1;
        seen.distinct.insert((topic, hash(key), lsn));
        if event["op"] != "r" {
            let committed_us = source["ts_us"].as_u64().or_else(|| source["ts_ms"].as_u64().map(|ms| ms * 1000));
            let age = committed_us.map_or(0, |at| now_us.saturating_sub(u128::from(at)));
            seen.latency_us.saturating_record(u64::try_from(age).unwrap_or(u64::MAX).max(1));
        }
    }
    Ok(())
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
