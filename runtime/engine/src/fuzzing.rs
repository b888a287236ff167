//! The decoders of this crate for property tests and fuzzers: name, what to do with any bytes, inputs to begin with.
//!
//! None may panic, hang, or hold more memory than the input explains.

pub use crate::storage::fuzzing::Decoder;

use crate::validate::version_range::VersionRange;
use crate::{rest, storage};

/// Every decoder of this crate.
pub fn decoders() -> Vec<Decoder> {
    let own: &[Decoder] = &[("version-range", version_range, &[b"[1.0,2.0),(3,]\n1.5.2-beta", b"latest\n1"])];
    [own, storage::fuzzing::DECODERS, rest::fuzzing::DECODERS].concat()
}

/// Lines: range, version.
fn version_range(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (range, version) = text.split_once('\n').unwrap_or((&text, ""));
    if let Ok(Some(range)) = VersionRange::parse(range) {
        range.contains(version);
    }
}

#[cfg(test)]
mod tests {
    use couplet_testkit::{golden, malformed};

    use super::*;

    #[global_allocator]
    static ACCOUNTING: malformed::Accounting = malformed::Accounting;

    #[test]
    fn malformed_input_is_an_error_and_nothing_worse() {
        let recorded = golden::texts("connect/topics", 200);
        for (name, run, seeds) in decoders() {
            malformed::check(malformed::Target { name, run }, seeds, &recorded, 2000);
        }
    }
}
