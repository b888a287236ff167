//! Dependencies between the crates of this workspace.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// What a crate's code may use: crate, or folder with a `/` at its end, then what it may depend on in the same notation.
/// ```text
///   server ──► engine ──► plugins ──► api ◄── connectors/shared/* ◄── connectors/*
///                └──────► kafka ────► api
/// ```
const ALLOWED: &[(&str, &[&str])] = &[
    ("runtime/api", &[]),
    ("runtime/plugins", &["runtime/api"]),
    ("runtime/tls", &["runtime/api"]),
    ("runtime/registry", &["runtime/api", "runtime/plugins", "runtime/tls"]),
    ("runtime/sasl", &["runtime/api"]),
    ("runtime/kafka", &["runtime/api", "runtime/tls", "runtime/sasl"]),
    ("runtime/framing", &[]),
    ("runtime/group", &["runtime/api", "runtime/framing", "runtime/tls", "runtime/sasl"]),
    ("runtime/engine", &["runtime/api", "runtime/plugins", "runtime/kafka", "runtime/group", "runtime/tls"]),
    ("runtime/devbroker", &["runtime/api", "runtime/framing"]),
    ("runtime/testkit", &["runtime/api"]),
    ("runtime/server", &["runtime/", "connectors/"]),
    ("connectors/shared/mysql-schema", &["runtime/api", "connectors/shared/cdc"]),
    // The JSON of objects is the JSON of records, so its writer is the converter's.
    ("connectors/shared/storage", &["runtime/api", "runtime/plugins"]),
    ("connectors/shared/", &["runtime/api"]),
    ("connectors/", &["runtime/api", "runtime/tls", "connectors/shared/"]),
    ("integration/provision", &[]),
    ("integration/harness", &["integration/provision"]),
    ("integration/lab", &["integration/harness", "integration/provision"]),
    ("integration/xtask", &["integration/provision"]),
];

/// Further crates that tests may use anywhere; `connectors/file` as the smallest real connector, `mysql-wire` as the client
/// of MySQL and MariaDB.
const ALLOWED_IN_TESTS: &[&str] = &[
    "runtime/api",
    "runtime/testkit",
    "runtime/plugins",
    "runtime/devbroker",
    "runtime/kafka",
    "integration/harness",
    "connectors/file",
    "connectors/shared/mysql-wire",
];

/// One dependency of one crate on another of this workspace, by folder.
struct Edge {
    from: String,
    to: String,
    in_tests: bool,
}

impl Edge {
    fn is_allowed(&self) -> bool {
        let row = ALLOWED.iter().find(|(crates, _)| covers(crates, &self.from));
        let own = row.is_some_and(|(_, allowed)| allowed.iter().any(|a| covers(a, &self.to)));
        own || (self.in_tests && ALLOWED_IN_TESTS.contains(&self.to.as_str()))
    }
}

fn covers(pattern: &str, folder: &str) -> bool {
    pattern == folder || (pattern.ends_with('/') && folder.starts_with(pattern))
}

/// A line for each edge that the table does not allow.
pub fn breaches(root: &Path) -> Result<Vec<String>> {
    let edges = edges(root)?;
    let kind = |edge: &Edge| if edge.in_tests { " in its tests" } else { "" };
    let refused = edges.iter().filter(|edge| !edge.is_allowed());
    Ok(refused.map(|e| format!("{} must not depend on {}{}", e.from, e.to, kind(e))).collect())
}

fn edges(root: &Path) -> Result<Vec<Edge>> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let done = Command::new("cargo").args(arguments).current_dir(root).output()?;
    ensure!(done.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&done.stderr));
    let metadata: Value = serde_json::from_slice(&done.stdout)?;
    let root = metadata["workspace_root"].as_str().context("no workspace root")?;
    let relative = |path: &str| path.strip_prefix(root).map(|p| p.trim_start_matches('/').to_owned());
    let mut edges = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
        let from = relative(manifest.trim_end_matches("/Cargo.toml")).context("a package outside the workspace")?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if let Some(to) = dependency["path"].as_str().and_then(relative) {
                edges.push(Edge { from: from.clone(), to, in_tests: dependency["kind"] == "dev" });
            }
        }
    }
    Ok(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_the_map_says() {
        let rows = [
            ("runtime/server", "connectors/s3", false, true),
            ("connectors/s3", "connectors/shared/storage", false, true),
            ("connectors/s3", "runtime/engine", false, false),
            ("connectors/s3", "runtime/engine", true, false),
            ("connectors/s3", "connectors/postgres", false, false),
            ("connectors/s3", "runtime/testkit", false, false),
            ("connectors/s3", "runtime/testkit", true, true),
            ("connectors/s3", "runtime/plugins", true, true),
            ("runtime/engine", "connectors/s3", false, false),
            ("runtime/engine", "connectors/s3", true, false),
            ("runtime/api", "runtime/kafka", false, false),
            ("connectors/shared/storage", "runtime/plugins", false, true),
            ("connectors/shared/cdc", "runtime/plugins", false, false),
            ("integration/harness", "runtime/engine", false, false),
            ("tools/unknown", "runtime/api", false, false),
        ];
        for (from, to, in_tests, want) in rows {
            let edge = Edge { from: from.to_owned(), to: to.to_owned(), in_tests };
            assert_eq!(edge.is_allowed(), want, "{from} -> {to}");
        }
    }

    #[test]
    fn this_workspace_has_edges() {
        let edges = edges(&couplet_provision::cache::repository()).unwrap();
        assert!(edges.iter().any(|e| e.from == "integration/xtask" && e.to == "integration/provision"));
    }
}
