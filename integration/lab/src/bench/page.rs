//! docs/benchmarks.md: figures of whole workers, of change data capture, of a cluster, of converters and transforms, each measured by a command of its
//! own.

use std::path::PathBuf;

use anyhow::Result;
use couplet_harness::provision::cache;

/// What a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The beginning of the page: whole workers.
    Workers,
    /// Change data capture.
    Cdc,
    /// Many tasks, restarts.
    Cluster,
    /// Converters and transforms.
    Records,
}

impl Part {
    const ALL: [Part; 4] = [Part::Workers, Part::Cdc, Part::Cluster, Part::Records];

    /// Begins the part and says where it comes from; the first has its own beginning.
    const fn heading(self) -> &'static str {
        match self {
            Part::Workers => "",
            Part::Cdc => "\n## Change data capture\n\nWritten by `cargo x bench cdc`.\n\n",
            Part::Cluster => "\n## A worker with much to look after\n\nWritten by `cargo x bench cluster`.\n\n",
            Part::Records => "\n## Converters and transforms\n\nWritten by `cargo x bench converters`.\n\n",
        }
    }
}

/// Replaces one part of the page.
pub fn write(part: Part, text: &str) -> Result<PathBuf> {
    let path = cache::repository().join("docs/benchmarks.md");
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, with(&page, part, text))?;
    println!("written to {}", path.display());
    Ok(path)
}

/// `page` with `text` as its `part`; the other parts are kept.
fn with(page: &str, part: Part, text: &str) -> String {
    let mut begins: Vec<(usize, Part)> =
        Part::ALL.into_iter().filter_map(|part| Some((page.find(part.heading())?, part))).collect();
    begins.sort_by_key(|(at, _)| *at);
    let ends = begins.iter().skip(1).map(|(at, _)| *at).chain([page.len()]);
    let parts: Vec<(Part, &str)> = begins.iter().zip(ends).map(|((at, part), end)| (*part, &page[*at..end])).collect();
    let mut written = String::new();
    for each in Part::ALL {
        if each == part {
            written.push_str(each.heading());
            written.push_str(text);
        } else if let Some((_, kept)) = parts.iter().find(|(of, _)| *of == each) {
            written.push_str(kept);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_kept_when_another_is_written() {
        let (cluster, records) = (Part::Cluster.heading(), Part::Records.heading());
        let page = format!("# Benchmarks\na\n{records}b\n");
        let page = with(&page, Part::Workers, "# Benchmarks\nA\n");
        assert_eq!(page, format!("# Benchmarks\nA\n{records}b\n"));
        let page = with(&page, Part::Cluster, "c\n");
        assert_eq!(page, format!("# Benchmarks\nA\n{cluster}c\n{records}b\n"));
        let page = with(&page, Part::Records, "B\n");
        assert_eq!(page, format!("# Benchmarks\nA\n{cluster}c\n{records}B\n"));
        let cdc = Part::Cdc.heading();
        assert_eq!(with(&page, Part::Cdc, "d\n"), format!("# Benchmarks\nA\n{cdc}d\n{cluster}c\n{records}B\n"));
        assert_eq!(with("", Part::Cluster, "c\n"), format!("{cluster}c\n"));
    }
}
