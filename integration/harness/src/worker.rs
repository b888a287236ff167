//! A Connect worker of either kind as a process: ours, or the JVM's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use couplet_provision::process::{Launch, Process};
use couplet_provision::{Deadline, cache, jars};
use tempfile::TempDir;

use crate::clients::ConnectRest;
use crate::services::free_port;

/// Which implementation runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// This project's binary at this path.
    Couplet(PathBuf),
    /// Apache Kafka's, from Maven artifacts, with the options of Kafka's own start script.
    Jvm,
}

impl Engine {
    /// Name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Couplet(_) => "couplet",
            Self::Jvm => "jvm",
        }
    }

    /// `COUPLET_BIN`, else the binary that cargo put nearest to this program.
    pub fn couplet() -> Result<Self> {
        if let Some(path) = std::env::var_os("COUPLET_BIN") {
            return Ok(Self::Couplet(PathBuf::from(path)));
        }
        let here = std::env::current_exe()?;
        let near = here.ancestors().skip(1).take(3).map(|folder| folder.join("couplet")).find(|file| file.is_file());
        near.map(Self::Couplet).context("no couplet binary: run `cargo build -p couplet-server` or set COUPLET_BIN")
    }
}

/// How a worker is set up.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Implementation.
    pub engine: Engine,
    /// `host:port` of the broker.
    pub bootstrap: String,
    /// Group id; the internal topics are named after it.
    pub group: String,
    /// REST port; a free one when `None`.
    pub port: Option<u16>,
    /// Further or other worker properties.
    pub properties: BTreeMap<String, String>,
    /// Run `standalone` with these connector files instead of `distributed`.
    pub standalone: Option<Vec<PathBuf>>,
}

impl WorkerSettings {
    /// A distributed worker with JSON converters without schemas.
    pub fn distributed(engine: Engine, bootstrap: &str, group: &str) -> Self {
        Self {
            engine,
            bootstrap: bootstrap.to_owned(),
            group: group.to_owned(),
            port: None,
            properties: BTreeMap::new(),
            standalone: None,
        }
    }

    /// Sets one worker property.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }

    fn file(&self, port: u16, folder: &Path) -> Result<String> {
        let json = "org.apache.kafka.connect.json.JsonConverter";
        let group = &self.group;
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        let mut set = |key: &str, value: String| {
            all.insert(key.to_owned(), value);
        };
        set("bootstrap.servers", self.bootstrap.clone());
        set("listeners", format!("http://127.0.0.1:{port}"));
        for role in ["key", "value"] {
            set(&format!("{role}.converter"), json.to_owned());
            set(&format!("{role}.converter.schemas.enable"), "false".to_owned());
        }
        if self.standalone.is_some() {
            set("offset.storage.file.filename", folder.join("offsets").display().to_string());
        } else {
            set("group.id", group.clone());
            for store in ["config", "offset", "status"] {
                set(&format!("{store}.storage.topic"), format!("{group}-{store}s"));
                set(&format!("{store}.storage.replication.factor"), "1".to_owned());
            }
            set("offset.storage.partitions", "5".to_owned());
        }
        if self.engine == Engine::Jvm && !self.properties.contains_key("plugin.path") {
            set("plugin.path", jars::plugin_path_debezium()?.display().to_string());
        }
        all.extend(self.properties.clone());
        Ok(all.iter().map(|(key, value)| format!("{key}={value}\n")).collect())
    }
}

/// A worker that was started, may have been killed, and can be started again on the same port.
#[derive(Debug)]
pub struct Worker {
    /// Its REST API.
    pub rest: ConnectRest,
    name: &'static str,
    launch: Launch,
    process: Option<Process>,
    folder: TempDir,
}

impl Worker {
    /// Starts a worker and waits for its REST API.
    pub async fn start(settings: &WorkerSettings) -> Result<Self> {
        let mut worker = Self::prepare(settings)?;
        worker.launch()?;
        worker.await_ready().await?;
        Ok(worker)
    }

    /// Everything but the start, so that the start can be timed.
    pub fn prepare(settings: &WorkerSettings) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("couplet-worker").tempdir()?;
        let port = settings.port.map_or_else(free_port, Ok)?;
        let file = folder.path().join("worker.properties");
        fs::write(&file, settings.file(port, folder.path())?)?;
        let launch = command(settings, &file, folder.path())?;
        let rest = ConnectRest::new(&format!("http://127.0.0.1:{port}"))?;
        Ok(Self { rest, name: settings.engine.name(), launch, process: None, folder })
    }

    /// Starts the process without waiting for anything.
    pub fn launch(&mut self) -> Result<u32> {
        if self.process.is_some() {
            bail!("the worker runs already");
        }
        let process = self.launch.spawn()?;
        let pid = process.pid();
        self.process = Some(process);
        Ok(pid)
    }

    /// Waits until the REST API lists connectors.
    pub async fn await_ready(&mut self) -> Result<()> {
        self.await_answer("/connectors").await
    }

    /// Waits for the first 200 to a GET of `path`, asking every 2 ms.
    pub async fn await_answer(&mut self, path: &str) -> Result<()> {
        let deadline = Deadline::after_secs(240);
        loop {
            self.process.as_mut().context("the worker does not run")?.check_running()?;
            if self.rest.get(path).await.is_ok() {
                return Ok(());
            }
            if deadline.is_over() {
                bail!("timed out waiting for the {} worker's REST API:\n{}", self.name, self.log_tail());
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    /// Process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// SIGKILL: nothing is flushed.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Freezes it: others take it for dead, and it does not know.
    pub fn freeze(&self) -> Result<()> {
        self.process.as_ref().context("the worker does not run")?.freeze()
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) -> Result<()> {
        self.process.as_ref().context("the worker does not run")?.thaw()
    }

    /// SIGTERM, then waits for a graceful end.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.stop(60).await?;
            // A JVM that ends by a signal says 143; ours says 0.
            if !status.success() && status.code() != Some(143) {
                bail!("the {} worker ended with {status}:\n{}", self.name, process.log_tail());
            }
        }
        Ok(())
    }

    /// Starts it again after [`Self::kill`] or [`Self::stop`], and waits.
    pub async fn restart(&mut self) -> Result<()> {
        self.launch()?;
        self.await_ready().await
    }

    /// The end of its output.
    pub fn log_tail(&self) -> String {
        couplet_provision::process::tail(&self.log(), 4096)
    }

    /// File with its output.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("worker.log")
    }
}

fn command(settings: &WorkerSettings, file: &Path, folder: &Path) -> Result<Launch> {
    let log = folder.join("worker.log");
    let file = file.display().to_string();
    let connectors = settings.standalone.iter().flatten().map(|c| c.display().to_string());
    Ok(match &settings.engine {
        Engine::Couplet(binary) => {
            let mode = if settings.standalone.is_some() { "standalone" } else { "distributed" };
            Launch::new("couplet worker", binary, log).args([mode.to_owned(), file]).args(connectors).folder(folder)
        }
        Engine::Jvm => {
            let mode = if settings.standalone.is_some() { "Standalone" } else { "Distributed" };
            let logging = cache::repository().join("integration/jvm/log4j2.properties");
            Launch::new("JVM worker", "java", log)
                .args(["-Xms256M", "-Xmx2G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"])
                .args([
                    "-XX:InitiatingHeapOccupancyPercent=35",
                    "-XX:+ExplicitGCInvokesConcurrent",
                    "-Djava.awt.headless=true",
                ])
                .args([format!("-Dlog4j2.configurationFile={}", logging.display()), "-cp".to_owned()])
                .args([jars::kafka_class_path()?, format!("org.apache.kafka.connect.cli.Connect{mode}"), file])
                .args(connectors)
                .folder(folder)
        }
    })
}
