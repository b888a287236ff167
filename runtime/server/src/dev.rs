//! `couplet dev`: broker and worker in one process.

use std::net::{Ipv4Addr, SocketAddr};

use couplet_api::config::Props;
use couplet_devbroker::{Broker, BrokerConfig, Storage};
use couplet_engine::rest::Loggers;
use couplet_engine::worker_config::{Mode, WorkerConfig};

use crate::cli::Dev;
use crate::exit::Stop;
use crate::run::Worker;
use crate::signals::StopSignals;

/// Runs until told to stop.
pub async fn run(settings: &Dev, loggers: Loggers) -> Result<(), Stop> {
    let mut signals = StopSignals::catch()?;
    let storage = settings.folder().map_or(Storage::Memory, |folder| Storage::Folder(folder.to_owned()));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port));
    let broker = Broker::start(BrokerConfig { listen, storage, ..BrokerConfig::default() }).await;
    let broker = broker.map_err(|error| Stop::failed(format!("{error}; choose another --port or --data-dir")))?;
    let outcome = match settings.broker_only {
        true => {
            signals.recv().await;
            Ok(())
        }
        false => work(settings, &broker, loggers).await,
    };
    broker.stop().await;
    outcome
}

async fn work(settings: &Dev, broker: &Broker, loggers: Loggers) -> Result<(), Stop> {
    let props = worker_props(&broker.address().to_string(), settings.rest_port);
    let config = WorkerConfig::parse(Mode::Distributed, props).map_err(|e| Stop::at_start(&e))?;
    Worker::start(Mode::Distributed, config, loggers).await?.until_told().await
}

/// Settings of the worker: JSON without schemas, one copy of everything.
fn worker_props(bootstrap: &str, rest_port: u16) -> Props {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let mut props = Props::from_iter([
        ("bootstrap.servers", bootstrap),
        ("group.id", "couplet-dev"),
        ("key.converter", json),
        ("key.converter.schemas.enable", "false"),
        ("value.converter", json),
        ("value.converter.schemas.enable", "false"),
        ("offset.flush.interval.ms", "1000"),
    ]);
    props.set("listeners", format!("http://127.0.0.1:{rest_port}"));
    for store in ["config", "offset", "status"] {
        props.set(format!("{store}.storage.topic"), format!("connect-{store}s"));
        props.set(format!("{store}.storage.replication.factor"), "1");
    }
    props
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_settings_are_valid() {
        let config = WorkerConfig::parse(Mode::Distributed, worker_props("127.0.0.1:9092", 8083)).expect("valid");
        assert_eq!(config.common.listeners, ["http://127.0.0.1:8083"]);
    }
}
