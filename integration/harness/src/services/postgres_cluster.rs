//! A private PostgreSQL cluster, from Debian's package.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use couplet_provision::debian;
use couplet_provision::process::{Launch, Process, is_root, user_ids};
use couplet_provision::{Deadline, eventually};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

use super::{free_port, kafka_broker::still_there};

/// Where a cluster listens and keeps its data.
#[derive(Debug)]
pub struct PostgresSettings {
    /// Port; a free one when `None`.
    pub port: Option<u16>,
    /// Folder of the data, kept; a temporary one when `None`.
    pub folder: Option<PathBuf>,
    /// `logical` for change data capture.
    pub wal_level: &'static str,
    /// Wait for the disk at commit. Off in tests: their data does not survive a crash of the machine.
    pub fsync: bool,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { port: None, folder: None, wal_level: "logical", fsync: false }
    }
}

/// A running cluster. Its superuser is `dbz` with the password `dbz`, asked for over TCP.
#[derive(Debug)]
pub struct PostgresCluster {
    /// Port on 127.0.0.1.
    pub port: u16,
    launch: Launch,
    process: Process,
    _folder: Option<TempDir>,
}

/// How a cluster goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// As an administrator restarts it: sessions are ended, replication connections get what is left of the log.
    Fast,
    /// As after a crash: nothing is written, and the next start recovers from the log.
    Immediate,
}

/// A cluster that was made but not started.
struct Prepared {
    launch: Launch,
    port: u16,
    temporary: Option<TempDir>,
}

impl PostgresCluster {
    /// Starts a cluster that ends with this value.
    pub async fn start(settings: PostgresSettings) -> Result<Self> {
        let prepared = prepare(settings)?;
        let mut process = prepared.launch.spawn()?;
        await_ready(prepared.port, || process.check_running()).await?;
        let Prepared { launch, port, temporary } = prepared;
        Ok(Self { port, launch, process, _folder: temporary })
    }

    /// Starts a cluster that outlives this process and returns its process id. `settings` must name a folder.
    pub async fn start_detached(settings: PostgresSettings) -> Result<u32> {
        let prepared = prepare(settings)?;
        let pid = prepared.launch.spawn_detached()?;
        await_ready(prepared.port, || still_there(pid)).await?;
        Ok(pid)
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// URL of a database for clients.
    pub fn url(&self, database: &str) -> String {
        url(self.port, database)
    }

    /// Takes the cluster down and starts it again on the same port.
    ///
    /// # Errors
    /// When it is not down after 100 s: then something keeps it.
    pub async fn restart(&mut self, shutdown: Shutdown) -> Result<()> {
        match shutdown {
            Shutdown::Fast => self.process.interrupt(100).await?,
            Shutdown::Immediate => self.process.quit(100).await?,
        };
        self.process = self.launch.spawn()?;
        await_ready(self.port, || self.process.check_running()).await
    }

    /// Asks the cluster to stop as it would at a shutdown, and waits.
    pub async fn stop(mut self) -> Result<()> {
        self.process.stop(30).await.map(drop)
    }
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://dbz:dbz@127.0.0.1:{port}/{database}")
}

/// A connection whose task ends with the client.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.with_context(|| format!("PostgreSQL at {url}"))?;
    #[allow(clippy::disallowed_methods, reason = "the harness links nothing of the runtime")]
    tokio::spawn(connection);
    Ok(client)
}

async fn await_ready(port: u16, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    let target = url(port, "postgres");
    eventually("PostgreSQL", Deadline::after_secs(90), || {
        let (checked, target) = (check(), target.clone());
        async move {
            checked?;
            Ok(connect(&target).await.ok())
        }
    })
    .await
    .map(drop)
}

/// PostgreSQL refuses to run as root, so root hands its folder to `postgres` (or `nobody`, should that user be missing).
fn service_user() -> Option<&'static str> {
    is_root().then(|| if user_ids("postgres").is_ok() { "postgres" } else { "nobody" })
}

fn prepare(settings: PostgresSettings) -> Result<Prepared> {
    debian::require(&[debian::POSTGRES])?;
    let bin = debian::postgres_bin().context("no PostgreSQL server found after installing one")?;
    let (folder, temporary) = match settings.folder {
        Some(folder) => (folder, None),
        None => {
            let temporary = tempfile::Builder::new().prefix("couplet-postgres").tempdir()?;
            (temporary.path().join("cluster"), Some(temporary))
        }
    };
    let user = service_user();
    fs::create_dir_all(&folder)?;
    if let Some(user) = user {
        let (uid, gid) = user_ids(user)?;
        if let Some(temporary) = &temporary {
            fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755))?;
        }
        chown(&folder, Some(uid), Some(gid))?;
        ensure!(is_reachable(&folder), "user {user} cannot enter {}: a parent folder is closed", folder.display());
    }
    let data = folder.join("data");
    if !data.join("PG_VERSION").exists() {
        initialize(&bin, &folder, user)?;
    }
    let port = settings.port.map_or_else(free_port, Ok)?;
    let fsync = if settings.fsync { "on" } else { "off" };
    let options = [
        ("wal_level", settings.wal_level),
        ("fsync", fsync),
        ("max_wal_senders", "40"),
        ("max_replication_slots", "40"),
        ("max_connections", "200"),
        ("listen_addresses", "127.0.0.1"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("max_wal_size", "4GB"),
    ];
    let launch = Launch::new("PostgreSQL", bin.join("postgres"), log_path(&folder))
        .args(["-D".to_owned(), data.display().to_string(), "-p".to_owned(), port.to_string()])
        .args(["-k".to_owned(), folder.display().to_string()])
        .args(options.iter().flat_map(|(key, value)| ["-c".to_owned(), format!("{key}={value}")]))
        .folder(Path::new("/"))
        .user(user)
        // An immediate shutdown: the postmaster takes its children with it.
        .death_signal("QUIT");
    Ok(Prepared { launch, port, temporary })
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// Whether another user can walk to `folder`.
pub fn is_reachable(folder: &Path) -> bool {
    let parents = folder.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty());
    parents.into_iter().all(|parent| fs::metadata(parent).is_ok_and(|m| m.permissions().mode() & 0o001 != 0))
}

fn initialize(bin: &Path, folder: &Path, user: Option<&str>) -> Result<()> {
    let password = folder.join("password");
    fs::write(&password, "dbz\n")?;
    let path = |p: PathBuf| p.display().to_string();
    Launch::new("initdb", bin.join("initdb"), folder.join("initdb.log"))
        .args(["-D".to_owned(), path(folder.join("data")), "-U".to_owned(), "dbz".to_owned()])
        .args(["--auth=scram-sha-256".to_owned(), format!("--pwfile={}", path(password.clone()))])
        .args(["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
        .folder(Path::new("/"))
        .user(user)
        .run()
        .context("cannot make a PostgreSQL cluster")?;
    fs::remove_file(password)?;
    Ok(())
}
