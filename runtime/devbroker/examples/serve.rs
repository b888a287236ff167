//! Runs the broker until Ctrl-C: `cargo run -p couplet-devbroker --example serve -- 127.0.0.1:9092 [folder]`.
#![allow(clippy::print_stdout, reason = "a program for the command line")]

use couplet_devbroker::{Broker, BrokerConfig, Storage};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let listen = args.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned()).parse()?;
    let storage = args.next().map_or(Storage::Memory, |folder| Storage::Folder(folder.into()));
    let broker = Broker::start(BrokerConfig { listen, storage, ..BrokerConfig::default() }).await?;
    println!("development broker at {}, not for production", broker.address());
    tokio::signal::ctrl_c().await?;
    broker.stop().await;
    Ok(())
}
