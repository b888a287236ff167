//! The connector's background task: it owns the connections, decides between snapshot and stream, and hands records
//! over through a channel whose content is bounded in bytes.

use std::sync::Arc;

use couplet_api::error::Error;
use couplet_api::own_topic::OwnTopics;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Kind, Result};
use couplet_cdc::{Chunk, Notice, Outbox};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalog::{self, Slot};
use crate::config::PgConfig;
use crate::offset::PgPosition;
use crate::record::Records;
use crate::source::drop_slot;
use crate::types::TypeRegistry;
use crate::wire::{Lsn, Sql, WalSender};
use crate::{publication, snapshot, stream};

const DEBEZIUM_ERROR: &str = "io.debezium.DebeziumException";

/// What the background task is given.
pub(crate) struct FeedContext {
    /// Settings.
    pub(crate) config: Arc<PgConfig>,
    /// Maker of records.
    pub(crate) records: Arc<Records>,
    /// Where a topic of signals would be.
    pub(crate) topics: Arc<dyn OwnTopics>,
    /// The position to take up from; none: from the beginning.
    pub(crate) stored: Option<PgPosition>,
}

/// Handle of the background task.
pub(crate) struct Feed {
    /// Where chunks arrive.
    pub(crate) chunks: mpsc::Receiver<Chunk<PgPosition>>,
    /// Up to where everything is durable.
    pub(crate) durable: watch::Sender<Lsn>,
    cancel: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Feed {
    /// Starts the task.
    pub(crate) fn start(context: FeedContext) -> Self {
        let (outbox, chunks) = Outbox::new(context.config.queue_bytes);
        let (durable, confirmed) = watch::channel(Lsn::default());
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let task = spawn(TaskKind::Client, async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                result = Box::pin(run(context, outbox, confirmed)) => result,
            }
        });
        Feed { chunks, durable, cancel, task }
    }

    /// Waits for the end of a task whose channel is closed and returns why it ended.
    pub(crate) async fn outcome(&mut self) -> Result<()> {
        match (&mut self.task).await {
            Ok(result) => result,
            Err(error) => Err(Error::bug(format!("the connector's background task ended: {error}"))),
        }
    }

    /// Stops the task and closes its connections.
    pub(crate) async fn stop(mut self) {
        self.cancel.cancel();
        self.chunks.close();
        if let Err(error) = self.outcome().await {
            tracing::debug!(%error, "stopped");
        }
    }
}

async fn run(context: FeedContext, mut outbox: Outbox<PgPosition>, confirmed: watch::Receiver<Lsn>) -> Result<()> {
    let FeedContext { config, records, topics, stored } = context;
    let mode = config.snapshot.mode;
    let sql = Sql::connect(&config.connection, "Debezium General").await?;
    let mut types = TypeRegistry::load(&sql).await?;
    check_table_limit(&sql, &config).await?;
    let slot = usable_slot(&sql, &config).await?;
    let stored = still_available(stored, slot.as_ref(), &config)?;
    let snapshot_due = mode.data && (mode.always || stored.as_ref().is_none_or(PgPosition::in_snapshot));

    let mut session = match mode.stream {
        true => Some(open_stream(&sql, &config, slot.as_ref(), snapshot_due, records.now_us()).await?),
        false => None,
    };
    let start = if snapshot_due {
        tokio::time::sleep(config.snapshot.delay).await;
        let exported = session.as_ref().and_then(|s| s.exported.clone());
        let plan = snapshot::Plan { config: &config, records: &records, exported, request: None };
        let end = Box::pin(snapshot::take(plan, &mut types, &mut outbox)).await.map_err(producer_failed)?;
        outbox.flush().await?;
        tokio::time::sleep(config.snapshot.streaming_delay).await;
        Some(end)
    } else {
        stored
    };
    let Some(OpenStream { wal, first, .. }) = session.take() else {
        tracing::info!("the snapshot is complete; snapshot.mode asks for no streaming");
        // The task stays, as Debezium's does, until it is stopped.
        return std::future::pending().await;
    };
    let start = match start {
        Some(position) => position,
        None => PgPosition { lsn: first, ts_us: Some(records.now_us()), ..PgPosition::default() },
    };
    if !snapshot_due {
        records.notice(Notice::of_initial("SKIPPED"), Arc::new(start.clone()), &mut outbox);
    }
    let settings = config.clone();
    let streaming = stream::Streaming { config, records, topics, sql, types, outbox, confirmed };
    match Box::pin(streaming.run(wal, start)).await {
        Err(error) if error.message().contains("publication \"") && error.message().contains("does not exist") => {
            Err(producer_failed(publication_lost(error, &settings).await))
        }
        outcome => outcome.map_err(producer_failed),
    }
}

/// Changes made while there was no publication can never be decoded, whatever is made now: the slot is of no use. With
/// `snapshot.mode=when_needed` it is dropped, and the next attempt finds it missing and reads everything again.
async fn publication_lost(error: Error, config: &PgConfig) -> Error {
    if config.snapshot.mode.on_lost_position {
        tracing::warn!(publication = config.publication, "the publication was dropped; taking a new snapshot");
        return match drop_slot(config).await {
            Ok(()) => Error::remote("the publication was dropped; a new snapshot is taken").caused_by(error),
            Err(failed) => failed,
        };
    }
    let text = format!(
        "Publication '{}' was dropped while changes were made, which the server can no longer decode. Drop the replication \
         slot '{}' and reconfigure the connector to use a snapshot mode when needed.",
        config.publication, config.slot
    );
    Error::fatal(text).with_class(DEBEZIUM_ERROR).caused_by(error)
}

/// The line every failure of Debezium's snapshot or stream begins with.
fn producer_failed(error: Error) -> Error {
    if matches!(error.kind(), Kind::Remote | Kind::Fenced) {
        return error;
    }
    let kind = if error.kind() == Kind::Data { Kind::Fatal } else { error.kind() };
    Error::new(kind, "An exception occurred in the change event producer. This connector will be stopped.")
        .with_class("org.apache.kafka.connect.errors.ConnectException")
        .caused_by(error)
}

/// The slot, if it exists for this plugin and database.
async fn usable_slot(sql: &Sql, config: &PgConfig) -> Result<Option<Slot>> {
    if !config.snapshot.mode.stream {
        return Ok(None);
    }
    if config.plugin != "pgoutput" {
        let cause = Error::config(format!(
            "plugin.name={} is not supported; set plugin.name=pgoutput, which is built into PostgreSQL",
            config.plugin
        ));
        return Err(Error::config("Creation of replication slot failed").with_class(DEBEZIUM_ERROR).caused_by(cause));
    }
    let level = catalog::parameter(sql, "wal_level").await?.unwrap_or_default();
    if level != "logical" {
        let cause = Error::config(format!(
            "Postgres server wal_level property must be 'logical' but is: '{level}'; set wal_level=logical in \
             postgresql.conf and restart the server"
        ));
        return Err(Error::config("Creation of replication slot failed").with_class(DEBEZIUM_ERROR).caused_by(cause));
    }
    let slot = catalog::slot(sql, &config.slot).await?;
    let ours = |slot: &Slot| {
        slot.plugin.as_deref() == Some("pgoutput")
            && slot.database.as_deref() == Some(config.connection.database.as_str())
    };
    Ok(slot.filter(ours))
}

/// The stored position, if the slot still has everything behind it. A lost one is an error unless
/// `snapshot.mode=when_needed` asks for a new snapshot.
fn still_available(stored: Option<PgPosition>, slot: Option<&Slot>, config: &PgConfig) -> Result<Option<PgPosition>> {
    let mode = config.snapshot.mode;
    let Some(position) = stored else { return Ok(None) };
    let unfinished = position.in_snapshot() || mode.always || !mode.stream;
    if unfinished || !config.check_position {
        return Ok(Some(position));
    }
    let kept =
        |slot: &Slot| !slot.lost && slot.restart.is_none_or(|restart| position.needed().is_none_or(|n| restart <= n));
    if slot.is_some_and(kept) {
        return Ok(Some(position));
    }
    let at = match slot {
        None => format!("replication slot '{}' does not exist", config.slot),
        Some(slot) if slot.lost => format!("replication slot '{}' was invalidated by the server", config.slot),
        Some(slot) => format!(
            "replication slot '{}' begins at {}",
            config.slot,
            slot.restart.map(|lsn| lsn.to_string()).unwrap_or_default()
        ),
    };
    if mode.on_lost_position {
        tracing::warn!(
            offset = position.describe(),
            at,
            "the stored position is no longer available; taking a new snapshot"
        );
        return Ok(None);
    }
    let text = format!(
        "The connector is trying to read change stream starting at {}, but this is no longer available on the server. \
         Reconfigure the connector to use a snapshot mode when needed.",
        position.describe()
    );
    Err(Error::fatal(text).with_class(DEBEZIUM_ERROR).caused_by(Error::fatal(at)))
}

/// A walsender session with its slot.
struct OpenStream {
    wal: WalSender,
    /// Where streaming begins without a stored position.
    first: Lsn,
    /// Consistent point and name of the snapshot to read, for a snapshot that is due.
    exported: Option<(Lsn, String)>,
}

async fn open_stream(
    sql: &Sql,
    config: &PgConfig,
    slot: Option<&Slot>,
    snapshot_due: bool,
    now_us: i64,
) -> Result<OpenStream> {
    let failed = |error: Error| {
        let mut text = "Creation of replication slot failed".to_owned();
        if error.message().contains("already exists") {
            text.push_str(
                "; when setting up multiple connectors for the same database host, please make sure to use a distinct \
                 replication slot name for each.",
            );
        }
        Error::new(error.kind(), text).with_class(DEBEZIUM_ERROR).caused_by(error)
    };
    let mut wal = WalSender::connect(&config.connection).await.map_err(failed)?;
    // The publication must be there before the slot.
    publication::prepare_publication(sql, config).await?;
    publication::set_replica_identities(sql, config).await?;
    let created = match (slot, snapshot_due) {
        (None, _) => Some(wal.create_slot(&config.slot, false, config.failover_slot).await.map_err(failed)?),
        // The slot's own snapshot is long gone. A second, temporary slot gives a new one together with the exact
        // position from which the first slot goes on.
        (Some(_), true) => {
            let name = format!("{}_{now_us:x}", &config.slot[..config.slot.len().min(40)]);
            Some(wal.create_slot(&name, true, false).await.map_err(failed)?)
        }
        (Some(_), false) => None,
    };
    let first = match (&created, slot) {
        (Some(created), _) => created.consistent_point,
        (None, Some(Slot { confirmed: Some(confirmed), .. })) => *confirmed,
        (None, _) => catalog::log_end(sql).await?,
    };
    let exported = created.and_then(|c| Some((c.consistent_point, c.snapshot?)));
    Ok(OpenStream { wal, first, exported })
}

async fn check_table_limit(sql: &Sql, config: &PgConfig) -> Result<()> {
    let Some((limit, fail)) = config.table_limit else { return Ok(()) };
    let tables = publication::captured_tables(sql, config).await?.len();
    if tables <= limit {
        return Ok(());
    }
    let text =
        format!("Guardrail limit exceeded: {tables} tables would be captured, guardrail.collections.max is {limit}");
    if fail {
        return Err(Error::config(text).with_class(DEBEZIUM_ERROR));
    }
    tracing::warn!(text);
    Ok(())
}
