//! Debian and Ubuntu packages: present, installed, or named with the command that installs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process::is_root;
use crate::progress::say;

/// One thing that a part of the project needs from the machine.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Debian's package that brings it.
    pub package: &'static str,
    present: fn() -> bool,
}

/// A C and C++ compiler, make and OpenSSL's headers: librdkafka is built from source.
pub const BUILD: &[Need] = &[
    Need { package: "build-essential", present: || has("cc") && has("c++") && has("make") },
    Need { package: "pkg-config", present: || has("pkg-config") },
    Need { package: "libssl-dev", present: has_openssl_headers },
];

/// A PostgreSQL server with its contributed extensions.
pub const POSTGRES: &[Need] = &[Need { package: "postgresql", present: || postgres_bin().is_some() }];

/// MariaDB's server without the package that starts one.
pub const MARIADB: &[Need] = &[Need { package: "mariadb-server-core", present: || mariadb_server().is_some() }];

/// What the MySQL server of [`crate::mysql_server`] needs besides itself.
pub const MYSQL: &[Need] = &[
    Need { package: "unzip", present: || has("unzip") },
    Need { package: "libaio1", present: || has_library("libaio.so.1") },
    Need { package: "libnuma1", present: || has_library("libnuma.so.1") },
];

/// Java, and Maven to get jars: the Kafka broker and the JVM worker.
pub const JVM: &[Need] = &[
    Need { package: "default-jre-headless", present: || has("java") },
    Need { package: "maven", present: || has("mvn") },
];

/// Python with venv, for the scripts that replay recordings.
pub const PYTHON: &[Need] = &[Need { package: "python3-venv", present: || crate::python::interpreter().is_some() }];

/// Installs what is missing of `needs` with apt when this is root.
///
/// # Errors
/// Otherwise names the missing packages, and the command that installs them.
pub fn require(needs: &[&[Need]]) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() || !has("apt-get") {
        bail!("missing on this machine: {0}. Install with: sudo apt-get install {0}", missing.join(" "));
    }
    install(&missing)
}

fn missing(needs: &[&[Need]]) -> Vec<&'static str> {
    needs.iter().flat_map(|group| group.iter()).filter(|need| !(need.present)()).map(|need| need.package).collect()
}

fn install(packages: &[&str]) -> Result<()> {
    say(&format!("installing Debian packages: {}", packages.join(" ")));
    apt(&["update", "-qq"])?;
    if packages.contains(&"postgresql") {
        // Without this the package makes a cluster of its own and starts it on port 5432.
        apt(&["install", "-qq", "-y", "--no-install-recommends", "postgresql-common"])?;
        no_default_cluster()?;
    }
    let mut arguments = vec!["install", "-qq", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments)
}

fn no_default_cluster() -> Result<()> {
    let path = "/etc/postgresql-common/createcluster.conf";
    let text = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
    let kept = text.lines().filter(|l| !l.trim_start().starts_with("create_main_cluster"));
    let text: String = kept.chain(["create_main_cluster = false"]).flat_map(|l| [l, "\n"]).collect();
    std::fs::write(path, text).with_context(|| path.to_owned())
}

fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    let done = command.output().context("cannot start apt-get")?;
    if !done.status.success() {
        bail!("apt-get {} failed:\n{}", arguments.join(" "), String::from_utf8_lossy(&done.stderr));
    }
    Ok(())
}

/// Whether a program is on the PATH.
pub fn has(program: &str) -> bool {
    find(program).is_some()
}

/// Where a program is on the PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn has_openssl_headers() -> bool {
    let check = Command::new("pkg-config").args(["--exists", "openssl"]).status();
    check.is_ok_and(|s| s.success()) || Path::new("/usr/include/openssl/ssl.h").is_file()
}

/// MariaDB's server: Debian keeps it among the programs for root.
pub fn mariadb_server() -> Option<PathBuf> {
    let usual = PathBuf::from("/usr/sbin/mariadbd");
    if usual.is_file() { Some(usual) } else { find("mariadbd") }
}

fn has_library(name: &str) -> bool {
    let known = Command::new("/sbin/ldconfig").arg("-p").output();
    known.is_ok_and(|known| String::from_utf8_lossy(&known.stdout).contains(name))
}

/// The `bin` folder of the newest PostgreSQL server: Debian keeps servers off the PATH.
pub fn postgres_bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut bins: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    bins.sort();
    bins.pop().map(|(_, bin)| bin).or_else(|| find("initdb").and_then(|file| Some(file.parent()?.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missing_packages_are_named() {
        const NEEDS: &[Need] =
            &[Need { package: "here", present: || true }, Need { package: "gone", present: || false }];
        assert_eq!(missing(&[NEEDS, &NEEDS[..1]]), ["gone"]);
        assert!(require(&[&NEEDS[..1]]).is_ok());
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(has("sh"));
        assert!(!has("a-program-that-nobody-has"));
    }
}
