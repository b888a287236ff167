//! What signals make the stream do: incremental and blocking snapshots.

use couplet_api::{Kind, Result};
use couplet_cdc::{Action, Signal, SnapshotRequest};
use tokio::time::{Instant, sleep_until};

use super::{Loop, Streaming};
use crate::incremental::Parts;
use crate::snapshot;
use crate::wire::Lsn;

impl Streaming {
    /// The incremental snapshot, and what it works with.
    fn parts<'a>(&'a mut self, state: &'a mut Loop, at: Lsn) -> (&'a mut crate::incremental::Incremental, Parts<'a>) {
        let Streaming { sql, types, outbox, .. } = self;
        let Loop { emitter, incremental, .. } = state;
        (incremental, Parts { sql, types, emitter, outbox, at })
    }

    /// Takes up an incremental snapshot that was running.
    pub(super) async fn resume_snapshot(&mut self, state: &mut Loop) -> Result<()> {
        let at = state.emitter.position().lsn;
        let (incremental, mut parts) = self.parts(state, at);
        incremental.resume_after_restart(&mut parts).await
    }

    /// Does what `signal`, which came while the stream is at `at`, asks for.
    pub(super) async fn on_signal(&mut self, signal: &Signal, at: Lsn, state: &mut Loop) -> Result<()> {
        let Some(action) = signal.action() else { return Ok(()) };
        match action {
            Action::Log(message) => {
                let offset = state.emitter.position().describe();
                tracing::info!(id = signal.id, "{}", message.replace("{}", &offset));
                return Ok(());
            }
            Action::Execute(request) if request.blocking => {
                state.blocking.push_back(request);
                return Ok(());
            }
            _ => {}
        }
        let (incremental, mut parts) = self.parts(state, at);
        match action {
            Action::Execute(request) => incremental.execute(&signal.id, &request, &mut parts).await,
            Action::Stop(names) => {
                incremental.stop(names);
                Ok(())
            }
            Action::Pause => {
                incremental.pause(&mut parts);
                Ok(())
            }
            Action::Resume => incremental.resume(&mut parts).await,
            Action::OpenWindow => {
                incremental.open_window(&signal.id);
                Ok(())
            }
            Action::CloseWindow => incremental.close_window(&signal.id, &mut parts).await,
            Action::Log(_) => Ok(()),
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
        if state.incremental.waits() {
            let (incremental, mut parts) = self.parts(state, passed);
            incremental.passed(&mut parts).await?;
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
