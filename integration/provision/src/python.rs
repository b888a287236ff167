//! A Python environment with what the replay scripts import.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::Launch;
use crate::progress::say;
use crate::{cache, debian};

const REQUIREMENTS: &[&str] =
    &["confluent-kafka>=2.5", "psycopg[binary]>=3.1", "pymysql>=1.1", "pyyaml>=6", "requests>=2.31"];

/// A `python3` that can make virtual environments.
pub fn interpreter() -> Option<PathBuf> {
    let candidates = [PathBuf::from("python3"), PathBuf::from("/usr/bin/python3")];
    candidates.into_iter().find(|python| {
        let check = Command::new(python)
            .args(["-c", "import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 9))"])
            .output();
        check.is_ok_and(|done| done.status.success())
    })
}

/// The interpreter of the prepared environment.
pub fn environment() -> Result<PathBuf> {
    let folder = cache::folder()?.join("python");
    cache::filled(&folder, &REQUIREMENTS.join("\n"), || {
        debian::require(&[debian::PYTHON])?;
        say("making a Python environment for the replay scripts");
        let python =
            interpreter().ok_or_else(|| anyhow::anyhow!("no python3 with venv; install Debian's python3-venv"))?;
        let log = tempfile::Builder::new().prefix("couplet-python").tempdir()?;
        Launch::new("python3 -m venv", python, log.path().join("venv"))
            .args(["-m", "venv", "--clear"])
            .args([folder.display().to_string()])
            .run()?;
        Launch::new("pip install", folder.join("bin/python"), log.path().join("pip"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(REQUIREMENTS.iter().copied())
            .run()
    })?;
    Ok(folder.join("bin/python"))
}
