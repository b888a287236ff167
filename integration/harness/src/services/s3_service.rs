//! An S3 server with its objects in a folder.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;

use anyhow::Result;
use couplet_provision::process::{Launch, Process};
use couplet_provision::s3_server::{self, S3Program};
use couplet_provision::{Deadline, eventually};
use tempfile::TempDir;

use super::{free_port, kafka_broker::still_there};
use crate::clients::ObjectStore;

/// Credentials of every S3 server started here.
pub const ACCESS_KEY: &str = "couplet";
/// See [`ACCESS_KEY`].
pub const SECRET_KEY: &str = "couplet-secret";

/// Where an S3 server listens and keeps its objects.
#[derive(Debug, Default)]
pub struct S3Settings {
    /// Port; a free one when `None`.
    pub port: Option<u16>,
    /// Folder of the objects, kept; a temporary one when `None`.
    pub folder: Option<PathBuf>,
}

/// A running S3 server.
#[derive(Debug)]
pub struct S3Service {
    /// `http://host:port`.
    pub endpoint: String,
    /// What serves, for people.
    pub program: &'static str,
    process: Process,
    _folder: Option<TempDir>,
}

/// A server that was prepared but not started.
struct Prepared {
    launch: Launch,
    port: u16,
    program: &'static str,
    temporary: Option<TempDir>,
}

impl S3Service {
    /// Starts a server that ends with this value.
    pub async fn start(settings: S3Settings) -> Result<Self> {
        let prepared = prepare(settings)?;
        let mut process = prepared.launch.spawn()?;
        await_ready(prepared.port, || process.check_running()).await?;
        let endpoint = format!("http://127.0.0.1:{}", prepared.port);
        Ok(Self { endpoint, program: prepared.program, process, _folder: prepared.temporary })
    }

    /// Starts a server that outlives this process and returns its process id. `settings` must name a folder.
    pub async fn start_detached(settings: S3Settings) -> Result<u32> {
        let prepared = prepare(settings)?;
        let pid = prepared.launch.spawn_detached()?;
        await_ready(prepared.port, || still_there(pid)).await?;
        Ok(pid)
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A client with this server's credentials.
    pub fn client(&self) -> ObjectStore {
        ObjectStore::new(&self.endpoint, ACCESS_KEY, SECRET_KEY)
    }
}

async fn await_ready(port: u16, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    eventually("the S3 server", Deadline::after_secs(60), || {
        let checked = check();
        async move {
            checked?;
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
        }
    })
    .await
    .map(drop)
}

fn prepare(settings: S3Settings) -> Result<Prepared> {
    let program = s3_server::program()?;
    let (folder, temporary) = match settings.folder {
        Some(folder) => (folder, None),
        None => {
            let temporary = tempfile::Builder::new().prefix("couplet-s3").tempdir()?;
            (temporary.path().to_owned(), Some(temporary))
        }
    };
    let objects = folder.join("objects");
    fs::create_dir_all(&objects)?;
    let port = settings.port.map_or_else(free_port, Ok)?;
    let (root, log) = (objects.display().to_string(), folder.join("server.log"));
    let launch = match &program {
        S3Program::Versity(binary) => Launch::new("S3 gateway", binary, log)
            .args(["--quiet", "--port"])
            .args([format!("127.0.0.1:{port}"), "posix".to_owned(), root])
            .env("ROOT_ACCESS_KEY", ACCESS_KEY)
            .env("ROOT_SECRET_KEY", SECRET_KEY),
        S3Program::S3sFs(binary) => Launch::new("S3 server", binary, log)
            .args(["--host", "127.0.0.1", "--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY, "--port"])
            .args([port.to_string(), root]),
    };
    Ok(Prepared { launch, port, program: program.name(), temporary })
}
