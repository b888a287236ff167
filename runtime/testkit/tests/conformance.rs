//! The suites pass for tasks that keep their promises and fail for tasks that break one.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use couplet_api::config::{ConfigDef, Props};
use couplet_api::connector::{Connector, ConnectorPlugin, SinkPlugin, SourcePlugin, StaticConnector};
use couplet_api::data::{Datum, OffsetMap, Record, SinkRecord, SourceRecord, TimestampType, TopicPartition, Value};
use couplet_api::sink::{Offsets, SinkTask, SinkTaskContext};
use couplet_api::source::{SourceBatch, SourceTask, SourceTaskContext};
use couplet_api::{Error, Result};
use couplet_testkit::conformance::{
    SinkExpectations, SourceExpectations, Target, sink_conformance, source_conformance,
};
use panics::catch;

/// Catches the panic of a future.
mod panics {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Poll;

    pub async fn catch<F: Future>(future: F) -> Result<F::Output, String> {
        let mut future = pin!(future);
        std::future::poll_fn(move |cx| {
            match std::panic::catch_unwind(super::AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
                Err(panic) => Poll::Ready(Err(couplet_api::spawn::panic_text(&*panic).to_owned())),
            }
        })
        .await
    }
}

/// What a counting source does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    None,
    AdvancesBeforePush,
    SkipsOnResume,
    IgnoresLimits,
}

/// Emits 1 to 20.
struct Counting(Flaw);

struct CountingTask {
    flaw: Flaw,
    next: i64,
}

#[async_trait]
impl ConnectorPlugin for Counting {
    fn class(&self) -> &'static str {
        "test.Counting"
    }

    fn version(&self) -> &'static str {
        "1"
    }

    fn config_def(&self) -> ConfigDef {
        ConfigDef::new()
    }

    fn connector(&self) -> Box<dyn Connector> {
        Box::new(StaticConnector::single())
    }
}

impl SourcePlugin for Counting {
    fn task(&self) -> Box<dyn SourceTask> {
        Box::new(CountingTask { flaw: self.0, next: 1 })
    }
}

#[async_trait]
impl SourceTask for CountingTask {
    async fn start(&mut self, props: &Props, context: SourceTaskContext) -> Result<()> {
        if props.contains("broken") {
            return Err(Error::config("broken"));
        }
        let stored = context.offsets.offsets(&[OffsetMap::new([("p", Value::Int64(0))])]).await?;
        if let Some(n) = stored[0].as_ref().and_then(|o| o.get("n")).and_then(Value::as_i64) {
            self.next = n + if self.flaw == Flaw::SkipsOnResume { 2 } else { 1 };
        }
        Ok(())
    }

    async fn poll(&mut self, batch: &mut SourceBatch) -> Result<()> {
        while self.next <= 20 && (self.flaw == Flaw::IgnoresLimits || !batch.is_full()) {
            let n = self.next;
            if self.flaw == Flaw::AdvancesBeforePush {
                self.next += 1;
            }
            tokio::task::yield_now().await;
            batch.push(SourceRecord {
                record: Record::new("t", Datum::NULL, Datum::schemaless(n)),
                source_partition: OffsetMap::new([("p", Value::Int64(0))]),
                source_offset: Arc::new(OffsetMap::new([("n", Value::Int64(n))])),
            });
            self.next = n + 1;
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

async fn check_source(flaw: Flaw) -> Result<(), String> {
    let expect = SourceExpectations {
        broken: Some(Props::from_iter([("broken", "")])),
        patience: std::time::Duration::from_millis(300),
        ..SourceExpectations::new(20)
    };
    let (plugin, props) = (Counting(flaw), Props::new());
    catch(source_conformance(&plugin, &props, &expect)).await
}

#[tokio::test]
async fn source_suite_finds_each_flaw() {
    assert_eq!(check_source(Flaw::None).await, Ok(()));
    for (flaw, want) in [
        (Flaw::AdvancesBeforePush, "came in time"),
        (Flaw::SkipsOnResume, "records are missing"),
        (Flaw::IgnoresLimits, "in a batch of at most"),
    ] {
        let panic = check_source(flaw).await.expect_err("the flaw is found");
        assert!(panic.contains(want), "{panic}");
    }
}

/// A table of names that can be unreachable.
#[derive(Default)]
struct Table {
    down: Mutex<bool>,
    names: Mutex<Vec<String>>,
}

#[async_trait]
impl Target for Table {
    async fn interrupt(&self) -> bool {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = true;
        true
    }

    async fn mend(&self) {
        *self.down.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    async fn delivered(&self) -> Option<Vec<String>> {
        Some(self.names.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Writes names into the table; `halves` keeps the first record of a batch that fails.
struct TablePlugin {
    table: Arc<Table>,
    halves: bool,
    overcommits: bool,
}

struct TableTask {
    table: Arc<Table>,
    halves: bool,
    overcommits: bool,
}

#[async_trait]
impl ConnectorPlugin for TablePlugin {
    fn class(&self) -> &'static str {
        "test.Table"
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

impl SinkPlugin for TablePlugin {
    fn task(&self) -> Box<dyn SinkTask> {
        Box::new(TableTask { table: self.table.clone(), halves: self.halves, overcommits: self.overcommits })
    }
}

fn name(record: &SinkRecord) -> String {
    format!("{}@{}", record.original, record.original_offset)
}

#[async_trait]
impl SinkTask for TableTask {
    async fn start(&mut self, _props: &Props, _context: SinkTaskContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, batch: &[SinkRecord]) -> Result<()> {
        let down = *self.table.down.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = self.table.names.lock().unwrap_or_else(PoisonError::into_inner);
        if down {
            names.extend(batch.iter().take(usize::from(self.halves)).map(name));
            return Err(Error::remote("down"));
        }
        names.extend(batch.iter().map(name));
        Ok(())
    }

    async fn pre_commit(&mut self, seen: &Offsets) -> Result<Offsets> {
        Ok(seen.iter().map(|(p, o)| (p.clone(), o + i64::from(self.overcommits))).collect())
    }

    async fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}

async fn check_sink(halves: bool, overcommits: bool) -> Result<(), String> {
    let table = Arc::new(Table::default());
    let record = |offset: i64| SinkRecord {
        record: Record::new("t", Datum::NULL, Datum::schemaless(offset)),
        original: TopicPartition::new("t", (offset % 2) as i32),
        original_offset: offset,
        timestamp_type: TimestampType::None,
    };
    let expect =
        SinkExpectations { records: (0..6).map(record).collect(), identity: name, broken: None, target: &*table };
    let plugin = TablePlugin { table: table.clone(), halves, overcommits };
    catch(sink_conformance(&plugin, &Props::new(), &expect)).await
}

#[tokio::test]
async fn sink_suite_finds_each_flaw() {
    assert_eq!(check_sink(false, false).await, Ok(()));
    let panic = check_sink(true, false).await.expect_err("half a batch is found");
    assert!(panic.contains("was written 2 times"), "{panic}");
    let panic = check_sink(false, true).await.expect_err("a commit beyond what was put is found");
    assert!(panic.contains("was put"), "{panic}");
}
