//! A schema registry with Confluent's REST API: Apicurio Registry, whose archive is on Maven Central. Confluent's own is not.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::Launch;
use crate::progress::say;
use crate::{cache, debian};

/// The last line of versions that is published as an archive.
pub const APICURIO_VERSION: &str = "2.6.13.Final";

/// The jar to run; libraries lie beside it.
pub fn runner_jar() -> Result<PathBuf> {
    let folder = cache::folder()?.join("jvm/apicurio");
    cache::filled(&folder, APICURIO_VERSION, || {
        debian::require(&[debian::JVM])?;
        say("getting the schema registry from Maven Central");
        let log = tempfile::Builder::new().prefix("couplet-apicurio").tempdir()?;
        let artifact = format!("io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all");
        let settings = cache::repository().join("integration/jvm/settings.xml");
        Launch::new("mvn dependency:copy", "mvn", log.path().join("log"))
            .args(["-q", "-B", "-s"])
            .args([settings.display().to_string(), "dependency:copy".to_owned()])
            .args([format!("-Dartifact={artifact}"), format!("-DoutputDirectory={}", log.path().display())])
            .folder(log.path())
            .run()?;
        let archive = log.path().join(format!("apicurio-registry-app-{APICURIO_VERSION}-all.tar.gz"));
        Launch::new("tar", "tar", log.path().join("log"))
            .args(["xzf".to_owned(), archive.display().to_string(), "-C".to_owned(), folder.display().to_string()])
            .run()
    })?;
    Ok(folder.join(format!("apicurio-registry-app-{APICURIO_VERSION}-runner.jar")))
}
