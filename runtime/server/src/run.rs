//! A worker from its settings to its end.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_engine::herder::{Herder, HerderSetup, StartedHerder, distributed, standalone};
use couplet_engine::java_properties;
use couplet_engine::metrics::Metrics;
use couplet_engine::rest::{Loggers, RestServer, RestState};
use couplet_engine::worker_config::{Mode, WorkerConfig};
use tokio_util::sync::CancellationToken;

use crate::exit::Stop;
use crate::signals::StopSignals;
use crate::{connector_file, registry};

/// Version and commit of the Kafka Connect whose contract this is: what clients decide by.
const CONTRACT_VERSION: &str = "4.1.0";
const CONTRACT_COMMIT: &str = "13f70256db3c994c";

/// Runs a worker with the settings in a file until it is told to stop.
pub async fn from_file(mode: Mode, file: &Path, connectors: &[PathBuf], loggers: Loggers) -> Result<(), Stop> {
    let props = java_properties::load(file).map_err(|e| Stop::at_start(&e))?;
    let connectors = connectors.iter().map(|path| connector_file::load(path));
    let connectors = connectors.collect::<Result<Vec<_>, _>>().map_err(|e| Stop::at_start(&e))?;
    let config = WorkerConfig::parse(mode, props)
        .map_err(|e| Stop::at_start(&e.context(format!("{} is not valid", file.display()))))?;
    let worker = Worker::start(mode, config, loggers).await?;
    for new in connectors {
        let name = new.name.clone();
        if let Err(reason) = worker.create(new).await {
            let stopped = worker.stop().await;
            return stopped.and(Err(Stop::connector(format!("Failed to create connector {name}: {reason}"))));
        }
    }
    worker.until_told().await
}

/// A worker whose REST server answers.
pub struct Worker {
    signals: StopSignals,
    herder: StartedHerder,
    rest_stop: CancellationToken,
    rest: tokio::task::JoinHandle<couplet_api::Result<()>>,
}

impl Worker {
    /// Listens, then begins with all that needs Kafka.
    pub async fn start(mode: Mode, config: WorkerConfig, loggers: Loggers) -> Result<Self, Stop> {
        let at_start = |error: couplet_api::Error| Stop::at_start(&error);
        let signals = StopSignals::catch()?;
        let plugins = registry::plugins();
        check_converters(&plugins, &config)?;
        config.log_unused();
        let config = Arc::new(config);
        let server = RestServer::bind(&config).await.map_err(at_start)?;
        let loggers = Arc::new(loggers);
        let for_cluster = loggers.clone();
        let metrics = Arc::new(Metrics::new(server.worker_id(), &config.props));
        let setup = HerderSetup {
            config: config.clone(),
            plugins: plugins.clone(),
            worker_id: server.worker_id(),
            url: server.advertised_url(),
            metrics: metrics.clone(),
            set_logger_level: Arc::new(move |logger, level| {
                if let Some(level) = level {
                    for_cluster.set_everywhere(logger, level);
                }
            }),
        };
        let herder = match mode {
            Mode::Distributed => distributed::start(setup),
            Mode::Standalone => standalone::start(setup),
        }
        .map_err(at_start)?;
        for address in server.addresses() {
            tracing::info!(%address, "REST server listening");
        }
        let state = RestState {
            peers: herder.handle.peers().clone(),
            herder: Arc::new(herder.handle.clone()),
            plugins: Arc::new(plugins),
            config,
            loggers,
            metrics,
            version: CONTRACT_VERSION,
            commit: CONTRACT_COMMIT,
        };
        let rest_stop = CancellationToken::new();
        let rest = spawn(TaskKind::Rest, server.serve(state, rest_stop.clone()));
        tracing::info!("Kafka version: {CONTRACT_VERSION}");
        tracing::info!("Kafka Connect started");
        Ok(Worker { signals, herder, rest_stop, rest })
    }

    /// Creates a connector, as `POST /connectors` would.
    async fn create(&self, new: couplet_engine::herder::NewConnector) -> Result<(), String> {
        let (_, info) = self.herder.handle.put_connector(new).await.map_err(|e| e.message().to_owned())?;
        tracing::info!(connector = info.name, "Created connector {}", info.name);
        Ok(())
    }

    /// Waits for a signal, or for the worker to fail, and stops it.
    pub async fn until_told(mut self) -> Result<(), Stop> {
        tokio::select! {
            () = self.signals.recv() => {}
            ended = &mut self.herder.done => return Err(ended_early(ended)),
        }
        self.stop().await
    }

    /// Stops requests, connectors, tasks; flushes offsets and states.
    async fn stop(self) -> Result<(), Stop> {
        tracing::info!("Kafka Connect stopping");
        self.rest_stop.cancel();
        self.herder.stop.cancel();
        match self.herder.done.await {
            Ok(Ok(())) => {}
            ended => return Err(ended_early(ended)),
        }
        // Requests under way were answered or given up by the herder.
        self.rest.abort();
        tracing::info!("Kafka Connect stopped");
        Ok(())
    }
}

fn ended_early(ended: Result<couplet_api::Result<()>, tokio::task::JoinError>) -> Stop {
    match ended {
        Ok(Ok(())) => Stop::failed("the herder ended by itself"),
        Ok(Err(error)) => Stop::at_start(&error),
        Err(_) => Stop::failed("the herder panicked; see the log"),
    }
}

/// The worker's own converters must be there before anything starts.
fn check_converters(plugins: &couplet_engine::plugins::Plugins, config: &WorkerConfig) -> Result<(), Stop> {
    for key in ["key.converter", "value.converter", "header.converter"] {
        let class = config.converter_class(key);
        let (found, sub_keys) = match key {
            "header.converter" => (
                plugins.header_converter(class).map(|f| (f.create)(&sub_settings(&config.props, key)).map(|_| ())),
                "header converter",
            ),
            _ => (
                plugins
                    .converter(class)
                    .map(|f| (f.create)(&sub_settings(&config.props, key), key == "key.converter").map(|_| ())),
                "converter",
            ),
        };
        let problem = match found {
            None => couplet_api::Error::config(format!(
                "Invalid value {class} for configuration {key}: Class {class} could not be found; name a {sub_keys} from \
                 GET /connector-plugins?connectorsOnly=false"
            )),
            Some(Err(error)) => error.context(format!("Invalid settings under {key}.")),
            Some(Ok(())) => continue,
        };
        return Err(Stop::at_start(&problem));
    }
    Ok(())
}

fn sub_settings(props: &Props, key: &str) -> Props {
    props.with_prefix(&format!("{key}."))
}
