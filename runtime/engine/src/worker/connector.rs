//! A running connector: the part that cuts work into tasks, in an async task of its own.

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::connector::{Connector, ConnectorContext};
use couplet_api::spawn::{TaskKind, spawn};
use couplet_api::{Error, Result};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::guard::guarded;

/// Hears of a worker's connectors. Called from the connector's own future; must not block.
pub trait ConnectorListener: Send + Sync {
    /// The connector `name` wants `task_configs` to be called again.
    fn on_reconfigure(&self, name: &str);

    /// A placeholder of the connector has another value than when its tasks were made: task configs that look the same
    /// are new ones all the same.
    fn on_values_changed(&self, name: &str) {
        let _ = name;
    }

    /// The values of the connector's placeholders are to be looked up again: it wants a restart.
    fn on_values_expired(&self, name: &str) {
        let _ = name;
    }
}

/// What a connector is told.
enum Command {
    TaskConfigs(usize, oneshot::Sender<Result<Vec<Props>>>),
    Stop,
}

/// Owns a connector instance: one call at a time, a panic is an error.
pub(super) struct ConnectorRunner {
    commands: mpsc::Sender<Command>,
    handle: JoinHandle<()>,
}

impl ConnectorRunner {
    /// Starts `connector`.
    ///
    /// # Errors
    /// What its `start` says; nothing runs then.
    pub(super) async fn start(
        mut connector: Box<dyn Connector>,
        name: Arc<str>,
        props: Props,
        offsets: Option<Arc<dyn couplet_api::source::OffsetReader>>,
        listener: Arc<dyn ConnectorListener>,
    ) -> Result<Self> {
        let reconfigure = Arc::new(Notify::new());
        let context = ConnectorContext { name: name.clone(), reconfigure: reconfigure.clone(), offsets };
        let (started, outcome) = oneshot::channel();
        let (commands, inbox) = mpsc::channel(1);
        let span = tracing::error_span!("connector", connector.context = %format_args!("[{name}|worker] "));
        let work = async move {
            let outcome = guarded(connector.start(&props, context)).await;
            let failed = outcome.is_err();
            // Whoever asked for the start may have given up; the connector is then stopped by its missing inbox.
            let _ = started.send(outcome);
            if !failed {
                serve(&mut *connector, &name, inbox, &reconfigure, &*listener).await;
            }
            if let Err(error) = guarded(connector.stop()).await {
                tracing::warn!(connector = %name, %error, "error while stopping the connector");
            }
        };
        let handle = spawn(TaskKind::Connector, work.instrument(span));
        outcome.await.map_err(|_| Error::bug("the connector ended before it started"))??;
        Ok(ConnectorRunner { commands, handle })
    }

    /// The configs of at most `max` tasks, as the connector makes them.
    ///
    /// # Errors
    /// What the connector says.
    pub(super) async fn task_configs(commands: ConnectorCommands, max: usize) -> Result<Vec<Props>> {
        let gone = || Error::fatal("the connector is not running");
        let (reply, answer) = oneshot::channel();
        commands.0.send(Command::TaskConfigs(max, reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// A way to talk to the connector that outlives a lock on its owner.
    pub(super) fn commands(&self) -> ConnectorCommands {
        ConnectorCommands(self.commands.clone())
    }

    /// Stops the connector; after `grace` it is cut off.
    pub(super) async fn stop(mut self, grace: std::time::Duration) {
        // A full or closed inbox ends the same way: the handle is awaited, then aborted.
        let _ = self.commands.try_send(Command::Stop);
        drop(self.commands);
        if tokio::time::timeout(grace, &mut self.handle).await.is_err() {
            tracing::warn!("a connector did not stop in time and is cut off");
            self.handle.abort();
        }
    }
}

/// See [`ConnectorRunner::commands`].
pub(super) struct ConnectorCommands(mpsc::Sender<Command>);

/// A connector's working life, from its start to the order to stop.
async fn serve(
    connector: &mut dyn Connector,
    name: &str,
    mut inbox: mpsc::Receiver<Command>,
    reconfigure: &Notify,
    listener: &dyn ConnectorListener,
) {
    loop {
        tokio::select! {
            biased;
            command = inbox.recv() => match command {
                Some(Command::TaskConfigs(max, reply)) => {
                    // A caller that has given up needs no answer.
                    let _ = reply.send(guarded(connector.task_configs(max)).await);
                }
                Some(Command::Stop) | None => return,
            },
            () = reconfigure.notified() => listener.on_reconfigure(name),
        }
    }
}
