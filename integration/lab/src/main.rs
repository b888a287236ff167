//! The part of `cargo x` that needs running services: development services, the test run, demos, benchmarks.
//!
//! A binary of its own, because it links Kafka and S3 clients: `cargo x` itself starts at once on a bare machine, checks what
//! is missing, and then hands over to this.
#![allow(clippy::print_stdout, reason = "talking to a person on a terminal is this program's job")]

mod dev_services;
mod mybank_schema;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "couplet-lab", about = "Services, tests, demos and benchmarks of Couplet (through `cargo x`)")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start Kafka, PostgreSQL and S3 for development; running ones are kept
    Up(dev_services::UpArgs),
    /// Stop what `up` started
    Down {
        /// Also delete their data
        #[arg(long)]
        delete: bool,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(args) => dev_services::up(&args).await,
            Command::Down { delete } => dev_services::down(delete).await,
        }
    })
}
