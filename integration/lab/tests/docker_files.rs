//! The files in `docker/`, as far as they can be checked without a container engine: what they name exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use couplet_harness::provision::{cache, debian};
use yaml_rust2::{Yaml, YamlLoader};

fn read(name: &str) -> String {
    std::fs::read_to_string(cache::repository().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn compose() -> Yaml {
    YamlLoader::load_from_str(&read("docker/compose.yaml")).expect("compose.yaml parses").remove(0)
}

fn text(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("not a text: {yaml:?}"))
}

fn services(compose: &Yaml) -> Vec<(&str, &Yaml)> {
    compose["services"].as_hash().expect("services").iter().map(|(name, service)| (text(name), service)).collect()
}

#[test]
fn compose_names_only_what_exists() {
    let (compose, docker) = (compose(), cache::repository().join("docker"));
    let services = services(&compose);
    for name in ["kafka", "postgres", "minio", "couplet"] {
        assert!(services.iter().any(|(other, _)| *other == name), "no service {name}");
    }
    for (name, service) in &services {
        let has_build = !service["build"].is_badvalue();
        assert!(has_build != service["image"].as_str().is_some(), "{name} needs either an image or a build");
        if has_build {
            let context = docker.join(text(&service["build"]["context"]));
            assert!(context.join(text(&service["build"]["dockerfile"])).is_file(), "{name}: no Dockerfile");
        }
        for volume in service["volumes"].as_vec().into_iter().flatten() {
            let host = text(volume).split(':').next().unwrap_or_default();
            assert!(docker.join(host).exists(), "{name}: {host} is not there");
        }
        for (needed, condition) in service["depends_on"].as_hash().into_iter().flatten() {
            let needed = services.iter().find(|(other, _)| *other == text(needed));
            let (_, needed) = needed.unwrap_or_else(|| panic!("{name} depends on an unknown service"));
            if condition["condition"].as_str() == Some("service_healthy") {
                assert!(!needed["healthcheck"].is_badvalue(), "{name} waits for a health check that nobody makes");
            }
        }
    }
}

/// Instructions of the Dockerfile with their continuation lines joined.
fn instructions() -> Vec<String> {
    let joined = read("docker/Dockerfile").replace("\\\n", " ");
    joined.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')).map(str::to_owned).collect()
}

fn ignored() -> Vec<PathBuf> {
    read(".dockerignore").lines().map(PathBuf::from).collect()
}

#[test]
fn the_dockerfile_copies_what_is_in_the_context() {
    let (root, ignored) = (cache::repository(), ignored());
    let mut copied = BTreeSet::new();
    for instruction in instructions().iter().filter(|i| i.starts_with("COPY ") && !i.contains("--from=")) {
        let paths: Vec<&str> = instruction.split_whitespace().skip(1).collect();
        let (_, sources) = paths.split_last().expect("COPY has a target");
        for source in sources {
            assert!(root.join(source).exists(), "{source} is not there");
            assert!(!ignored.iter().any(|i| Path::new(source).starts_with(i)), "{source} is in .dockerignore");
            copied.insert((*source).to_owned());
        }
    }
    // Cargo reads every member's manifest, whatever it builds.
    let listed = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(&root)
        .output()
        .expect("cargo");
    let metadata: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("metadata");
    for package in metadata["packages"].as_array().expect("packages") {
        let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
        let manifest = manifest.strip_prefix(metadata["workspace_root"].as_str().expect("a root")).expect("inside");
        assert!(copied.iter().any(|c| manifest.starts_with(c)), "{} is not copied", manifest.display());
    }
    let build = instructions().into_iter().find(|i| i.contains("cargo build")).expect("a build");
    assert!(build.contains("--locked") && build.contains("--package couplet-server"), "{build}");
}

#[test]
fn the_build_stage_installs_what_a_bare_debian_lacks() {
    let installs = instructions().into_iter().find(|i| i.contains("apt-get install")).expect("an install step");
    for need in debian::BUILD {
        assert!(installs.split_whitespace().any(|word| word == need.package), "{} is not installed", need.package);
    }
}

#[test]
fn connector_files_fit_the_services() {
    let compose = compose();
    let names: BTreeSet<&str> = services(&compose).into_iter().map(|(name, _)| name).collect();
    let config = |file: &str| -> serde_json::Value {
        let request: serde_json::Value = serde_json::from_str(&read(file)).expect("JSON");
        request["config"].clone()
    };
    let source = config("docker/services/couplet/mybank-postgres.json");
    let sink = config("docker/services/couplet/mybank-s3.json");
    assert!(names.contains(source["database.hostname"].as_str().expect("a host")));
    let store = sink["store.url"].as_str().expect("a URL");
    assert!(names.iter().any(|name| store == format!("http://{name}:9000")), "{store} is no service");
    let table = source["table.include.list"].as_str().expect("a table");
    let topic = format!("{}.{table}", source["topic.prefix"].as_str().expect("a prefix"));
    assert_eq!(sink["topics"].as_str(), Some(topic.as_str()), "the sink reads what the source writes");
    let bucket = sink["s3.bucket.name"].as_str().expect("a bucket");
    assert!(read("docker/compose.yaml").contains(&format!("demo/{bucket}")), "nobody makes the bucket {bucket}");
    assert!(read("docker/services/postgres/init.sql").contains("bank_transactions"));
}
