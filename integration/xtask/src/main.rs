//! `cargo x`: everything that is done to this repository by command.
//!
//! Builds on a bare machine within seconds. What needs Kafka or S3 clients is in `couplet-lab`, which this builds and starts
//! after it has seen to the packages that the build needs.
#![allow(clippy::print_stdout, reason = "talking to a person on a terminal is this program's job")]

mod fuzz;
mod lab;
mod new_connector;
mod static_checks;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use couplet_provision::debian;

#[derive(Parser)]
#[command(name = "cargo x", about = "Tasks of the Couplet repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a demo: database changes through Kafka to S3, checked at the end (`cargo x demo --help`)
    #[command(disable_help_flag = true)]
    Demo(PassedOn),
    /// Run all tests, or those of a filter: `golden`, `cdc-golden`, a crate's name, a part of a test's name
    Test { filter: Option<String> },
    /// Start Kafka, PostgreSQL and S3 for development; running ones are kept
    #[command(disable_help_flag = true)]
    Up(PassedOn),
    /// Stop what `up` started
    #[command(disable_help_flag = true)]
    Down(PassedOn),
    /// Measure the JVM worker and ours side by side
    #[command(disable_help_flag = true)]
    Bench(PassedOn),
    /// Look for inputs that make a decoder panic, hang or hoard memory (`cargo x fuzz list`)
    Fuzz(fuzz::FuzzArgs),
    /// Check the rules of this repository that no compiler checks
    Tidy,
    /// Write the skeleton of something new
    New {
        #[command(subcommand)]
        what: New,
    },
}

#[derive(Subcommand)]
enum New {
    /// A connector crate with its configuration example and tests
    Connector(new_connector::NewConnectorArgs),
}

/// Arguments for `couplet-lab`.
#[derive(clap::Args)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
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
    use debian::{BUILD, JVM, MARIADB, MYSQL, POSTGRES, PYTHON};
    match Cli::parse().task {
        Task::Demo(passed) => lab::run(&[BUILD, POSTGRES], "demo", &passed.arguments),
        Task::Up(passed) => lab::run(&[BUILD, POSTGRES, JVM], "up", &passed.arguments),
        Task::Down(passed) => lab::run(&[BUILD], "down", &passed.arguments),
        Task::Bench(passed) => lab::run(&[BUILD, POSTGRES, JVM], "bench", &passed.arguments),
        Task::Test { filter } => static_checks::test(&[BUILD, POSTGRES, MARIADB, MYSQL, JVM, PYTHON], filter),
        Task::Fuzz(args) => {
            debian::require(&[BUILD])?;
            fuzz::run(&args)
        }
        Task::Tidy => tidy::run(),
        Task::New { what: New::Connector(args) } => new_connector::run(&args),
    }
}
