//! Ranges of versions in Maven's notation (KIP-891).

use std::cmp::Ordering;
use std::fmt;

/// A set of versions: `[1.0,2.0)`, `[1.0,),(,0.5]`, or one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange(Vec<Interval>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Interval {
    lower: Option<String>,
    lower_included: bool,
    upper: Option<String>,
    upper_included: bool,
}

impl VersionRange {
    /// Reads `text`; a bare version means exactly that version, `latest` any.
    ///
    /// # Errors
    /// What is wrong, in Maven's words.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text == "latest" {
            return Ok(None);
        }
        let exactly = format!("[{text}]");
        let text = if text.starts_with(['[', '(']) { text } else { exactly.as_str() };
        let mut rest = text;
        let mut intervals: Vec<Interval> = Vec::new();
        while rest.starts_with(['[', '(']) {
            let end = rest.find([']', ')']).ok_or_else(|| format!("Unbounded range: {text}"))?;
            let interval = Interval::parse(&rest[..=end])?;
            if intervals.last().is_some_and(|last| last.overlaps_start_of(&interval)) {
                return Err(format!("Ranges overlap: {text}"));
            }
            intervals.push(interval);
            rest = rest[end + 1..].trim().strip_prefix(',').unwrap_or(rest[end + 1..].trim()).trim();
        }
        match rest {
            "" => Ok(Some(VersionRange(intervals))),
            _ => Err(format!("Only fully-qualified sets allowed in multiple set scenario: {text}")),
        }
    }

    /// Whether `version` is in the set.
    pub fn contains(&self, version: &str) -> bool {
        self.0.iter().any(|interval| interval.contains(version))
    }
}

impl Interval {
    fn exactly(version: &str) -> Self {
        let bound = (!version.is_empty()).then(|| version.to_owned());
        Interval { lower: bound.clone(), lower_included: true, upper: bound, upper_included: true }
    }

    /// `text` has its brackets.
    fn parse(text: &str) -> Result<Self, String> {
        let inner = text[1..text.len() - 1].trim();
        let (lower_included, upper_included) = (text.starts_with('['), text.ends_with(']'));
        let Some((lower, upper)) = inner.split_once(',') else {
            return match lower_included && upper_included {
                true => Ok(Self::exactly(inner)),
                false => Err(format!("Single version must be surrounded by []: {text}")),
            };
        };
        let bound = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let (lower, upper) = (bound(lower), bound(upper));
        if let (Some(lower), Some(upper)) = (&lower, &upper) {
            match compare(lower, upper) {
                Ordering::Greater => return Err(format!("Range defies version ordering: {text}")),
                Ordering::Equal => return Err(format!("Range cannot have identical boundaries: {text}")),
                Ordering::Less => {}
            }
        }
        Ok(Interval { lower, lower_included, upper, upper_included })
    }

    fn contains(&self, version: &str) -> bool {
        let above = |bound: &String| match compare(version, bound) {
            Ordering::Greater => true,
            Ordering::Equal => self.lower_included,
            Ordering::Less => false,
        };
        let below = |bound: &String| match compare(version, bound) {
            Ordering::Less => true,
            Ordering::Equal => self.upper_included,
            Ordering::Greater => false,
        };
        // A version in brackets that is empty matches nothing, as in the JVM.
        let empty = self.lower.is_none() && self.upper.is_none() && self.lower_included;
        !empty && self.lower.as_ref().is_none_or(above) && self.upper.as_ref().is_none_or(below)
    }

    fn overlaps_start_of(&self, next: &Interval) -> bool {
        match (&self.upper, &next.lower) {
            (Some(upper), Some(lower)) => compare(lower, upper) == Ordering::Less,
            _ => true,
        }
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, interval) in self.0.iter().enumerate() {
            let bound = |bound: &Option<String>| bound.clone().unwrap_or_default();
            write!(
                f,
                "{}{}{},{}{}",
                if i > 0 { "," } else { "" },
                if interval.lower_included { '[' } else { '(' },
                bound(&interval.lower),
                bound(&interval.upper),
                if interval.upper_included { ']' } else { ')' },
            )?;
        }
        Ok(())
    }
}

/// Orders versions: numbers by value, a release after its candidates, missing parts as zero.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let zero = Part::Number(0);
    for i in 0..a.len().max(b.len()) {
        let order = a.get(i).unwrap_or(&zero).cmp(b.get(i).unwrap_or(&zero));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Qualifiers such as `rc` come before the bare release, whose next part counts as zero.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Before the release: how far before, and the text itself.
    PreRelease(u8, String),
    Number(u64),
    /// Any other text comes after.
    Other(String),
}

fn parts(version: &str) -> Vec<Part> {
    let parse = |text: &str| match text.parse() {
        Ok(number) => Part::Number(number),
        Err(_) => match text.to_ascii_lowercase().as_str() {
            "" | "ga" | "final" | "release" => Part::Number(0),
            qualifier @ ("alpha" | "a") => Part::PreRelease(0, qualifier[..1].to_owned()),
            qualifier @ ("beta" | "b") => Part::PreRelease(1, qualifier[..1].to_owned()),
            qualifier @ ("milestone" | "m") => Part::PreRelease(2, qualifier[..1].to_owned()),
            "rc" | "cr" => Part::PreRelease(3, "rc".to_owned()),
            "snapshot" => Part::PreRelease(4, String::new()),
            other => Part::Other(other.to_owned()),
        },
    };
    let mut parts = Vec::new();
    for piece in version.split(['.', '-']) {
        let digits = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let letters = piece[digits..].find(|c: char| c.is_ascii_digit()).map_or(piece.len(), |at| digits + at);
        parts.extend(
            [&piece[..digits], &piece[digits..letters], &piece[letters..]]
                .into_iter()
                .filter(|p| !p.is_empty())
                .map(parse),
        );
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_contain_what_maven_says() {
        let rows = [
            ("4.1.0", "4.1.0", true),
            ("4.1", "4.1.0", true),
            ("9", "4.1.0", false),
            ("[3,5)", "4.1.0", true),
            ("(4.1.0,5)", "4.1.0", false),
            ("[4.1.0,5)", "4.1.0", true),
            ("(,4.1.0]", "4.1.0", true),
            ("[9.0,)", "4.1.0", false),
            ("[1,2],[4,5]", "4.1.0", true),
            ("", "4.1.0", false),
            ("[3.3.1,)", "3.3.1.Final", true),
            ("[4.1.0,)", "4.1.0-rc1", false),
            ("[4.1.0-rc1,)", "4.1.0-rc2", true),
        ];
        for (range, version, want) in rows {
            let range = VersionRange::parse(range).expect("valid").expect("not latest");
            assert_eq!(range.contains(version), want, "{range} {version}");
        }
        assert_eq!(VersionRange::parse("latest"), Ok(None));
    }

    #[test]
    fn texts_are_mavens() {
        let rows = [
            ("9", "[9,9]"),
            ("", "[,]"),
            ("[9.0,)", "[9.0,)"),
            ("(4.1.0,5)", "(4.1.0,5)"),
            ("[1,2],[4,5]", "[1,2],[4,5]"),
        ];
        for (given, want) in rows {
            assert_eq!(VersionRange::parse(given).expect("valid").expect("a range").to_string(), want);
        }
        let rows = [
            ("[9.0", "Unbounded range: [9.0"),
            ("(1)", "Single version must be surrounded by []: (1)"),
            ("[2,1]", "Range defies version ordering: [2,1]"),
        ];
        for (given, want) in rows {
            assert_eq!(VersionRange::parse(given), Err(want.to_owned()));
        }
    }
}
