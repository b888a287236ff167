//! `cargo x fuzz`: libFuzzer on the decoders of foreign bytes.
//!
//! The crate `integration/fuzz` is built with LLVM's coverage instrumentation, which the stable compiler offers as code
//! generation options; libFuzzer itself comes in source with the crate `libfuzzer-sys`. No nightly, no cargo-fuzz: those add
//! AddressSanitizer only, which has little to find in safe Rust. Memory is watched by an accounting allocator instead.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use couplet_provision::cache;
use couplet_provision::progress::say;

use crate::lab::cargo;

/// Which decoders to fuzz, and how long.
#[derive(Args)]
pub struct FuzzArgs {
    /// A decoder; none: all, one after the other. `list` prints the names
    target: Option<String>,
    /// Seconds for each decoder
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// What makes the compiler count which edges of the program an input runs through.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Builds the fuzzer and runs it. Inputs that break a promise are left in `.couplet/fuzz/<decoder>`.
pub fn run(args: &FuzzArgs) -> Result<()> {
    let program = build()?;
    let listed = Command::new(&program).output().context("cannot start the fuzzer")?;
    let names: Vec<String> = String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect();
    ensure!(!names.is_empty(), "the fuzzer knows no decoders");
    let chosen: Vec<&String> = match args.target.as_deref() {
        Some("list") => {
            names.iter().for_each(|name| say(name));
            return Ok(());
        }
        Some(wanted) => names.iter().filter(|name| *name == wanted).collect(),
        None => names.iter().collect(),
    };
    ensure!(!chosen.is_empty(), "there is no such decoder; there are: {}", names.join(", "));
    let mut broken = Vec::new();
    for name in chosen {
        say(&format!("{name} for {} s", args.seconds));
        if !fuzz(&program, name, args.seconds)? {
            broken.push(name.as_str());
        }
    }
    if !broken.is_empty() {
        bail!("broken by inputs that are kept in .couplet/fuzz: {}", broken.join(", "));
    }
    Ok(())
}

/// Builds the fuzzer and says where it is.
fn build() -> Result<PathBuf> {
    say("building the fuzzer (some minutes, once)");
    let host = host()?;
    let target_dir = cache::repository().join("target/fuzz");
    // With the host named, build scripts and macros stay without instrumentation.
    let status = cargo(&["build", "--quiet", "--profile", "fuzz", "--manifest-path", "integration/fuzz/Cargo.toml"])
        .args(["--target", &host, "--target-dir"])
        .arg(&target_dir)
        .env("RUSTFLAGS", INSTRUMENTATION)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "the fuzzer does not build");
    Ok(target_dir.join(host).join("fuzz/couplet-fuzz"))
}

fn host() -> Result<String> {
    let version = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what the host is")?.to_owned())
}

/// Whether the decoder survived.
fn fuzz(program: &Path, name: &str, seconds: u32) -> Result<bool> {
    let folder = cache::repository().join(".couplet/fuzz").join(name);
    let corpus = folder.join("corpus");
    let seeds = folder.join("seeds");
    std::fs::create_dir_all(&corpus)?;
    let written = Command::new(program)
        .env("COUPLET_FUZZ_TARGET", name)
        .env("COUPLET_FUZZ_SEEDS", &seeds)
        .env("COUPLET_GOLDEN", cache::repository().join("integration/golden"))
        .status()?;
    ensure!(written.success(), "the seeds of {name} cannot be written");
    let status = Command::new(program)
        .args([&corpus, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1", "-verbosity=0"])
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .env("COUPLET_FUZZ_TARGET", name)
        .status()
        .context("cannot start the fuzzer")?;
    Ok(status.success())
}
