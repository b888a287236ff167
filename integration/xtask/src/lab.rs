//! Handing over to `couplet-lab`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use couplet_provision::cache;
use couplet_provision::debian::{self, Need};
use couplet_provision::progress::say;

/// Installs what is missing, builds the lab, and becomes one of its commands. Returns only when it cannot.
pub fn run(needs: &[&[Need]], command: &str, arguments: &[String]) -> Result<()> {
    debian::require(needs)?;
    if !lab_is_built() {
        say("compiling the tools that need Kafka and S3 clients (a few minutes, once)");
    }
    // In place of this process, so that Ctrl-C and the exit code are the lab's.
    let error = cargo(&["run", "--quiet", "-p", "couplet-lab", "--", command]).args(arguments).exec();
    Err(error).context("cannot start cargo")
}

fn lab_is_built() -> bool {
    std::env::current_exe().is_ok_and(|here| here.with_file_name("couplet-lab").is_file())
}

/// cargo at the root of the repository.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(cache::repository());
    command
}
