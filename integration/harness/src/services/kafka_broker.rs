//! A Kafka broker of one node (KRaft), from Maven artifacts.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use couplet_provision::process::{Launch, Process};
use couplet_provision::{Deadline, cache, jars};
use tempfile::TempDir;

use super::free_port;
use super::secured::{self, Extras, Secured};
use crate::clients::Kafka;

/// Where a broker listens and keeps its log.
#[derive(Debug, Default)]
pub struct BrokerSettings {
    /// Port of clients; a free one when `None`.
    pub port: Option<u16>,
    /// Folder of log and settings, kept; a temporary one when `None`.
    pub folder: Option<PathBuf>,
    /// Full compilation and a larger heap: for measurements, slower to start.
    pub for_measurement: bool,
    /// Further listeners with TLS and SASL.
    pub secured: bool,
    /// Shortest session of a group's member; Kafka's 6 s when `None`. A member that was killed is missed after its session.
    pub session_timeout_min: Option<Duration>,
}

/// A running broker.
#[derive(Debug)]
pub struct KafkaBroker {
    /// `host:port` for clients without TLS and SASL.
    pub bootstrap: String,
    /// The other listeners, if they were asked for.
    pub secured: Option<Secured>,
    process: Process,
    _folder: Option<TempDir>,
}

/// A broker that was prepared but not started.
struct Prepared {
    launch: Launch,
    bootstrap: String,
    secured: Option<Secured>,
    temporary: Option<TempDir>,
}

impl KafkaBroker {
    /// Starts a broker that ends with this value.
    pub async fn start(settings: BrokerSettings) -> Result<Self> {
        let prepared = prepare(settings)?;
        let mut process = prepared.launch.spawn()?;
        await_ready(&prepared.bootstrap, || process.check_running()).await?;
        Ok(Self { bootstrap: prepared.bootstrap, secured: prepared.secured, process, _folder: prepared.temporary })
    }

    /// Starts a broker that outlives this process and returns its process id. `settings` must name a folder.
    pub async fn start_detached(settings: BrokerSettings) -> Result<u32> {
        let prepared = prepare(settings)?;
        let pid = prepared.launch.spawn_detached()?;
        await_ready(&prepared.bootstrap, || crate::services::kafka_broker::still_there(pid)).await?;
        Ok(pid)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A client of this broker.
    pub fn client(&self) -> Result<Kafka> {
        Kafka::new(&self.bootstrap)
    }
}

/// # Errors
/// When a detached process has ended.
pub(super) fn still_there(pid: u32) -> Result<()> {
    anyhow::ensure!(Path::new(&format!("/proc/{pid}")).exists(), "process {pid} ended; see its log");
    Ok(())
}

async fn await_ready(bootstrap: &str, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let client = Kafka::new(bootstrap)?;
    let deadline = Deadline::after_secs(240);
    loop {
        check()?;
        if client.topics().await.is_ok() {
            return Ok(());
        }
        anyhow::ensure!(!deadline.is_over(), "timed out waiting for the broker at {bootstrap}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn prepare(settings: BrokerSettings) -> Result<Prepared> {
    let class_path = jars::kafka_class_path()?;
    let (folder, temporary) = match settings.folder {
        Some(folder) => (folder, None),
        None => {
            let temporary = tempfile::Builder::new().prefix("couplet-kafka").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    fs::create_dir_all(&folder)?;
    let (port, controller) = (settings.port.map_or_else(free_port, Ok)?, free_port()?);
    let (secured, extras) = if settings.secured { Some(secured::prepare(&folder)?) } else { None }.unzip();
    let properties = folder.join("server.properties");
    let mut text = server_properties(port, controller, &folder.join("log"), extras.as_ref());
    if let Some(session) = settings.session_timeout_min {
        writeln!(text, "group.min.session.timeout.ms={}", session.as_millis())?;
    }
    fs::write(&properties, text)?;
    let java = Java { class_path, folder: folder.clone(), for_measurement: settings.for_measurement };
    if !folder.join("log/meta.properties").exists() {
        java.launch("kafka.tools.StorageTool", "format.log")
            .args(["format", "--ignore-formatted", "-t", "Y291cGxldC10ZXN0cy0wMQ", "-c"])
            .args([properties.display().to_string()])
            .args(extras.into_iter().flat_map(|extras| extras.format_args))
            .run()
            .context("cannot format the broker's folder")?;
    }
    let launch = java.launch("kafka.Kafka", "broker.log").args([properties.display().to_string()]);
    Ok(Prepared { launch, bootstrap: format!("127.0.0.1:{port}"), secured, temporary })
}

struct Java {
    class_path: String,
    folder: PathBuf,
    for_measurement: bool,
}

impl Java {
    fn launch(&self, main_class: &str, log: &str) -> Launch {
        let logging = cache::repository().join("integration/jvm/log4j2.properties");
        let (heap, tuning) =
            if self.for_measurement { ("-Xmx1g", "-XX:+UseG1GC") } else { ("-Xmx400m", "-XX:+UseSerialGC") };
        let mut arguments = vec!["-Xms64m".to_owned(), heap.to_owned(), tuning.to_owned()];
        if !self.for_measurement {
            arguments.push("-XX:TieredStopAtLevel=1".to_owned());
        }
        arguments.push(format!("-Dlog4j2.configurationFile={}", logging.display()));
        arguments.extend(["-cp".to_owned(), self.class_path.clone(), main_class.to_owned()]);
        Launch::new("Kafka broker", "java", self.folder.join(log)).folder(&self.folder).args(arguments)
    }
}

/// Replication of one for every internal topic; no waiting for more members when a group forms. Otherwise Kafka's defaults,
/// as on the broker of the recordings.
fn server_properties(port: u16, controller: u16, log: &Path, extras: Option<&Extras>) -> String {
    let [listeners, advertised, protocols, properties] =
        extras.map_or([""; 4], |extras| [&extras.listeners, &extras.advertised, extras.protocols, &extras.properties]);
    format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}\ncontroller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{protocols}\nlog.dirs={}\n\
         offsets.topic.replication.factor=1\noffsets.topic.num.partitions=8\n\
         transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\ntransaction.state.log.num.partitions=4\n\
         share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n{properties}",
        log.display()
    )
}
