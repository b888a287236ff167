//! The S3 server of tests and demos: a proven gateway when Go can build it, else one that needs Rust only.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::process::Launch;
use crate::progress::say;
use crate::{cache, debian};

const GATEWAY: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const GO_MINOR_MIN: u32 = 24;
const S3S_FS_VERSION: &str = "0.14.1";

/// Which program serves S3. Both keep each object as a plain file under `ROOT/BUCKET/KEY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Program {
    /// Versity S3 gateway: checks signatures and checksums as AWS does.
    Versity(PathBuf),
    /// The crate s3s-fs: enough for development (multipart, conditional put, ListObjectsV2), built with cargo alone.
    S3sFs(PathBuf),
}

impl S3Program {
    /// Name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Versity(_) => "Versity S3 gateway",
            Self::S3sFs(_) => "s3s-fs",
        }
    }
}

/// The S3 server for this machine, built into the cache when it is not there. `COUPLET_S3_SERVER` (`versity` or `s3s-fs`)
/// overrides the choice.
pub fn program() -> Result<S3Program> {
    let bin = cache::folder()?.join("bin");
    let wanted = std::env::var("COUPLET_S3_SERVER").unwrap_or_default();
    let gateway = bin.join("versitygw");
    if wanted == "versity" || (wanted.is_empty() && (gateway.is_file() || has_recent_go())) {
        build_gateway(&bin)?;
        return Ok(S3Program::Versity(gateway));
    }
    build_s3s_fs(&bin)?;
    Ok(S3Program::S3sFs(bin.join("s3s-fs-root/bin/s3s-fs")))
}

fn has_recent_go() -> bool {
    let Some(go) = debian::find("go") else { return false };
    let Ok(done) = Command::new(go).arg("version").output() else { return false };
    is_recent_go(&String::from_utf8_lossy(&done.stdout))
}

fn is_recent_go(version: &str) -> bool {
    let minor = version.split("go1.").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    minor.and_then(|m| m.parse().ok()).is_some_and(|m: u32| m >= GO_MINOR_MIN)
}

fn build_gateway(bin: &std::path::Path) -> Result<()> {
    if bin.join("versitygw").is_file() {
        return Ok(());
    }
    fs::create_dir_all(bin)?;
    say("building the Versity S3 gateway with Go");
    let log = tempfile::Builder::new().prefix("couplet-go").tempdir()?;
    Launch::new("go install versitygw", "go", log.path().join("log"))
        .args(["install", "-ldflags", "-s -w", GATEWAY])
        .env("CGO_ENABLED", "0")
        .env("GOBIN", bin.display().to_string())
        .run()
}

/// With a target folder of its own, so that it neither waits for a build of this workspace nor disturbs it.
fn build_s3s_fs(bin: &std::path::Path) -> Result<()> {
    let root = bin.join("s3s-fs-root");
    cache::filled(&root, S3S_FS_VERSION, || {
        say("building the S3 server s3s-fs with cargo");
        let log = tempfile::Builder::new().prefix("couplet-cargo").tempdir()?;
        Launch::new("cargo install s3s-fs", "cargo", log.path().join("log"))
            .args(["install", "--quiet", "--debug", "--locked", "--force", "--features", "binary"])
            .args(["--version", S3S_FS_VERSION, "--root"])
            .args([root.display().to_string(), "s3s-fs".to_owned()])
            .env("CARGO_TARGET_DIR", cache::folder()?.join("build/s3s-fs").display().to_string())
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_go_is_not_tried() {
        let rows = [
            ("go version go1.26.8 linux/amd64", true),
            ("go version go1.24 linux/amd64", true),
            ("go version go1.19.8 linux/amd64", false),
            ("", false),
        ];
        for (version, want) in rows {
            assert_eq!(is_recent_go(version), want, "{version}");
        }
    }
}
