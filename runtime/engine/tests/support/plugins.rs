//! A source that counts, a sink that remembers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use couplet_api::clock::{Clock, SystemClock};
use couplet_api::config::{ConfigDef, Props};
use couplet_api::connector::{Connector, ConnectorPlugin, SinkPlugin, SourcePlugin, StaticConnector};
use couplet_api::converter::Converter;
use couplet_api::data::{
    Datum, Header, OffsetMap, Position, Record, Schema, SinkRecord, SourceRecord, TopicPartition, Value,
};
use couplet_api::error::Lookup;
use couplet_api::plugin::Factory;
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::source::{Durable, SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Error, Plugin, Result};
use tokio::sync::Notify;

pub fn all() -> Vec<Plugin> {
    let mut all = couplet_plugins::plugins();
    all.push(Plugin::Source(Arc::new(CountingSource)));
    all.push(Plugin::Sink(Arc::new(MemorySink)));
    all.push(Plugin::Converter(Arc::new(Factory {
        class: "test.FlakyConverter",
        version: "1",
        config_def: ConfigDef::new,
        create: |props, _| {
            let failures = props.get("failures").map_or(0, |text| text.parse().expect("a number"));
            Ok(Arc::new(FlakyConverter { failures: AtomicUsize::new(failures) }))
        },
    })));
    all.push(Plugin::Converter(Arc::new(Factory {
        class: "test.AskingConverter",
        version: "1",
        config_def: ConfigDef::new,
        create: |props, _| {
            let number = |key: &str| props.get(key).map_or(0, |text| text.parse().expect("a number"));
            let converter = AskingConverter {
                unknown: AtomicUsize::new(number("lookups")),
                registry: FlakyConverter { failures: AtomicUsize::new(number("failures")) },
            };
            Ok(Arc::new(converter))
        },
    })));
    all
}

/// Text, once `lookups` lookups were made; the first `failures` of them find nobody.
struct AskingConverter {
    unknown: AtomicUsize,
    registry: FlakyConverter,
}

/// What [`AskingConverter`] asks for.
struct Unknown;

impl AskingConverter {
    fn known(&self) -> Result<()> {
        if self.unknown.load(Ordering::Relaxed) == 0 { Ok(()) } else { Err(Error::lookup(Unknown)) }
    }
}

#[async_trait]
impl Converter for AskingConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        out.extend_from_slice(data.value.as_str().unwrap_or_default().as_bytes());
        self.known().map(|()| true)
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        self.known()?;
        let text = String::from_utf8(bytes.cloned().unwrap_or_default().to_vec()).expect("text");
        Ok(Datum::new(Schema::string(), text))
    }

    async fn resolve(&self, lookup: &Lookup) -> Result<()> {
        assert!(lookup.get::<Unknown>().is_some(), "the lookup is the one that was asked for");
        tokio::task::yield_now().await;
        self.registry.fail()?;
        self.unknown.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Text, after its first `failures` calls, which fail as a registry that is away.
struct FlakyConverter {
    failures: AtomicUsize,
}

impl FlakyConverter {
    fn fail(&self) -> Result<()> {
        match self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Err(Error::remote("the registry is away")),
            Err(_) => Ok(()),
        }
    }
}

impl Converter for FlakyConverter {
    fn from_connect(&self, _topic: &str, _headers: &[Header], data: &Datum, out: &mut BytesMut) -> Result<bool> {
        out.extend_from_slice(b"a part that is cut off");
        self.fail()?;
        let begin = out.len() - b"a part that is cut off".len();
        out.truncate(begin);
        out.extend_from_slice(data.value.as_str().unwrap_or_default().as_bytes());
        Ok(true)
    }

    fn to_connect(&self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        self.fail()?;
        let text = String::from_utf8(bytes.cloned().unwrap_or_default().to_vec()).expect("text");
        Ok(Datum::new(Schema::string(), text))
    }
}

/// What the instances of one connector left behind, by its name.
#[derive(Default)]
pub struct Traces {
    /// Offsets that `commit` was told, in order.
    pub committed: Mutex<Vec<i64>>,
    /// Records that were put, in order: topic, value, offset.
    pub put: Mutex<Vec<(String, Option<String>, i64)>>,
    /// Calls in order, by name.
    pub calls: Mutex<Vec<&'static str>>,
    /// How often `put` still has to fail with `Kind::Remote`.
    pub failures: Mutex<usize>,
    pub changed: Notify,
}

static TRACES: LazyLock<Mutex<HashMap<String, Arc<Traces>>>> = LazyLock::new(Mutex::default);

pub fn traces(connector: &str) -> Arc<Traces> {
    TRACES.lock().unwrap().entry(connector.to_owned()).or_default().clone()
}

impl Traces {
    fn call(&self, name: &'static str) {
        self.calls.lock().unwrap().push(name);
        self.changed.notify_waiters();
    }

    /// Waits until `found` says yes.
    pub async fn wait(&self, what: &str, found: impl Fn(&Traces) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if found(self) {
                    return;
                }
                changed.await;
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(outcome.is_ok(), "waiting for {what}");
    }

    pub async fn wait_for_put(&self, count: usize) {
        self.wait(&format!("{count} records"), |t| t.put.lock().unwrap().len() >= count).await;
    }
}

/// An offset that is made into a map only when it is stored.
#[derive(Debug)]
struct LineNumber(i64);

impl Position for LineNumber {
    fn committed_ms(&self) -> Option<i64> {
        // Five seconds ago.
        Some(SystemClock.now_ms() - 5000)
    }

    fn to_map(&self) -> OffsetMap {
        OffsetMap::new([("next", Value::Int64(self.0))])
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Sends `count` numbers to `topic`, from where the stored offset ends. `panic.at` and `fail.at` end it early;
/// `offset.at.end` is an offset without a record. `commit.every` and `abort.every` end transactions behind such numbers.
pub struct CountingSource;

#[derive(Default)]
struct CountingTask {
    next: i64,
    count: i64,
    topic: Arc<str>,
    panic_at: Option<i64>,
    fail_at: Option<i64>,
    offset_at_end: Option<i64>,
    commit_every: Option<i64>,
    abort_every: Option<i64>,
    /// Sent instead of numbers.
    line: Option<Value>,
    partition: OffsetMap,
    traces: Arc<Traces>,
}

impl ConnectorPlugin for CountingSource {
    fn class(&self) -> &'static str {
        "test.CountingSourceConnector"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> ConfigDef {
        ConfigDef::new()
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::per_task_max())
    }
}

impl SourcePlugin for CountingSource {
    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(CountingTask::default())
    }
}

fn number(props: &Props, key: &str) -> Option<i64> {
    props.get(key).map(|text| text.parse().expect("a number"))
}

#[async_trait]
impl SourceTask for CountingTask {
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()> {
        self.traces = traces(&context.connector);
        self.traces.call("start");
        if props.get("start.fails").is_some() {
            return Err(Error::config("cannot start").caused_by(Error::remote("no route")));
        }
        self.partition = OffsetMap::new([("source", Value::str("numbers"))]);
        let stored = context.offsets.offsets(std::slice::from_ref(&self.partition)).await?;
        self.next = stored[0].as_ref().and_then(|o| o.get("next")).and_then(Value::as_i64).unwrap_or(0);
        self.count = number(props, "count").unwrap_or(i64::MAX);
        self.panic_at = number(props, "panic.at");
        self.fail_at = number(props, "fail.at");
        self.line = props.get("line").map(Value::str);
        self.offset_at_end = number(props, "offset.at.end");
        self.commit_every = number(props, "commit.every");
        self.abort_every = number(props, "abort.every");
        self.topic = props.get("topic").expect("topic").into();
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        if self.next >= self.count {
            return match self.offset_at_end.take() {
                Some(next) => {
                    batch.push_offset(self.partition.clone(), Arc::new(OffsetMap::new([("next", Value::Int64(next))])));
                    Ok(())
                }
                None => std::future::pending().await,
            };
        }
        while self.next < self.count && !batch.is_full() {
            assert_ne!(Some(self.next), self.panic_at, "told to panic");
            if Some(self.next) == self.fail_at {
                return Err(Error::fatal("told to fail"));
            }
            if let Some(line) = &self.line {
                self.next += 1;
                let line = Datum::new(Schema::string(), line.clone());
                batch.push(SourceRecord {
                    record: Record::new(self.topic.clone(), Datum::NULL, line),
                    source_partition: self.partition.clone(),
                    source_offset: Arc::new(LineNumber(self.next)),
                });
                continue;
            }
            let mut record = Record::new(
                self.topic.clone(),
                Datum::new(Schema::string(), format!("k{}", self.next % 10)),
                Datum::new(Schema::string(), self.next.to_string()),
            );
            record.headers.push(Header { key: "n".into(), value: Datum::new(Schema::int64(), self.next) });
            self.next += 1;
            batch.push(SourceRecord {
                record,
                source_partition: self.partition.clone(),
                source_offset: Arc::new(LineNumber(self.next)),
            });
            if self.abort_every.is_some_and(|every| self.next % every == 0) {
                batch.abort_transaction();
            } else if self.commit_every.is_some_and(|every| self.next % every == 0) {
                batch.commit_transaction();
            }
        }
        Ok(())
    }

    async fn commit(&mut self, durable: &[Durable]) -> Result<()> {
        for one in durable {
            let offset = one.offset.to_map().get("next").and_then(Value::as_i64).unwrap_or(-1);
            self.traces.committed.lock().unwrap().push(offset);
        }
        self.traces.call("commit");
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.traces.call("stop");
        Ok(())
    }
}

/// Keeps what it is given. `fail.value` fails the task, `report.value` reports a record, `rewind.once` goes back to 0,
/// `pre.commit.fails.once` says it all.
pub struct MemorySink;

#[derive(Default)]
struct MemoryTask {
    traces: Arc<Traces>,
    context: Option<SinkTaskContext>,
    fail_value: Option<String>,
    report_value: Option<String>,
    /// What the report says.
    report_text: String,
    swallows: bool,
    rewind: bool,
    count_only: bool,
    pre_commit_fails: bool,
}

impl ConnectorPlugin for MemorySink {
    fn class(&self) -> &'static str {
        "test.MemorySinkConnector"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> ConfigDef {
        ConfigDef::new()
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::per_task_max())
    }
}

impl SinkPlugin for MemorySink {
    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(MemoryTask::default())
    }
}

#[async_trait]
impl SinkTask for MemoryTask {
    async fn start(&mut self, props: &Props, context: SinkTaskContext) -> Result<()> {
        self.traces = traces(&context.connector);
        self.traces.call("start");
        self.fail_value = props.get("fail.value").map(str::to_owned);
        self.report_value = props.get("report.value").map(str::to_owned);
        self.report_text = props.get("report.text").unwrap_or("not wanted").to_owned();
        self.swallows = props.get("report.swallowed").is_some();
        self.pre_commit_fails = props.get("pre.commit.fails.once").is_some();
        self.count_only = props.get("count.only").is_some();
        self.rewind = props.get("rewind.once").is_some();
        self.context = Some(context);
        Ok(())
    }

    async fn open(&mut self, _added: &[TopicPartition]) -> Result<()> {
        self.traces.call("open");
        Ok(())
    }

    async fn put(&mut self, batch: &[SinkRecord]) -> Result<()> {
        let context = self.context.as_ref().expect("started");
        if batch.is_empty() {
            return Ok(());
        }
        {
            let mut failures = self.traces.failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                context.retry_after(Duration::from_millis(10));
                return Err(Error::remote("away"));
            }
        }
        if self.count_only {
            return Ok(());
        }
        for record in batch {
            let value = record.record.value.value.as_str().map(str::to_owned);
            if value.is_some() && value == self.fail_value {
                return Err(Error::fatal("told to fail"));
            }
            if value.is_some() && value == self.report_value {
                let reporter = context.reporter.as_ref().expect("a reporter");
                let outcome = reporter.report(record, Error::data(self.report_text.clone())).await;
                if !self.swallows {
                    outcome?;
                }
                continue;
            }
            let topic = record.record.topic.to_string();
            self.traces.put.lock().unwrap().push((topic, value, record.original_offset));
        }
        if std::mem::take(&mut self.rewind) {
            context.rewind(batch[0].original.clone(), 0);
        }
        self.traces.changed.notify_waiters();
        Ok(())
    }

    async fn pre_commit(&mut self, seen: &Offsets) -> Result<Offsets> {
        if std::mem::take(&mut self.pre_commit_fails) {
            return Err(Error::remote("cannot upload"));
        }
        self.traces.committed.lock().unwrap().extend(seen.values());
        self.traces.call("pre_commit");
        Ok(seen.clone())
    }

    async fn close(&mut self, _lost: &[TopicPartition]) -> Result<()> {
        self.traces.call("close");
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.traces.call("stop");
        Ok(())
    }
}
