//! The part of `cargo x` that needs running services: development services, the test run, demos, benchmarks.
//!
//! A binary of its own, because it links Kafka and S3 clients: `cargo x` itself starts at once on a bare machine, checks what
//! is missing, and then hands over to this.
#![allow(clippy::print_stdout, reason = "talking to a person on a terminal is this program's job")]

mod bench;
mod binary;
mod cargo_tests;
mod demo;
mod dev_services;
mod golden;
mod mybank_schema;
mod second_look;
mod shared_services;
mod tally;
mod test_run;
mod third_party;

use std::process::ExitCode;

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
    /// Measure the JVM worker and ours on one broker in one run
    Bench(bench::BenchArgs),
    /// Play a demo and check it
    Demo(demo::DemoArgs),
    /// Run cargo's tests, replays of recordings and scenarios on one set of services
    Test(test_run::TestArgs),
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line with its causes; a backtrace of this program helps nobody.
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Up(args) => dev_services::up(&args).await,
            Command::Down { delete } => dev_services::down(delete).await,
            Command::Bench(args) => bench::run(&args).await,
            Command::Demo(args) => demo::run(&args).await,
            Command::Test(args) => test_run::run(&args).await,
        }
    })
}
