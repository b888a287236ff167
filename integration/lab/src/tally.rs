//! Counts of what passed and what failed.

use std::fmt;

/// Counted test cases.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    /// What failed at first and passed when it was run again; counted as passed.
    pub flaky: Vec<String>,
}

impl Tally {
    /// Adds the counts of a part.
    pub fn add(&mut self, part: Tally) {
        self.passed += part.passed;
        self.failed += part.failed;
        self.flaky.extend(part.flaky);
    }

    /// Adds the counts of a line such as `test result: ok. 3 passed; 1 failed; 0 ignored; ...` as cargo prints it.
    pub fn add_cargo_line(&mut self, line: &str) {
        let Some(counts) = line.trim().strip_prefix("test result: ") else { return };
        let count = |what: &str| {
            let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|w| !w.is_empty()).collect();
            let at = words.iter().position(|w| *w == what)?;
            words[at.checked_sub(1)?].parse::<u64>().ok()
        };
        self.passed += count("passed").unwrap_or(0);
        self.failed += count("failed").unwrap_or(0);
    }

    /// Of one named check; says how it went.
    pub fn of_check(name: &str, outcome: &anyhow::Result<()>) -> Self {
        match outcome {
            Ok(()) => {
                println!("ok {name}");
                Tally { passed: 1, ..Tally::default() }
            }
            Err(error) => {
                println!("FAILED {name}: {error:#}");
                Tally { failed: 1, ..Tally::default() }
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_cargo_lines_only() {
        let mut tally = Tally::default();
        for line in [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.1s",
            "running 3 tests",
            "test a::passed ... ok",
        ] {
            tally.add_cargo_line(line);
        }
        assert_eq!(tally, Tally { passed: 15, failed: 2, flaky: Vec::new() });
        assert_eq!(tally.to_string(), "15 passed, 2 failed");
    }
}
