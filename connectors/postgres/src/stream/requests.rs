//! What signals make the stream do: incremental and blocking snapshots.

use couplet_api::{Kind, Result};
use couplet_cdc::{Action, Signal, SnapshotRequest};
use tokio::time::{Instant, sleep_until};

use super::{Loop, Streaming};
use crate::chunk::ChunkPlan;
use crate::incremental::Reader;
use crate::schema::Row;
use crate::snapshot;
use crate::wire::Lsn;

impl Streaming {
    /// The incremental snapshot, and what it works with while the stream is at `at`.
    fn reader<'a>(
        &'a mut self,
        state: &'a mut Loop,
        at: Lsn,
    ) -> (&'a mut couplet_cdc::Incremental<ChunkPlan, Row>, Reader<'a>) {
        let Streaming { config, records, sql, types, outbox, .. } = self;
        let Loop { emitter, incremental, place, .. } = state;
        (incremental, Reader { config, records, sql, types, emitter, outbox, at, place })
    }

    /// Takes up an incremental snapshot that was running.
    pub(super) async fn resume_snapshot(&mut self, state: &mut Loop) -> Result<()> {
        let at = state.emitter.position().lsn;
        let (incremental, mut reader) = self.reader(state, at);
        incremental.resume_after_restart(&mut reader).await
    }

    /// Does what `signal`, which came while the stream is at `at`, asks for.
    pub(super) async fn on_signal(&mut self, signal: &Signal, at: Lsn, state: &mut Loop) -> Result<()> {
        let Some(action) = signal.action() else { return Ok(()) };
        match action {
            Action::Log(message) => {
                let offset = state.emitter.position().describe();
                tracing::info!(id = signal.id, "{}", message.replace("{}", &offset));
                Ok(())
            }
            Action::Execute(request) if request.blocking => {
                state.blocking.push_back(request);
                Ok(())
            }
            action => {
                let (incremental, mut reader) = self.reader(state, at);
                incremental.on_signal(&signal.id, action, &mut reader).await
            }
        }
    }

    /// Takes signals out of the channels that are looked at now and then.
    pub(super) async fn look_for_signals(&mut self, state: &mut Loop) -> Result<()> {
        for signal in state.channels.take().await {
            let at = state.emitter.position().lsn;
            self.on_signal(&signal, at, state).await?;
        }
        self.between_transactions(state.received, state).await
    }

    /// What waits for the end of a transaction: blocking snapshots, and windows that end at a place in the log.
    pub(super) async fn between_transactions(&mut self, passed: Lsn, state: &mut Loop) -> Result<()> {
        if state.emitter.in_transaction() {
            return Ok(());
        }
        if state.place.is_some_and(|place| place <= passed) {
            state.place = None;
            let (incremental, mut reader) = self.reader(state, passed);
            let chunk = incremental.chunk().to_owned();
            incremental.close_window(&chunk, &mut reader).await?;
        }
        while let Some(request) = state.blocking.pop_front() {
            self.blocking_snapshot(&request, state).await?;
        }
        Ok(())
    }

    /// Reads tables while the stream stands still. As in Debezium, an error ends the snapshot and not the stream, and a
    /// snapshot that a restart interrupts is not taken up again.
    async fn blocking_snapshot(&mut self, request: &SnapshotRequest, state: &mut Loop) -> Result<()> {
        self.deliver(state).await?;
        tracing::info!(tables = request.collections.join(","), "a blocking snapshot; streaming waits for it");
        let interval = self.status_interval();
        let Streaming { config, records, types, outbox, confirmed, .. } = self;
        let base = state.emitter.position().clone();
        let plan = snapshot::Plan { config, records, exported: None, request: Some((request, &base)) };
        let mut snapshot = Box::pin(snapshot::take(plan, types, outbox));
        let outcome = loop {
            tokio::select! {
                outcome = &mut snapshot => break outcome,
                () = sleep_until(state.next_status) => {
                    let durable = *confirmed.borrow_and_update();
                    let flushed = if config.flush_lsn { durable } else { Lsn::default() };
                    state.next_status = Instant::now() + interval;
                    state.wal.status(state.received, flushed, false).await?;
                }
            }
        };
        drop(snapshot);
        match outcome {
            Ok(_) => tracing::info!("the blocking snapshot is complete"),
            Err(error) if matches!(error.kind(), Kind::Remote | Kind::Fenced) => return Err(error),
            Err(error) => tracing::error!(%error, "error while executing the requested blocking snapshot"),
        }
        self.deliver(state).await
    }
}
