//! Handing over to `couplet-lab`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use couplet_provision::cache;
use couplet_provision::debian::{self, Need};

/// Installs what is missing, builds the lab, and becomes one of its commands. Returns only when it cannot.
pub fn run(needs: &[&[Need]], command: &str, arguments: &[String]) -> Result<()> {
    debian::require(needs)?;
    // In place of this process, so that Ctrl-C and the exit code are the lab's.
    let error = cargo(&["run", "--quiet", "-p", "couplet-lab", "--", command]).args(arguments).exec();
    Err(error).context("cannot start cargo")
}

/// cargo at the root of the repository.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(cache::repository());
    command
}
