//! `cargo x up` and `cargo x down`: one broker, one PostgreSQL cluster and one S3 server that outlive the command.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use couplet_harness::clients::{Kafka, ObjectStore, postgres};
use couplet_harness::provision::{cache, process, process_stat};
use couplet_harness::services::{
    BrokerSettings, KafkaBroker, PostgresCluster, PostgresSettings, S3Service, S3Settings, is_free, postgres_cluster,
    s3_service,
};
use serde::{Deserialize, Serialize};

use crate::mybank_schema;

/// Bucket that `up` makes.
const BUCKET: &str = "mybank";

/// Ports of the development services.
#[derive(Args)]
pub struct UpArgs {
    #[arg(long, default_value_t = 9092)]
    kafka_port: u16,
    #[arg(long, default_value_t = 5432)]
    postgres_port: u16,
    #[arg(long, default_value_t = 9000)]
    s3_port: u16,
}

/// One service that `up` started: the start time tells it from a later process with the same id.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Started {
    pid: u32,
    start_ticks: u64,
    port: u16,
}

impl Started {
    fn runs(&self) -> bool {
        process_stat::start_ticks(self.pid) == Some(self.start_ticks)
    }
}

type Services = BTreeMap<String, Started>;

fn state_folder() -> PathBuf {
    cache::repository().join(".couplet")
}

fn state_file() -> PathBuf {
    state_folder().join("services.json")
}

fn load() -> Services {
    let text = fs::read_to_string(state_file()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn save(services: &Services) -> Result<()> {
    fs::create_dir_all(state_folder())?;
    Ok(fs::write(state_file(), serde_json::to_string_pretty(services)?)?)
}

/// PostgreSQL does not run as root, and its user may not be able to enter a clone in root's home.
fn postgres_folder() -> Result<PathBuf> {
    let folder = state_folder().join("postgres");
    if !process::is_root() || postgres_cluster::is_reachable(&folder) {
        return Ok(folder);
    }
    let name = state_folder().display().to_string().replace('/', "-");
    let outside = Path::new("/var/tmp").join(format!("couplet{name}"));
    fs::DirBuilder::new().recursive(true).mode(0o755).create(&outside)?;
    Ok(outside.join("postgres"))
}

/// Starts what does not run yet, makes the demo's database, bucket and user, and says how to use them.
pub async fn up(args: &UpArgs) -> Result<()> {
    fs::create_dir_all(state_folder())?;
    let mut services = load();
    services.retain(|_, started| started.runs());
    for (name, port) in [("kafka", args.kafka_port), ("postgres", args.postgres_port), ("s3", args.s3_port)] {
        if services.contains_key(name) {
            continue;
        }
        if !is_free(port) {
            bail!("port {port} is in use by another program; choose one with `cargo x up --{name}-port PORT`");
        }
        println!("starting {name} on port {port} ...");
        let pid = start(name, port).await.with_context(|| format!("cannot start {name}"))?;
        let start_ticks = process_stat::start_ticks(pid).with_context(|| format!("{name} ended at once"))?;
        services.insert(name.to_owned(), Started { pid, start_ticks, port });
        save(&services)?;
    }
    furnish(&services).await?;
    describe(&services);
    Ok(())
}

async fn start(name: &str, port: u16) -> Result<u32> {
    let port = Some(port);
    match name {
        "kafka" => {
            let folder = Some(state_folder().join("kafka"));
            KafkaBroker::start_detached(BrokerSettings { port, folder, ..BrokerSettings::default() }).await
        }
        "postgres" => {
            let folder = Some(postgres_folder()?);
            PostgresCluster::start_detached(PostgresSettings { port, folder, ..PostgresSettings::default() }).await
        }
        _ => S3Service::start_detached(S3Settings { port, folder: Some(state_folder().join("s3")) }).await,
    }
}

async fn furnish(services: &Services) -> Result<()> {
    let base = format!("postgres://dbz:dbz@127.0.0.1:{}", services["postgres"].port);
    let admin = postgres(&format!("{base}/postgres")).await?;
    if admin.query_opt("select 1 from pg_database where datname = $1", &[&mybank_schema::DATABASE]).await?.is_none() {
        admin.batch_execute(&format!("create database {}", mybank_schema::DATABASE)).await?;
    }
    mybank_schema::create(&postgres(&format!("{base}/{}", mybank_schema::DATABASE)).await?, 100).await?;
    let endpoint = format!("http://127.0.0.1:{}", services["s3"].port);
    ObjectStore::new(&endpoint, s3_service::ACCESS_KEY, s3_service::SECRET_KEY).create_bucket(BUCKET).await?;
    Kafka::new(&format!("127.0.0.1:{}", services["kafka"].port))?.topics().await.map(drop)
}

fn describe(services: &Services) {
    let port = |name: &str| services[name].port;
    println!("Kafka       127.0.0.1:{}", port("kafka"));
    println!("PostgreSQL  postgres://dbz:dbz@127.0.0.1:{}/{}", port("postgres"), mybank_schema::DATABASE);
    println!(
        "S3          http://127.0.0.1:{}  bucket {BUCKET}  access key {}  secret key {}",
        port("s3"),
        s3_service::ACCESS_KEY,
        s3_service::SECRET_KEY
    );
    println!("stop them with `cargo x down`; logs and data are in .couplet/");
}

/// Stops what `up` started, and with `delete` removes its data.
pub async fn down(delete: bool) -> Result<()> {
    let mut services = load();
    for (name, started) in std::mem::take(&mut services) {
        if started.runs() {
            println!("stopping {name} ...");
            process::stop_detached(started.pid, 30).await?;
        }
    }
    save(&services)?;
    if delete {
        let mut folders = vec![state_folder()];
        // The parent of an outside folder is ours too; inside it is the state folder itself.
        folders.extend(postgres_folder()?.parent().map(Path::to_owned));
        for folder in folders.into_iter().filter(|f| f.exists()) {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot delete {}", folder.display()))?;
        }
    }
    Ok(())
}
