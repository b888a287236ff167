use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder that holds `connect/`, `cdc/` and `sinks/`: the environment variable `COUPLET_GOLDEN`, else
/// `integration/golden` of the repository around the running test.
///
/// # Panics
/// When there is no such folder.
pub fn root() -> PathBuf {
    if let Some(root) = std::env::var_os("COUPLET_GOLDEN") {
        let root = PathBuf::from(root);
        assert!(root.is_dir(), "COUPLET_GOLDEN={} is not a folder", root.display());
        return root;
    }
    let start = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let start = start.canonicalize().unwrap_or(start);
    let found = start.ancestors().map(|folder| folder.join("integration/golden")).find(|folder| folder.is_dir());
    found.unwrap_or_else(|| panic!("no integration/golden above {}; set COUPLET_GOLDEN", start.display()))
}

/// The lines of the file `path` below [`root`], parsed: one case a line.
///
/// # Panics
/// When the file is missing, empty, or not JSON.
pub fn cases(path: &str) -> Vec<Value> {
    let parse = |(at, line): (usize, &str)| {
        serde_json::from_str(line).unwrap_or_else(|e| panic!("golden file {path}, line {}: {e}", at + 1))
    };
    let cases: Vec<Value> =
        text(path).lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect();
    assert!(!cases.is_empty(), "golden file {path} holds no case");
    cases
}

/// The file `path` below [`root`] as one JSON value.
///
/// # Panics
/// When the file is missing or not JSON.
pub fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap_or_else(|e| panic!("golden file {path}: {e}"))
}

/// The file `path` below [`root`].
///
/// # Panics
/// When the file is missing or not text.
pub fn text(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("golden file {} cannot be read: {e}", file.display()))
}

/// About `count` different texts out of the recordings (`.jsonl`) in `folder` below [`root`], spread evenly: what
/// property tests and fuzzers begin with.
///
/// # Panics
/// When there are none.
pub fn texts(folder: &str, count: usize) -> Vec<String> {
    let mut all = std::collections::BTreeSet::new();
    for name in names(folder, ".jsonl") {
        cases(&format!("{folder}/{name}")).iter().for_each(|case| collect(case, &mut all));
    }
    assert!(!all.is_empty(), "no texts in {folder}");
    let step = all.len() / count.max(1) + 1;
    all.into_iter().step_by(step).collect()
}

fn collect(value: &Value, texts: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::String(text) if (1..4096).contains(&text.len()) => {
            texts.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

/// The sorted names of the files in `folder` below [`root`] that end in `suffix`.
///
/// # Panics
/// When there is none.
pub fn names(folder: &str, suffix: &str) -> Vec<String> {
    let path = root().join(folder);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|e| panic!("golden folder {}: {e}", path.display()));
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut names: Vec<String> =
        entries.filter_map(name).filter(|n| n.ends_with(suffix) && !Path::new(n).starts_with(".")).collect();
    names.sort();
    assert!(!names.is_empty(), "golden folder {} holds no {suffix}", path.display());
    names
}
