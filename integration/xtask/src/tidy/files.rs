//! Lengths and names of files, and what every connector must have.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Most lines of a source file, its tests not counted.
const LINES_MAX: usize = 500;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "impl", "manager", "misc", "util", "utils"];

const FOLDERS: &[&str] = &["runtime", "connectors", "integration"];

/// A line for each breach.
pub fn breaches(root: &Path) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for folder in FOLDERS {
        for file in sources(&root.join(folder))? {
            let name = file.strip_prefix(root)?.display().to_string();
            let text = fs::read_to_string(&file).with_context(|| name.clone())?;
            breaches.extend(check(&name, &text));
        }
    }
    for connector in connectors(root)? {
        if !connector.join("README.md").is_file() {
            breaches.push(format!("{} has no README.md", connector.strip_prefix(root)?.display()));
        }
    }
    Ok(breaches)
}

fn check(name: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let lines = lines_without_tests(text);
    let excused = LONGER.iter().any(|(file, _)| *file == name);
    let is_test = name.split('/').any(|part| part == "tests" || part == "tests.rs");
    if lines > LINES_MAX && !excused && !is_test {
        breaches.push(format!("{name} has {lines} lines without tests, more than {LINES_MAX}: which noun is missing?"));
    }
    if excused && lines <= LINES_MAX {
        breaches.push(format!("{name} is short enough now: take it off the list in tidy/files.rs"));
    }
    for part in Path::new(name).with_extension("").iter().filter_map(|p| p.to_str()) {
        if EMPTY_NAMES.contains(&part) {
            breaches.push(format!("{name}: \"{part}\" does not say what is inside"));
        }
    }
    breaches
}

/// Unit tests stand at the end of a file, behind `#[cfg(test)]` and `mod`.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return Ok(files) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("golden") {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Folders of connector crates: those below `connectors/` but the shared ones.
fn connectors(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root.join("connectors"))?;
    let folders: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|e| e.path())).collect();
    let mut crates: Vec<PathBuf> = folders?.into_iter().filter(|f| f.join("Cargo.toml").is_file()).collect();
    crates.sort();
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_without_tests() {
        let code = "line\n".repeat(LINES_MAX);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{code}}}\n");
        assert!(check("runtime/a/src/x.rs", &format!("{code}{tests}")).is_empty());
        assert_eq!(check("runtime/a/src/x.rs", &format!("{code}line\n{tests}")).len(), 1);
        assert!(check("runtime/a/tests/x.rs", &format!("{code}{code}")).is_empty());
    }

    #[test]
    fn empty_names_are_refused_for_files_and_folders() {
        for name in ["runtime/a/src/utils.rs", "runtime/a/src/common/x.rs", "connectors/manager/src/x.rs"] {
            assert_eq!(check(name, "").len(), 1, "{name}");
        }
        assert!(check("runtime/a/src/common_prefix.rs", "").is_empty());
    }
}
