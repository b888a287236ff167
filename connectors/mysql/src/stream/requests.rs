//! What signals make the stream do: incremental and blocking snapshots.

use std::sync::Arc;

use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use couplet_cdc::{Action, Incremental, Signal};

use super::{Streaming, TableSchema};
use crate::binlog::{RowChange, RowKind};
use crate::chunk::ChunkPlan;
use crate::incremental::Reader;
use crate::schema::Row;
use crate::snapshot::{Plan, Standing, Taking};

impl Streaming {
    /// The incremental snapshot, and what it works with.
    fn reader(&mut self) -> (&mut Incremental<ChunkPlan, Row>, Reader<'_>) {
        let Streaming { config, records, server, definitions, outbox, emitter, incremental, place, .. } = self;
        (incremental, Reader { config, records, server, definitions, emitter, outbox, place })
    }

    /// Takes up an incremental snapshot that was running.
    pub(super) async fn resume_snapshot(&mut self) -> Result<()> {
        let (incremental, mut reader) = self.reader();
        incremental.resume_after_restart(&mut reader).await?;
        self.end_window().await
    }

    /// The signals in changed rows of the signal table `table`, without the first `skip` ones, which are done.
    pub(super) fn signals(
        &self,
        table: &Arc<TableSchema>,
        kind: RowKind,
        changes: Vec<RowChange>,
        skip: usize,
    ) -> Result<Vec<Signal>> {
        let signals = &self.config.signals;
        let mut found = Vec::new();
        for (before, after) in changes.into_iter().skip(skip) {
            let (cells, deleted) = match (kind, before, after) {
                (RowKind::Write, _, Some(after)) => (after, false),
                (RowKind::Delete, Some(before), _) if signals.delete_marks => (before, true),
                _ => continue,
            };
            let row = table.row(cells).map_err(|error| Error::fatal(error.to_string()))?;
            let row = table.value(row);
            let values = row.as_struct().map(|row| row.values()).unwrap_or_default();
            let signal = if deleted { Signal::from_deleted_row(values) } else { Signal::from_row(values) };
            // Marks of our own chunks are never left out.
            found.extend(signal.filter(|s| signals.from_table || s.kind.starts_with("snapshot-window-")));
        }
        Ok(found)
    }

    /// Does what `signal` asks for.
    pub(super) async fn on_signal(&mut self, signal: &Signal) -> Result<()> {
        let Some(action) = signal.action() else { return Ok(()) };
        match action {
            Action::Log(message) => {
                let offset = self.emitter.position().describe();
                tracing::info!(id = signal.id, "{}", message.replace("{}", &offset));
                Ok(())
            }
            Action::Execute(request) if request.blocking => {
                self.blocking.push_back(request);
                Ok(())
            }
            action => {
                let (incremental, mut reader) = self.reader();
                incremental.on_signal(&signal.id, action, &mut reader).await
            }
        }
    }

    /// Takes signals out of the channels besides the signal table.
    pub(super) async fn look_for_signals(&mut self) -> Result<()> {
        for signal in self.channels.take().await {
            self.on_signal(&signal).await?;
        }
        if !self.emitter.tracker.in_transaction() {
            self.blocking_snapshots().await?;
        }
        self.end_window().await
    }

    /// Ends the window that waits for a place in the log, once the stream has passed it; and those behind it, as long as
    /// nothing else happens in the log.
    pub(super) async fn end_window(&mut self) -> Result<()> {
        while let Some(place) = self.place.take_if(|place| self.emitter.tracker.has_passed(place)) {
            tracing::debug!(?place, "passed");
            let (incremental, mut reader) = self.reader();
            let chunk = incremental.chunk().to_owned();
            incremental.close_window(&chunk, &mut reader).await?;
            if self.outbox.is_full() {
                self.outbox.flush().await?;
            }
        }
        Ok(())
    }

    /// Takes the blocking snapshots that were asked for, while the stream stands still. As in Debezium, an error ends the
    /// snapshot and not the stream, and a snapshot that a restart interrupts is not taken up again.
    pub(super) async fn blocking_snapshots(&mut self) -> Result<()> {
        while let Some(request) = self.blocking.pop_front() {
            self.outbox.flush().await?;
            tracing::info!(tables = request.collections.join(","), "a blocking snapshot; streaming waits for it");
            let Streaming { config, records, definitions, outbox, emitter, .. } = self;
            let standing = Standing { position: emitter.standing(), origin: emitter.origin(0) };
            let request = Some((&request, standing));
            let taking = Taking { config, records, plan: &Plan::of_rows(), definitions, request };
            match Box::pin(taking.run(outbox)).await {
                Ok(_) => tracing::info!("the blocking snapshot is complete"),
                Err(error) if matches!(error.kind(), Kind::Remote | Kind::Fenced) => return Err(error),
                Err(error) => tracing::error!(%error, "error while executing the requested blocking snapshot"),
            }
            self.outbox.flush().await?;
        }
        Ok(())
    }
}
