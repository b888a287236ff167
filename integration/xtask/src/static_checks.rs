//! `cargo x test`: what needs no running service, then the lab for the rest.

use anyhow::{Result, bail};
use couplet_provision::debian::{self, Need};

use crate::{lab, tidy};

/// Formatting, rules and lints first (only when no filter narrows the run), then everything else.
pub fn test(needs: &[&[Need]], filter: Option<String>) -> Result<()> {
    debian::require(needs)?;
    let (mut passed, mut failed) = (0, 0);
    if filter.is_none() {
        for (name, check) in checks() {
            match check() {
                Ok(()) => {
                    println!("ok {name}");
                    passed += 1;
                }
                Err(error) => {
                    println!("FAILED {name}: {error:#}");
                    failed += 1;
                }
            }
        }
    }
    let mut arguments: Vec<String> = filter.into_iter().collect();
    arguments.extend([format!("--passed-before={passed}"), format!("--failed-before={failed}")]);
    lab::run(needs, "test", &arguments)
}

type Check = (&'static str, fn() -> Result<()>);

fn checks() -> [Check; 3] {
    [
        ("rustfmt", || cargo(&["fmt", "--all", "--check"])),
        ("tidy", tidy::run),
        ("clippy", || cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ]
}

fn cargo(arguments: &[&str]) -> Result<()> {
    if !lab::cargo(arguments).status()?.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(())
}
