//! Our own binary, built with cargo.

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
        cargo_build(&[])?;
    }
    Engine::couplet()
}

/// Builds the worker as it is shipped, for measurements; `COUPLET_BIN` names one that is built already.
pub fn build_release() -> Result<Engine> {
    if std::env::var_os("COUPLET_BIN").is_some() {
        return Engine::couplet();
    }
    cargo_build(&["--release"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache::repository().join("target"), Into::into);
    Ok(Engine::Couplet(target.join("release/couplet")))
}

fn cargo_build(arguments: &[&str]) -> Result<()> {
    let mut build = Command::new("cargo");
    build.args(["build", "--quiet", "-p", "couplet-server"]).args(arguments).current_dir(cache::repository());
    if !build.status()?.success() {
        bail!("the worker does not compile");
    }
    Ok(())
}
