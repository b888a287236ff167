//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// What the version flag says.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (contract of Kafka Connect 4.1.0)");

/// A Kafka Connect worker: same files, same REST API, same topics.
#[derive(Debug, Parser)]
#[command(name = "couplet", version = VERSION, arg_required_else_help = true)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The ways to run.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a worker whose connectors, offsets and states are kept in Kafka topics
    #[command(alias = "Distributed")]
    Distributed {
        /// Settings of the worker
        properties: PathBuf,
    },
    /// Run a worker of its own; offsets are kept in a file
    #[command(alias = "Standalone")]
    Standalone {
        /// Settings of the worker
        properties: PathBuf,
        /// Connectors to create: .properties files, or JSON as REST takes it
        connectors: Vec<PathBuf>,
    },
    /// Check connectors: prints every error, and keys that have no effect; fails when one would be refused
    Validate {
        /// Connectors: .properties files, or JSON as REST takes it
        #[arg(required = true)]
        connectors: Vec<PathBuf>,
        /// Settings of the worker they are meant for; without them, defaults with JSON converters
        #[arg(long, value_name = "PROPERTIES")]
        worker: Option<PathBuf>,
    },
    /// Run a broker and a worker in one process, with nothing to set up. For development only
    Dev(Dev),
}

impl Command {
    /// The settings of the worker that is run.
    pub fn properties(&self) -> Option<&Path> {
        match self {
            Command::Distributed { properties } | Command::Standalone { properties, .. } => Some(properties),
            Command::Validate { .. } | Command::Dev(_) => None,
        }
    }
}

/// Settings of `couplet dev`.
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Folder for topics; in memory when absent, or when it is `memory`
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Port of the broker
    #[arg(long, default_value_t = 9092)]
    pub port: u16,
    /// Port of the REST API
    #[arg(long, default_value_t = 8083)]
    pub rest_port: u16,
    /// Only the broker
    #[arg(long)]
    pub broker_only: bool,
}

impl Dev {
    /// The folder for topics; `None`: in memory.
    pub fn folder(&self) -> Option<&Path> {
        self.data_dir.as_deref().filter(|dir| *dir != Path::new("memory"))
    }
}

/// Reads the command line. Called `connect-distributed` or `connect-standalone`, as Kafka's scripts are, the binary
/// takes the arguments of those.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Cli {
    Cli::parse_from(expand(arguments.into_iter().collect()))
}

fn expand(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let called = arguments.first().map(PathBuf::from).unwrap_or_default();
    let mode = match called.file_stem().and_then(|stem| stem.to_str()) {
        Some("connect-distributed") => "distributed",
        Some("connect-standalone") => "standalone",
        _ => return arguments,
    };
    // Kafka's scripts take -daemon first; service managers of today do without.
    if arguments.get(1).is_some_and(|a| a == "-daemon") {
        arguments.remove(1);
    }
    let is_flag = arguments.get(1).is_some_and(|a| a.to_string_lossy().starts_with('-'));
    if !is_flag {
        arguments.insert(1, mode.into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_names_choose_the_mode() {
        let rows: [(&[&str], &[&str]); 5] = [
            (&["couplet", "distributed", "w"], &["couplet", "distributed", "w"]),
            (&["/opt/bin/connect-distributed", "w"], &["/opt/bin/connect-distributed", "distributed", "w"]),
            (&["connect-distributed.sh", "-daemon", "w"], &["connect-distributed.sh", "distributed", "w"]),
            (&["connect-standalone", "w", "c"], &["connect-standalone", "standalone", "w", "c"]),
            (&["connect-standalone", "--version"], &["connect-standalone", "--version"]),
        ];
        for (given, want) in rows {
            let given = given.iter().map(OsString::from).collect();
            assert_eq!(expand(given), want);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
