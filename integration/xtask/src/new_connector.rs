//! `cargo x new connector NAME --sink|--source`: a crate that compiles, passes its conformance test, and is registered.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use couplet_provision::cache;

/// What to write.
#[derive(Args)]
#[command(group(clap::ArgGroup::new("direction").required(true).args(["sink", "source"])))]
pub struct NewConnectorArgs {
    /// Name of the crate's folder, as in `acme`
    name: String,
    /// From Kafka into the system
    #[arg(long)]
    sink: bool,
    /// From the system into Kafka
    #[arg(long)]
    source: bool,
    /// Full class name that users write as `connector.class`; `couplet.NAME....Connector` when missing
    #[arg(long)]
    class: Option<String>,
}

/// A file of the skeleton: where it goes and its template for a sink and for a source.
struct Template {
    path: &'static str,
    sink: &'static str,
    source: &'static str,
}

macro_rules! template {
    ($path:literal, $file:literal) => {
        template!($path, $file, $file)
    };
    ($path:literal, $sink:literal, $source:literal) => {
        Template {
            path: $path,
            sink: include_str!(concat!("../templates/connector/", $sink, ".tmpl")),
            source: include_str!(concat!("../templates/connector/", $source, ".tmpl")),
        }
    };
}

const TEMPLATES: &[Template] = &[
    template!("connectors/@name@/Cargo.toml", "Cargo.toml"),
    template!("connectors/@name@/README.md", "README.md"),
    template!("connectors/@name@/src/lib.rs", "lib_sink.rs", "lib_source.rs"),
    template!("connectors/@name@/src/config.rs", "config_sink.rs", "config_source.rs"),
    template!("connectors/@name@/src/@direction@.rs", "sink.rs", "source.rs"),
    template!("connectors/@name@/tests/conformance.rs", "conformance_sink.rs", "conformance_source.rs"),
    template!("configs/connectors/@name@.json", "example_sink.json", "example_source.json"),
];

/// Writes the skeleton into this repository.
pub fn run(args: &NewConnectorArgs) -> Result<()> {
    write(&cache::repository(), args)?;
    println!("written: connectors/{0}, configs/connectors/{0}.json; try `cargo x test {0}`", args.name);
    Ok(())
}

fn write(root: &Path, args: &NewConnectorArgs) -> Result<()> {
    let name = args.name.as_str();
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    ensure!(is_plain, "a connector's name is lower-case letters and digits, not '{name}'");
    ensure!(!root.join("connectors").join(name).exists(), "connectors/{name} exists already");
    let fill = |text: &str| fill(text, args);
    for template in TEMPLATES {
        let path = root.join(fill(template.path));
        fs::create_dir_all(path.parent().context("a path in the repository")?)?;
        let text = if args.sink { template.sink } else { template.source };
        fs::write(&path, fill(text)).with_context(|| path.display().to_string())?;
    }
    let members = |line: &str| line.trim_start().starts_with("\"connectors/");
    insert_behind(&root.join("Cargo.toml"), members, &fill("    \"connectors/@name@\","))?;
    let crates = |line: &str| line.contains("= { path = \"connectors/");
    insert_behind(&root.join("Cargo.toml"), crates, &fill("@crate@ = { path = \"connectors/@name@\" }"))?;
    let server = root.join("runtime/server");
    insert_behind(
        &server.join("Cargo.toml"),
        |line| line.starts_with("couplet-file"),
        &fill("@crate@.workspace = true"),
    )?;
    register(&server.join("src/registry.rs"), &fill("@module@"))?;
    // Where lines break and imports stand depends on the name.
    let formatted = Command::new("cargo")
        .args(["fmt", "-p", &fill("@crate@"), "-p", "couplet-server"])
        .current_dir(root)
        .status()?;
    ensure!(formatted.success(), "cargo fmt failed");
    Ok(())
}

fn fill(text: &str, args: &NewConnectorArgs) -> String {
    let name = &args.name;
    let pascal: String = name[..1].to_uppercase() + &name[1..];
    let (direction, suffix) = if args.sink { ("sink", "Sink") } else { ("source", "Source") };
    let class = args.class.clone().unwrap_or_else(|| format!("couplet.{name}.{pascal}{suffix}Connector"));
    text.replace("@class@", &class)
        .replace("@direction@", direction)
        .replace("@crate@", &format!("couplet-{name}"))
        .replace("@module@", &format!("couplet_{name}"))
        .replace("@name@", name)
        .replace("@Name@", &pascal)
}

/// Inserts a line behind the last one that `is_sibling` knows.
fn insert_behind(file: &Path, is_sibling: impl Fn(&str) -> bool, new: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|line| is_sibling(line));
    lines.insert(last.with_context(|| format!("{}: nowhere to add '{new}'", file.display()))? + 1, new);
    Ok(fs::write(file, lines.join("\n") + "\n")?)
}

/// Adds the crate to the list of plugins, behind the file connectors.
fn register(registry: &Path, module: &str) -> Result<()> {
    const MODEL: &str = "couplet_file::plugins(),";
    let text = fs::read_to_string(registry).with_context(|| registry.display().to_string())?;
    ensure!(text.contains(MODEL), "{} does not list couplet_file", registry.display());
    Ok(fs::write(registry, text.replacen(MODEL, &format!("{MODEL} {module}::plugins(),"), 1))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(name: &str, sink: bool) -> NewConnectorArgs {
        NewConnectorArgs { name: name.to_owned(), sink, source: !sink, class: None }
    }

    /// What a connector needs of the repository, in a folder that may be written to.
    fn copy_of_the_repository(to: &Path) {
        let from = cache::repository();
        let list =
            Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(&from).output().unwrap();
        for name in String::from_utf8(list.stdout).unwrap().lines() {
            if name.starts_with("integration/golden/") || !from.join(name).is_file() {
                continue;
            }
            fs::create_dir_all(to.join(name).parent().unwrap()).unwrap();
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }

    /// Both kinds in one copy: they compile and keep the contract.
    #[test]
    fn new_connectors_work_as_they_are() {
        let copy = tempfile::tempdir().unwrap();
        copy_of_the_repository(copy.path());
        write(copy.path(), &args("acme", true)).unwrap();
        write(copy.path(), &args("zenith", false)).unwrap();
        assert!(write(copy.path(), &args("acme", true)).is_err(), "an existing crate is not overwritten");
        assert!(write(copy.path(), &args("Not Plain", true)).is_err());
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache::repository().join("target"), Into::into);
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--quiet", "--offline", "-p", "couplet-acme", "-p", "couplet-zenith"]);
        let done = cargo.current_dir(copy.path()).env("CARGO_TARGET_DIR", &target).output().unwrap();
        let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(done.status.success(), "{said}");
        let registry = fs::read_to_string(copy.path().join("runtime/server/src/registry.rs")).unwrap();
        assert!(registry.contains("couplet_acme::plugins()") && registry.contains("couplet_zenith::plugins()"));
    }
}
