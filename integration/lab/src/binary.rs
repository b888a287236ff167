//! Our own binary, built with cargo.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use couplet_harness::provision::cache;
use couplet_harness::provision::progress::say;
use couplet_harness::worker::Engine;

/// Builds the worker with the profile of this program and returns it.
pub fn build() -> Result<Engine> {
    if std::env::var_os("COUPLET_BIN").is_none() {
        if Engine::couplet().is_err() {
            say("compiling the worker (a few minutes, once)");
        }
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "-p", "couplet-server"]);
        run(command)?;
    }
    Engine::couplet()
}

/// Whether a release binary keeps the names of its functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbols {
    /// As it is shipped.
    Stripped,
    /// The same code, which a profile can name.
    Kept,
}

/// Builds the worker as it is shipped, for measurements; `COUPLET_BIN` names one that is built already.
pub fn build_release(symbols: Symbols) -> Result<Engine> {
    if std::env::var_os("COUPLET_BIN").is_some() {
        return Engine::couplet();
    }
    let mut command = Command::new("cargo");
    match symbols {
        Symbols::Stripped => command.args(["build", "--quiet", "--release", "-p", "couplet-server"]),
        // Said to the last step only, so that nothing else is built again.
        Symbols::Kept => command
            .args(["rustc", "--quiet", "--release", "-p", "couplet-server", "--bin", "couplet"])
            .args(["--", "-C", "strip=debuginfo"]),
    };
    run(command)?;
    Ok(Engine::Couplet(release_folder().join("couplet")))
}

/// Builds an example of a crate for measurements and returns it.
pub fn build_example(package: &str, example: &str) -> Result<PathBuf> {
    let mut command = Command::new("cargo");
    command.args(["build", "--quiet", "--release", "-p", package, "--example", example]);
    run(command)?;
    Ok(release_folder().join("examples").join(example))
}

fn release_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache::repository().join("target"), PathBuf::from);
    target.join("release")
}

fn run(mut build: Command) -> Result<()> {
    if !build.current_dir(cache::repository()).status()?.success() {
        bail!("the worker does not compile");
    }
    Ok(())
}
