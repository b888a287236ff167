//! The worker and its broker, in one process, in two, or with a broker from elsewhere.

use std::path::Path;

use anyhow::{Result, bail};
use couplet_harness::clients::{ConnectRest, Kafka};
use couplet_harness::provision::process::{Launch, Process};
use couplet_harness::services::free_port;
use couplet_harness::worker::{Engine, Worker, WorkerSettings};
use couplet_harness::{Deadline, eventually};

const START_SECS: u64 = 60;

enum Running {
    /// A process of its own, which can be killed.
    Worker(Box<Worker>),
    /// `couplet dev`: broker and worker in one process.
    Dev(Process),
}

/// A worker with its broker.
pub struct Host {
    pub kafka: Kafka,
    pub rest: ConnectRest,
    running: Running,
    _broker: Option<Process>,
}

impl Host {
    /// A worker on a broker that is there already.
    pub async fn external(bootstrap: &str, engine: Engine, group: &str, exactly_once: bool) -> Result<Self> {
        let kafka = Kafka::new(bootstrap)?;
        await_broker(&kafka).await?;
        let (running, rest) = worker(engine, bootstrap, group, exactly_once).await?;
        Ok(Self { kafka, rest, running, _broker: None })
    }

    /// The embedded broker and a worker, each in a process of its own: one can be killed without the other.
    pub async fn two_processes(binary: &Path, group: &str, folder: &Path, exactly_once: bool) -> Result<Self> {
        let port = free_port()?;
        let broker = dev(binary, folder, port).args(["--broker-only"]).spawn()?;
        let kafka = Kafka::new(&format!("127.0.0.1:{port}"))?;
        await_broker(&kafka).await?;
        let engine = Engine::Couplet(binary.to_owned());
        let (running, rest) = worker(engine, &kafka.bootstrap, group, exactly_once).await?;
        Ok(Self { kafka, rest, running, _broker: Some(broker) })
    }

    /// `couplet dev`, as a person would start it.
    pub async fn one_process(binary: &Path, folder: &Path) -> Result<Self> {
        let (port, rest_port) = (free_port()?, free_port()?);
        let mut process = dev(binary, folder, port).args(["--rest-port".to_owned(), rest_port.to_string()]).spawn()?;
        let rest = ConnectRest::new(&format!("http://127.0.0.1:{rest_port}"))?;
        if let Err(error) = rest.await_ready(Deadline::after_secs(START_SECS)).await {
            bail!("{error}:\n{}", process.log_tail());
        }
        process.check_running()?;
        let kafka = Kafka::new(&format!("127.0.0.1:{port}"))?;
        Ok(Self { kafka, rest, running: Running::Dev(process), _broker: None })
    }

    /// SIGKILL to the worker, and a new one in its place.
    pub async fn kill_and_restart(&mut self) -> Result<()> {
        match &mut self.running {
            Running::Worker(worker) => {
                worker.kill();
                worker.restart().await
            }
            Running::Dev(_) => bail!("the worker shares its process with the broker"),
        }
    }

    /// Asks the worker to stop as a service manager would. `couplet dev` goes on: its broker is still needed.
    pub async fn stop_worker(&mut self) -> Result<()> {
        match &mut self.running {
            Running::Worker(worker) => worker.stop().await,
            Running::Dev(_) => Ok(()),
        }
    }

    /// Ends the worker at once, when nothing that it does matters any more.
    pub fn abandon_worker(&mut self) {
        if let Running::Worker(worker) = &mut self.running {
            worker.kill();
        }
    }

    /// What the worker said last.
    pub fn log_tail(&self) -> String {
        match &self.running {
            Running::Worker(worker) => worker.log_tail(),
            Running::Dev(process) => process.log_tail(),
        }
    }
}

fn dev(binary: &Path, folder: &Path, port: u16) -> Launch {
    let data = folder.join("broker").display().to_string();
    Launch::new("couplet dev", binary, folder.join("dev.log"))
        .args(["dev", "--data-dir", &data, "--port"])
        .args([port.to_string()])
}

async fn await_broker(kafka: &Kafka) -> Result<()> {
    let what = format!("the broker at {}", kafka.bootstrap);
    eventually(&what, Deadline::after_secs(START_SECS), || async { Ok(kafka.topics().await.ok()) }).await.map(drop)
}

async fn worker(engine: Engine, bootstrap: &str, group: &str, exactly_once: bool) -> Result<(Running, ConnectRest)> {
    let mut settings = WorkerSettings::distributed(engine, bootstrap, group)
        .with("offset.flush.interval.ms", "1000")
        // A worker that was killed is missed soon, and its work goes on at once: the defaults, which are the JVM's, are ten
        // seconds and five minutes.
        .with("session.timeout.ms", "6000")
        .with("heartbeat.interval.ms", "1500")
        .with("scheduled.rebalance.max.delay.ms", "0");
    if exactly_once {
        settings =
            settings.with("exactly.once.source.support", "enabled").with("consumer.isolation.level", "read_committed");
    }
    let worker = Worker::start(&settings).await?;
    let rest = worker.rest.clone();
    Ok((Running::Worker(Box::new(worker)), rest))
}
