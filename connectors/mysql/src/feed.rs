//! The connector's background task: it owns the connections, decides between snapshot and stream, and hands records over.

use std::collections::VecDeque;
use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::error::Error;
use couplet_api::own_topic::OwnTopics;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Kind, Result};
use couplet_cdc::{Channels, Chunk, Notice, Outbox};
use couplet_mysql_wire::{Connection, DumpStart};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::MyConfig;
use crate::definitions::{Definitions, gtid_source_counts, is_captured};
use crate::emit::Emitter;
use crate::flavour::Flavour;
use crate::gtid::GtidSet;
use crate::history_store;
use crate::incremental::incremental;
use crate::offset::MyPosition;
use crate::record::Records;
use crate::server::Server;
use crate::tracker::Tracker;
use crate::{snapshot, stream};

const DEBEZIUM_ERROR: &str = "io.debezium.DebeziumException";
/// The server shows that it lives this much more often than silence is endured.
const HEARTBEATS: u32 = 3;

/// What the background task is given.
pub(crate) struct FeedContext {
    /// Settings.
    pub(crate) config: Arc<MyConfig>,
    /// As the user gave them, for the history.
    pub(crate) props: Props,
    /// Topics of the connector's own: the schema history is one.
    pub(crate) topics: Arc<dyn OwnTopics>,
    /// Maker of records.
    pub(crate) records: Arc<Records>,
    /// The position to take up from; none: from the beginning.
    pub(crate) stored: Option<MyPosition>,
}

/// Handle of the background task.
pub(crate) struct Feed {
    /// Where chunks arrive.
    pub(crate) chunks: mpsc::Receiver<Chunk<MyPosition>>,
    cancel: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl Feed {
    /// Starts the task.
    pub(crate) fn start(context: FeedContext) -> Self {
        let (outbox, chunks) = Outbox::new(context.config.queue_bytes);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let task = spawn(TaskKind::Client, async move {
            tokio::select! {
                () = stop.cancelled() => Ok(()),
                result = Box::pin(run(context, outbox)) => result,
            }
        });
        Feed { chunks, cancel, task }
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

async fn run(context: FeedContext, mut outbox: Outbox<MyPosition>) -> Result<()> {
    let FeedContext { config, props, topics, records, stored } = context;
    let mode = config.snapshot.mode;
    let mut server = Server::connect(&config).await?;
    if mode.stream {
        server.check_log().await?;
    }
    check_table_limit(&mut server, &config).await?;
    let store = history_store::open(&config, &props, &*topics).await?;
    let ignores_case = server.ignores_case().await?;
    let mut definitions = Definitions::new(config.clone(), records.clone(), store, ignores_case);
    let stored = still_available(stored, &mut server, &config).await?;
    let done = stored.as_ref().filter(|position| !position.in_snapshot());
    let kept = match done {
        Some(_) => definitions.has_history().await?,
        None => false,
    };
    let plan = snapshot::Plan::new(mode, done, kept)?;
    definitions.initialize().await?;
    let start = if plan.is_due() {
        tokio::time::sleep(config.snapshot.delay).await;
        let taking = snapshot::Taking {
            config: &config,
            records: &records,
            plan: &plan,
            definitions: &mut definitions,
            request: None,
        };
        let end = Box::pin(taking.run(&mut outbox)).await.map_err(producer_failed)?;
        tokio::time::sleep(config.snapshot.streaming_delay).await;
        Some(end)
    } else {
        if let Some(position) = done {
            definitions.recover(position).await?;
        }
        stored
    };
    if !mode.stream {
        tracing::info!("the snapshot is complete; snapshot.mode asks for no streaming");
        // The task stays, as Debezium's does, until it is stopped.
        return std::future::pending().await;
    }
    if !plan.is_due() {
        let at = start.clone().unwrap_or_else(beginning);
        records.notice(Notice::of_initial("SKIPPED"), Arc::new(at), &mut outbox);
    }
    let streaming =
        stream_from(start, server, &config, &records, definitions, &*topics, outbox).await.map_err(producer_failed)?;
    Box::pin(streaming.0.run(streaming.1)).await.map_err(producer_failed)
}

/// Where the log begins.
fn beginning() -> MyPosition {
    MyPosition { pos: 4, ..MyPosition::default() }
}

/// Opens the dump behind `start`.
async fn stream_from(
    start: Option<MyPosition>,
    mut server: Server,
    config: &Arc<MyConfig>,
    records: &Arc<Records>,
    definitions: Definitions,
    topics: &dyn OwnTopics,
    outbox: Outbox<MyPosition>,
) -> Result<(stream::Streaming, couplet_mysql_wire::Dump)> {
    let flavour = config.flavour;
    let mut start = start.unwrap_or_else(beginning);
    let mut gtids = None;
    let mut from = DumpStart::Position { file: start.file.to_string(), position: start.pos };
    if server.has_gtids().await? {
        let purged = server.purged().await?;
        let mut set = start.gtids.as_deref().map_or_else(|| purged.clone(), |text| GtidSet::parse(flavour, text));
        set.retain(|source| gtid_source_counts(config, source));
        set.add_missing_sources(&purged);
        if start.gtids.is_some() && !set.is_empty() {
            start.gtids = Some(set.to_string().into());
            from = match flavour {
                Flavour::MySql => DumpStart::Gtids(set.for_dump()),
                Flavour::MariaDb => DumpStart::MariaDbGtids(set.to_string()),
            };
        }
        gtids = Some(set);
    } else if flavour == Flavour::MySql && config.signals.read_only {
        // Without them nothing says whether others can see what the log has.
        return Err(Error::config(
            "read.only=true needs transactions with GTIDs: set gtid_mode=ON and enforce_gtid_consistency=ON on the server, or \
             read.only=false and a signal table (signal.data.collection)",
        ));
    } else {
        start.gtids = None;
    }
    tracing::info!(offset = start.describe(), "streaming");
    let done = (start.events, start.rows);
    let incremental = incremental(config, &start);
    let channels = Channels::open(&config.signals.channels, topics).await?;
    let tracker = Tracker::new(&start, gtids);
    let emitter = Emitter::new(config.clone(), records.clone(), start, tracker);
    let heartbeat = config.silence.map_or(0, |silence| (silence / HEARTBEATS).as_nanos());
    let heartbeat = u64::try_from(heartbeat).unwrap_or(0);
    let connection = Connection::open(&config.access).await?;
    let dump = connection.dump(config.server_id, &from, config.include_query, heartbeat).await?;
    let (config, records) = (config.clone(), records.clone());
    let streaming = stream::Streaming {
        config,
        records,
        server,
        definitions,
        outbox,
        emitter,
        done,
        incremental,
        place: None,
        channels,
        blocking: VecDeque::new(),
    };
    Ok((streaming, dump))
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

/// The stored position, if the server still has everything behind it. A lost one is an error unless the snapshot mode asks
/// for a new snapshot.
async fn still_available(
    stored: Option<MyPosition>,
    server: &mut Server,
    config: &MyConfig,
) -> Result<Option<MyPosition>> {
    let mode = config.snapshot.mode;
    let Some(position) = stored else { return Ok(None) };
    if position.in_snapshot() || mode.always || !mode.stream || !config.check_position {
        return Ok(Some(position));
    }
    let Some(problem) = lost(&position, server, config).await? else { return Ok(Some(position)) };
    if mode.on_lost_position && mode.data {
        tracing::warn!(offset = position.describe(), problem, "the position is gone; taking a new snapshot");
        return Ok(None);
    }
    let text = format!(
        "The connector is trying to read change stream starting at {}, but this is no longer available on the server. \
         Reconfigure the connector to use a snapshot mode when needed.",
        position.describe()
    );
    Err(Error::fatal(text).with_class(DEBEZIUM_ERROR).caused_by(Error::fatal(problem)))
}

/// Why the server cannot go on at `position`; `None`: it can.
async fn lost(position: &MyPosition, server: &mut Server, config: &MyConfig) -> Result<Option<String>> {
    if let Some(text) = &position.gtids {
        let mut own = GtidSet::parse(config.flavour, text);
        own.retain(|source| gtid_source_counts(config, source));
        let Some(there) = server.log_end().await?.gtids else {
            return Ok(Some("the stored offset has GTIDs and the server has none: is it another server?".to_owned()));
        };
        if !own.is_within(&there) {
            let text =
                format!("the server has {there}, not all of the stored {own}: is it another server, or restored?");
            return Ok(Some(text));
        }
        let mut purged = server.purged().await?;
        let known = own.clone();
        purged.retain(|source| known.has_source(source));
        if !purged.is_within(&own) {
            return Ok(Some(format!("the server has purged {purged}, which is not all within the stored {own}")));
        }
        if config.flavour == Flavour::MySql {
            return Ok(None);
        }
    }
    if position.file.is_empty() || server.log_files().await?.iter().any(|file| **file == *position.file) {
        return Ok(None);
    }
    Ok(Some(format!("the server no longer has the log file {}", position.file)))
}

async fn check_table_limit(server: &mut Server, config: &MyConfig) -> Result<()> {
    let Some((limit, fail)) = config.table_limit else { return Ok(()) };
    let tables = server.tables().await?.iter().filter(|id| is_captured(config, id)).count();
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
