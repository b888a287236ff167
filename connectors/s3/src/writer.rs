use std::borrow::Cow;

use couplet_api::data::{Datum, Schema, SinkRecord, TopicPartition};
use couplet_api::sink::SinkTaskContext;
use couplet_api::{Error, Kind, Result};
use couplet_storage::compatibility::project;
use couplet_storage::partition::is_unplaced;
use couplet_storage::rotate::{Arrival, Decision, Rotation};
use futures::StreamExt as _;
use indexmap::IndexMap;

use crate::client::{Completed, Store};
use crate::config::Settings;
use crate::events;
use crate::file::{Encoded, OpenFile};

/// Files of a topic partition that are completed at the same time.
const COMPLETED_AT_ONCE: usize = 8;

/// What all partitions of a task share.
pub(crate) struct Sink {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) context: SinkTaskContext,
}

impl Sink {
    /// Hands `record` to the errant record reporter; without one `otherwise` fails the task.
    async fn report(&self, record: &SinkRecord, error: Error, otherwise: fn(Error) -> Error) -> Result<()> {
        match &self.context.reporter {
            Some(reporter) => reporter.report(record, error).await,
            None => Err(otherwise(error)),
        }
    }
}

/// Why writing stopped.
enum Failure {
    /// S3 may take the records later: read them again, from this offset if it is not that of the oldest open file.
    Retry(Error, Option<i64>),
    /// The task fails.
    Task(Error),
}

impl Failure {
    fn of_store(error: Error) -> Self {
        match error.kind() {
            Kind::Remote => Failure::Retry(error, None),
            _ => Failure::Task(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Task(error)
    }
}

/// Writes the records of one topic partition. Offsets become committable only when all files up to them are visible.
pub(crate) struct PartitionWriter {
    partition: TopicPartition,
    rotation: Rotation,
    /// Open files by directory, in the order they were opened.
    open: IndexMap<String, OpenFile>,
    /// Offset of the first record since all files last closed: where reading starts again after a failure.
    first_offset: Option<i64>,
    last_offset: Option<i64>,
    committable: Option<i64>,
    /// Records put but not written yet: writing took too long, or waits after a failure.
    pending: Vec<SinkRecord>,
    paused: bool,
    blocked_until_ms: Option<i64>,
    /// Set while records are awaited that were asked for again: the highest offset put so far. What lies above it was
    /// on its way already and comes once more.
    stale_above: Option<i64>,
    directory: String,
    encoded: Encoded,
    /// Offsets since files last closed and the names of files that would start there; conditional writes only.
    names: Vec<(i64, String)>,
}

impl PartitionWriter {
    /// Nothing is open. `now_ms`: milliseconds since the epoch.
    pub(crate) fn new(partition: TopicPartition, settings: &Settings, now_ms: i64) -> Self {
        PartitionWriter {
            partition,
            rotation: Rotation::new(&settings.rules, now_ms),
            open: IndexMap::new(),
            first_offset: None,
            last_offset: None,
            committable: None,
            pending: Vec::new(),
            paused: false,
            blocked_until_ms: None,
            stale_above: None,
            directory: String::new(),
            encoded: Encoded::default(),
            names: Vec::new(),
        }
    }

    /// The next offset that may be committed, once.
    pub(crate) fn take_committable(&mut self) -> Option<i64> {
        self.committable.take()
    }

    /// When this writer wants to be called though no record arrives, in milliseconds since the epoch.
    pub(crate) fn wakes_at_ms(&self) -> Option<i64> {
        self.blocked_until_ms.or_else(|| self.rotation.wakes_at_ms())
    }

    /// Writes `fresh` records, or keeps them for later: after a failure, or when `deadline_ms` passes meanwhile.
    /// Files that are due close, with or without records.
    ///
    /// # Errors
    /// The task must fail. When S3 may recover, the records are asked for again instead.
    pub(crate) async fn write(
        &mut self,
        sink: &Sink,
        fresh: &[&SinkRecord],
        now_ms: i64,
        deadline_ms: Option<i64>,
    ) -> Result<()> {
        let fresh = self.without_stale(fresh);
        if let Some(until) = self.blocked_until_ms {
            if now_ms < until {
                self.pending.extend(fresh.iter().copied().cloned());
                return Ok(());
            }
            self.blocked_until_ms = None;
        }
        self.rotation.skip_idle_schedule(&sink.settings.rules, now_ms);
        let pending = std::mem::take(&mut self.pending);
        let mut written = 0;
        let outcome = self.write_all(sink, (&pending, fresh), now_ms, deadline_ms, &mut written).await;
        match outcome {
            Ok(()) => {
                if written < pending.len() + fresh.len() {
                    let rest = pending.into_iter().chain(fresh.iter().copied().cloned());
                    self.pending = rest.skip(written).collect();
                }
                self.pause_or_resume(sink);
                Ok(())
            }
            Err(Failure::Task(error)) => Err(error),
            Err(Failure::Retry(error, from)) => {
                let current = pending.iter().chain(fresh.iter().copied()).nth(written).map(|r| r.original_offset);
                let from = from.or(self.first_offset).or(current);
                self.start_again(sink, error, from, now_ms).await;
                self.stale_above = pending.iter().chain(fresh.iter().copied()).map(|r| r.original_offset).max();
                Ok(())
            }
        }
    }

    /// Drops records that were on their way when others were asked for again.
    fn without_stale<'a, 'b>(&mut self, fresh: &'a [&'b SinkRecord]) -> &'a [&'b SinkRecord] {
        let Some(highest) = self.stale_above else { return fresh };
        let again = fresh.iter().position(|record| record.original_offset <= highest);
        let (stale, wanted) = fresh.split_at(again.unwrap_or(fresh.len()));
        self.stale_above = match again {
            Some(_) => None,
            None => stale.last().map_or(Some(highest), |record| Some(record.original_offset)),
        };
        wanted
    }

    async fn write_all(
        &mut self,
        sink: &Sink,
        (pending, fresh): (&[SinkRecord], &[&SinkRecord]),
        now_ms: i64,
        deadline_ms: Option<i64>,
        written: &mut usize,
    ) -> Result<(), Failure> {
        for record in pending.iter().chain(fresh.iter().copied()) {
            if deadline_ms.is_some_and(|deadline| sink.context.clock.now_ms() > deadline) {
                return Ok(());
            }
            self.write_one(sink, record, now_ms).await?;
            *written += 1;
        }
        if self.rotation.closes_idle(&sink.settings.rules, now_ms) {
            self.close_files(sink).await?;
        }
        Ok(())
    }

    async fn write_one(&mut self, sink: &Sink, record: &SinkRecord, now_ms: i64) -> Result<(), Failure> {
        let settings = &sink.settings;
        let tombstone = settings.partitioner.is_tombstone(record);
        let mut directory = std::mem::take(&mut self.directory);
        loop {
            let timestamp = settings.partitioner.timestamp(record, now_ms)?;
            directory.clear();
            if let Err(error) = settings.partitioner.directory(record, timestamp, &mut directory) {
                return match is_unplaced(&error) {
                    true => Ok(sink.report(record, error, |e| e).await?),
                    false => Err(error.into()),
                };
            }
            self.note_name(settings, &directory, record);
            let arrival = Arrival {
                directory: &directory,
                timestamp,
                schema: record.record.value.schema.as_ref(),
                tombstone,
                opens_file: !self.open.contains_key(&directory),
                open_files: self.open.len(),
            };
            match self.rotation.decide(&settings.rules, &arrival, now_ms) {
                Err(error) => return Ok(sink.report(record, error, |e| e).await?),
                Ok(Decision::Close(reason)) => {
                    events::closing(&self.partition, reason, self.rotation.records());
                    self.close_files(sink).await?;
                }
                Ok(Decision::Append) => {
                    let appended = self.append(sink, record, &arrival).await?;
                    if let Some(reason) = appended.then(|| self.rotation.appended(&settings.rules, &arrival)).flatten()
                    {
                        events::closing(&self.partition, reason, self.rotation.records());
                        self.close_files(sink).await?;
                    }
                    break;
                }
            }
        }
        self.directory = directory;
        Ok(())
    }

    /// Writes `record` into the file of its directory. `false`: it was reported instead.
    async fn append(&mut self, sink: &Sink, record: &SinkRecord, arrival: &Arrival<'_>) -> Result<bool, Failure> {
        let value = match projected(record, self.rotation.schema_of(arrival.directory)) {
            Ok(value) => value,
            Err(error) => return Ok(sink.report(record, error, |e| e).await.map(|()| false)?),
        };
        if let Err(error) = self.encoded.encode(&sink.settings, record, &value, arrival.tombstone) {
            let wrap = |e: Error| Error::fatal(format!("{}: {}", e.class(), e.message())).caused_by(e);
            return Ok(sink.report(record, error, wrap).await.map(|()| false)?);
        }
        let offset = record.original_offset;
        self.first_offset = self.first_offset.or(Some(offset));
        let file = match self.open.get_mut(arrival.directory) {
            Some(file) => file,
            None => self.open.entry(arrival.directory.to_owned()).or_insert_with(|| {
                OpenFile::new(&sink.settings, arrival.directory, &self.partition, offset, arrival.tombstone)
            }),
        };
        file.append(&sink.store, offset, &self.encoded).await.map_err(Failure::of_store)?;
        self.last_offset = Some(offset);
        Ok(true)
    }

    /// Makes all open files visible; what they hold is then committable.
    async fn close_files(&mut self, sink: &Sink) -> Result<(), Failure> {
        match sink.settings.conditional {
            Some(tries_max) => self.complete_new(sink, tries_max).await?,
            None => self.complete(sink).await?,
        }
        if self.rotation.records() > 0 {
            self.committable = self.last_offset.map(|offset| offset + 1);
        }
        self.open.clear();
        self.names.clear();
        self.first_offset = None;
        self.rotation.closed();
        Ok(())
    }

    /// Several at a time; a failure leaves the others to finish, for they will be written again with the same bytes.
    async fn complete(&mut self, sink: &Sink) -> Result<(), Failure> {
        let finishes: Vec<_> =
            self.open.values_mut().map(|file| Box::pin(file.finish(&sink.store, &sink.settings))).collect();
        let outcomes: Vec<Result<Completed>> =
            futures::stream::iter(finishes).buffer_unordered(COMPLETED_AT_ONCE).collect().await;
        let mut failure = None;
        for error in outcomes.into_iter().filter_map(Result::err) {
            if failure.is_none() || error.kind() != Kind::Remote {
                failure = Some(Failure::of_store(error));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// One after the other and never over an existing object: reading goes on behind it under a free name.
    async fn complete_new(&mut self, sink: &Sink, tries_max: usize) -> Result<(), Failure> {
        for at in 0..self.open.len() {
            let Some((_, file)) = self.open.get_index_mut(at) else { break };
            match Box::pin(file.finish(&sink.store, &sink.settings)).await.map_err(Failure::of_store)? {
                Completed::Stored => {}
                Completed::Exists => {
                    let first = file.first_offset();
                    let free = self.free_offset(sink, first + 1, tries_max).await.map_err(Failure::of_store)?;
                    let others = self.open.values().skip(at + 1).map(OpenFile::first_offset);
                    let from = others.chain([free]).min();
                    let error = Error::remote("File already exists");
                    return Err(Failure::Retry(error, from));
                }
            }
        }
        Ok(())
    }

    /// The first offset from `start` on whose file name is not taken, after at most `tries_max` tries.
    async fn free_offset(&self, sink: &Sink, start: i64, tries_max: usize) -> Result<i64> {
        let mut offset = start;
        for _ in 0..tries_max {
            let name = self.names.iter().find(|(known, _)| *known == offset).map(|(_, name)| name);
            match name {
                Some(name) if sink.store.exists(name).await? => offset += 1,
                _ => break,
            }
        }
        Ok(offset)
    }

    fn note_name(&mut self, settings: &Settings, directory: &str, record: &SinkRecord) {
        let offset = record.original_offset;
        let Some(tries_max) = settings.conditional else { return };
        if self.names.len() < tries_max && self.names.last().is_none_or(|(last, _)| *last != offset) {
            let stem = settings.naming.stem(directory, &self.partition, offset);
            self.names.push((offset, format!("{stem}{}", settings.extension(&settings.values))));
        }
    }

    /// Forgets what is open and asks for the records again after a pause.
    ///
    /// Reading starts at the first record since all files last closed, even if some of those files are visible by now:
    /// only then do all files get the same names and bytes again.
    async fn start_again(&mut self, sink: &Sink, error: Error, from: Option<i64>, now_ms: i64) {
        self.abort(&sink.store).await;
        let pause = sink.settings.retry_pause;
        events::starting_again(&self.partition, from, pause, &error);
        let committable = self.committable;
        *self = PartitionWriter::new(self.partition.clone(), &sink.settings, now_ms);
        self.committable = committable;
        self.paused = true;
        self.blocked_until_ms = Some(now_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)));
        let partition = std::slice::from_ref(&self.partition);
        sink.context.pause(partition);
        if let Some(offset) = from {
            sink.context.rewind(self.partition.clone(), offset);
        }
    }

    /// Stops reading while more than a file's worth of records waits.
    fn pause_or_resume(&mut self, sink: &Sink) {
        let partition = std::slice::from_ref(&self.partition);
        let waiting = i64::try_from(self.pending.len()).unwrap_or(i64::MAX);
        if waiting >= sink.settings.rules.flush_size.max(1) {
            sink.context.pause(partition);
            self.paused = true;
        } else if self.paused {
            sink.context.resume(partition);
            self.paused = false;
        }
    }

    /// Gives up all open files.
    pub(crate) async fn abort(&mut self, store: &Store) {
        let aborts: Vec<_> = self.open.values_mut().map(|file| Box::pin(file.abort(store))).collect();
        futures::stream::iter(aborts).buffer_unordered(COMPLETED_AT_ONCE).for_each(|()| async {}).await;
        self.open.clear();
    }
}

/// The value of `record` under the schema of its file.
fn projected<'a>(record: &'a SinkRecord, target: Option<&couplet_api::data::SchemaRef>) -> Result<Cow<'a, Datum>> {
    let datum = &record.record.value;
    match (&datum.schema, target) {
        (Some(source), Some(target)) if !Schema::same(source, target) => {
            let value = project(source, &datum.value, target)?;
            Ok(Cow::Owned(Datum { schema: Some(target.clone()), value }))
        }
        _ => Ok(Cow::Borrowed(datum)),
    }
}
