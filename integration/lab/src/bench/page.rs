//! docs/benchmarks.md: figures of whole workers, then those of converters and transforms, each measured by a command of its
//! own.

use std::path::PathBuf;

use anyhow::Result;
use couplet_harness::provision::cache;

/// Begins the second part.
const HEADING: &str = "\n## Converters and transforms\n";

/// Replaces the part on whole workers.
pub fn write_workers(text: &str) -> Result<PathBuf> {
    write(|_, records| text.to_owned() + records)
}

/// Replaces the part on converters and transforms.
pub fn write_records(text: &str) -> Result<PathBuf> {
    write(|workers, _| format!("{workers}{HEADING}\nWritten by `cargo x bench converters`.\n\n{text}"))
}

fn write(change: impl Fn(&str, &str) -> String) -> Result<PathBuf> {
    let path = cache::repository().join("docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let (workers, records) = parts(&page);
    std::fs::write(&path, change(workers, records))?;
    println!("written to {}", path.display());
    Ok(path)
}

/// The part on workers, and the other with its heading.
fn parts(page: &str) -> (&str, &str) {
    page.split_at(page.find(HEADING).unwrap_or(page.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_kept_when_the_other_is_written() {
        let page = format!("# Benchmarks\na\n{HEADING}b\n");
        assert_eq!(parts(&page), ("# Benchmarks\na\n", format!("{HEADING}b\n").as_str()));
        assert_eq!(parts("# Benchmarks\n"), ("# Benchmarks\n", ""));
    }
}
