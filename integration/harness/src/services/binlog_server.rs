//! A private MySQL or MariaDB server whose binary log a connector can read.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use couplet_provision::process::{Launch, Process, is_root};
use couplet_provision::{Deadline, debian, eventually, mysql_server};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::{Shutdown, free_port};

/// Everything the log needs, and as little waiting for the disk as can be: the data of tests survive a crash of the server,
/// and need not survive one of the machine.
const OPTIONS: [&str; 9] = [
    "--log-bin=mysql-bin",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
    "--default-time-zone=+00:00",
    "--innodb-flush-log-at-trx-commit=2",
    "--sync-binlog=0",
    "--innodb-buffer-pool-size=64M",
    "--bind-address=127.0.0.1",
];

/// The user that tests log in as.
const USERS: &str =
    "CREATE USER IF NOT EXISTS dbz@'%' IDENTIFIED BY 'dbz';\nGRANT ALL ON *.* TO dbz@'%' WITH GRANT OPTION;\n";

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinlogKind {
    /// MySQL 8.0.
    MySql,
    /// MariaDB of Debian.
    MariaDb,
}

/// A running server. Its user with all rights is `dbz` with the password `dbz`.
#[derive(Debug)]
pub struct BinlogServer {
    /// Whose it is.
    pub kind: BinlogKind,
    /// Port on 127.0.0.1.
    pub port: u16,
    launch: Launch,
    process: Process,
    _folder: TempDir,
}

impl BinlogServer {
    /// MySQL 8.0 with GTIDs.
    pub async fn mysql() -> Result<Self> {
        Self::mysql_with(&["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]).await
    }

    /// MySQL 8.0 whose transactions have no GTIDs.
    pub async fn mysql_without_gtids() -> Result<Self> {
        Self::mysql_with(&["--gtid-mode=OFF"]).await
    }

    async fn mysql_with(options: &[&str]) -> Result<Self> {
        let (folder, port) = (folder("couplet-mysql")?, free_port()?);
        let program = tokio::task::spawn_blocking(|| {
            debian::require(&[debian::MYSQL])?;
            mysql_server::folder()
        })
        .await??;
        let at = folder.path().to_owned();
        let initialize = launch("mysqld --initialize", &program.join("bin/mysqld"), &at)
            .args([format!("--basedir={}", program.display()), "--initialize-insecure".to_owned()])
            .args(["--innodb-redo-log-capacity=8M"]);
        tokio::task::spawn_blocking(move || initialize.run()).await?.context("cannot make a MySQL server")?;
        let launch = launch("MySQL", &program.join("bin/mysqld"), &at)
            .args([format!("--basedir={}", program.display()), "--mysqlx=OFF".to_owned()])
            .args(["--performance-schema=OFF"])
            .args(options.iter().copied());
        Self::start(BinlogKind::MySql, launch, folder, port).await
    }

    /// MariaDB of Debian with strict GTIDs.
    pub async fn mariadb() -> Result<Self> {
        let (folder, port) = (folder("couplet-mariadb")?, free_port()?);
        tokio::task::spawn_blocking(|| debian::require(&[debian::MARIADB])).await??;
        let program = debian::mariadb_server().context("no MariaDB server found after installing one")?;
        let at = folder.path().to_owned();
        // What mariadb-install-db does, without the client programs it wants.
        let mut statements =
            "create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n".to_owned();
        for part in ["system_tables", "performance_tables", "system_tables_data"] {
            let file = format!("/usr/share/mysql/mysql_{part}.sql");
            statements.push_str(&fs::read_to_string(&file).with_context(|| file.clone())?);
        }
        fs::write(at.join("tables.sql"), statements)?;
        // The program reads statements from its standard input.
        let command = format!(
            "exec {} --no-defaults --bootstrap {}--datadir={}/data --max-allowed-packet=8M < {}/tables.sql",
            program.display(),
            if is_root() { "--user=root " } else { "" },
            at.display(),
            at.display()
        );
        let bootstrap =
            Launch::new("mariadbd --bootstrap", "sh", at.join("bootstrap.log")).args(["-c".to_owned(), command]);
        tokio::task::spawn_blocking(move || bootstrap.run()).await?.context("cannot make a MariaDB server")?;
        let launch = launch("MariaDB", &program, &at).args(["--gtid-strict-mode=ON", "--character-set-server=utf8mb4"]);
        Self::start(BinlogKind::MariaDb, launch, folder, port).await
    }

    async fn start(kind: BinlogKind, launch: Launch, folder: TempDir, port: u16) -> Result<Self> {
        let at = folder.path();
        let users = at.join("users.sql");
        fs::write(&users, USERS)?;
        let launch = launch.args(OPTIONS).args([
            format!("--port={port}"),
            format!("--server-id={port}"),
            format!("--socket={}", at.join("socket").display()),
            format!("--pid-file={}", at.join("pid").display()),
            format!("--init-file={}", users.display()),
        ]);
        let process = spawn(&launch, port).await?;
        Ok(Self { kind, port, launch, process, _folder: folder })
    }

    /// Takes the server down and starts it again on the same port.
    ///
    /// # Errors
    /// When it is not down after 100 s: then something keeps it.
    pub async fn restart(&mut self, shutdown: Shutdown) -> Result<()> {
        match shutdown {
            Shutdown::Fast => drop(self.process.stop(100).await?),
            Shutdown::Immediate => self.process.kill(),
        }
        self.process = spawn(&self.launch, self.port).await?;
        Ok(())
    }

    /// URL for tests.
    pub fn url(&self) -> String {
        format!("mysql://dbz:dbz@127.0.0.1:{}", self.port)
    }

    /// URL of a database for tests.
    pub fn database_url(&self, database: &str) -> String {
        format!("{}/{database}", self.url())
    }

    /// Process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// Starts a server and waits until clients can log in.
async fn spawn(launch: &Launch, port: u16) -> Result<Process> {
    let mut process = launch.spawn()?;
    eventually("the database server", Deadline::after_secs(120), || {
        let checked = process.check_running();
        async move {
            checked?;
            Ok(greets(port).await.then_some(()))
        }
    })
    .await?;
    Ok(process)
}

fn folder(prefix: &str) -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
    fs::create_dir(folder.path().join("data"))?;
    Ok(folder)
}

fn launch(name: &str, program: &Path, at: &Path) -> Launch {
    let root: &[&str] = if is_root() { &["--user=root"] } else { &[] };
    Launch::new(name, program, at.join("server.log"))
        .args(["--no-defaults"])
        .args(root.iter().copied())
        .args([format!("--datadir={}", at.join("data").display())])
        .folder(Path::new("/"))
}

/// Whether the server begins with its greeting, protocol 10: the users are made by then.
async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.is_ok() && head[4] == 10
}
