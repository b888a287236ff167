//! Python environments: what the replay scripts import, and a client of Connect's REST API.

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

/// A client of Connect's REST API that nobody here wrote: `kc` of the package kafka-connect-py.
const CONNECT_CLIENT: &[&str] = &["kafka-connect-py==1.0.0", "requests>=2.31"];

/// The interpreter of the environment for the replay scripts.
pub fn environment() -> Result<PathBuf> {
    Ok(prepared("python", REQUIREMENTS)?.join("python"))
}

/// The program `kc`.
pub fn connect_client() -> Result<PathBuf> {
    Ok(prepared("python-kc", CONNECT_CLIENT)?.join("kc"))
}

/// The folder of programs of an environment with `requirements`, made in the cache folder when it is not there.
fn prepared(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let folder = cache::folder()?.join(name);
    cache::filled(&folder, &requirements.join("\n"), || {
        debian::require(&[debian::PYTHON])?;
        say(&format!("making a Python environment with {}", requirements.join(", ")));
        let python =
            interpreter().ok_or_else(|| anyhow::anyhow!("no python3 with venv; install Debian's python3-venv"))?;
        let log = tempfile::Builder::new().prefix("couplet-python").tempdir()?;
        Launch::new("python3 -m venv", python, log.path().join("venv"))
            .args(["-m", "venv", "--clear"])
            .args([folder.display().to_string()])
            .run()?;
        Launch::new("pip install", folder.join("bin/python"), log.path().join("pip"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(requirements.iter().copied())
            .run()
    })?;
    Ok(folder.join("bin"))
}
