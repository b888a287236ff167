//! A schema registry that keeps everything in memory.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use couplet_provision::process::{Launch, Process};
use couplet_provision::{Deadline, eventually, schema_registry};
use tempfile::TempDir;

use super::free_port;

/// A running registry, gone with this value.
#[derive(Debug)]
pub struct SchemaRegistry {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl SchemaRegistry {
    /// Starts a registry; it takes 12 seconds on a machine that does nothing else.
    pub async fn start() -> Result<Self> {
        let jar = schema_registry::runner_jar()?;
        let folder = tempfile::Builder::new().prefix("couplet-registry").tempdir()?;
        let port = free_port()?;
        let mut process = Launch::new("schema registry", "java", folder.path().join("server.log"))
            .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Dquarkus.http.host=127.0.0.1"])
            .args([format!("-Dquarkus.http.port={port}"), "-jar".to_owned(), jar.display().to_string()])
            .folder(folder.path())
            .spawn()?;
        // It listens when everything else is ready.
        eventually("the schema registry", Deadline::after_secs(120), || {
            let checked = process.check_running();
            async move {
                checked?;
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
            }
        })
        .await?;
        Ok(Self { address: (Ipv4Addr::LOCALHOST, port).into(), _process: process, _folder: folder })
    }

    /// Base of Confluent's API.
    pub fn url(&self) -> String {
        format!("http://{}/apis/ccompat/v7", self.address)
    }
}
