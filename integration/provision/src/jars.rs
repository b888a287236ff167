//! Jars from Maven Central: Kafka's broker and worker, and the plugins whose behaviour is the contract.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::Launch;
use crate::progress::say;
use crate::{cache, debian};

/// The version of Kafka in `integration/jvm/kafka/pom.xml`.
pub const KAFKA_VERSION: &str = "4.1.0";
/// The version of Debezium in `integration/jvm/debezium-postgres/pom.xml` and `debezium-mysql/pom.xml` there.
pub const DEBEZIUM_VERSION: &str = "3.3.1.Final";
/// The version of Debezium in `integration/jvm/debezium-mariadb/pom.xml`: that of the recordings.
pub const DEBEZIUM_MARIADB_VERSION: &str = "3.3.0.Final";

/// Class path of the broker and of the JVM worker.
pub fn kafka_class_path() -> Result<String> {
    let folder = cache::folder()?.join("jvm/kafka");
    copy("kafka", &folder)?;
    Ok(format!("{}/*", folder.display()))
}

/// A plugin path with the FileStream connectors only: the plugin set of the REST recordings.
pub fn plugin_path_file() -> Result<PathBuf> {
    plugin_path("plugins-file", &["connect-file"])
}

/// A plugin path with the FileStream connectors and Debezium's PostgreSQL connector.
pub fn plugin_path_debezium() -> Result<PathBuf> {
    plugin_path("plugins-debezium", &["connect-file", "debezium-postgres"])
}

/// A plugin path with Debezium's MySQL connector.
pub fn plugin_path_mysql() -> Result<PathBuf> {
    plugin_path("plugins-mysql", &["debezium-mysql"])
}

/// A plugin path with Debezium's MariaDB connector.
pub fn plugin_path_mariadb() -> Result<PathBuf> {
    plugin_path("plugins-mariadb", &["debezium-mariadb"])
}

fn plugin_path(name: &str, plugins: &[&str]) -> Result<PathBuf> {
    let folder = cache::folder()?.join("jvm").join(name);
    for plugin in plugins {
        copy(plugin, &folder.join(plugin))?;
    }
    Ok(folder)
}

fn copy(pom: &str, folder: &std::path::Path) -> Result<()> {
    let sources = cache::repository().join("integration/jvm");
    let recipe =
        fs::read_to_string(sources.join(pom).join("pom.xml")).with_context(|| format!("integration/jvm/{pom}"))?;
    cache::filled(folder, &recipe, || {
        debian::require(&[debian::JVM])?;
        say(&format!("getting the jars of {pom} from Maven Central"));
        let log = tempfile::Builder::new().prefix("couplet-maven").tempdir()?;
        Launch::new("mvn dependency:copy-dependencies", "mvn", log.path().join("log"))
            // What does not have its checksum is refused.
            .args(["-q", "-B", "-C", "-s"])
            .args([sources.join("settings.xml").display().to_string(), "-f".to_owned()])
            .args([sources.join(pom).join("pom.xml").display().to_string(), "dependency:copy-dependencies".to_owned()])
            .args(["-DincludeScope=runtime".to_owned(), format!("-DoutputDirectory={}", folder.display())])
            .run()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_poms() {
        let sources = cache::repository().join("integration/jvm");
        let pom = |name: &str| fs::read_to_string(sources.join(name).join("pom.xml")).unwrap();
        assert!(pom("kafka").contains(&format!("<version>{KAFKA_VERSION}</version>")));
        assert!(pom("connect-file").contains(&format!("<version>{KAFKA_VERSION}</version>")));
        assert!(pom("debezium-postgres").contains(&format!("<version>{DEBEZIUM_VERSION}</version>")));
        assert!(pom("debezium-mysql").contains(&format!("<version>{DEBEZIUM_VERSION}</version>")));
        assert!(pom("debezium-mariadb").contains(&format!("<version>{DEBEZIUM_MARIADB_VERSION}</version>")));
    }
}
