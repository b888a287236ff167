//! Malformed input for decoders: the same functions run under proptest in CI ([`check`]) and under a coverage-guided fuzzer
//! (`cargo x fuzz`).
//!
//! A crate that decodes foreign bytes lists its decoders as [`Target`]s. A target takes any bytes, panics when a promise is
//! broken (a value that does not come back after encoding), and returns otherwise, whether the bytes are accepted or not.

mod accounting;
mod bent;

pub use accounting::{Accounting, Budget};
pub use bent::bent;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestError, TestRunner};

/// A decoder under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name, unique in its crate: what `cargo x fuzz` takes.
    pub name: &'static str,
    /// Decodes, and checks what it got.
    pub run: fn(&[u8]),
}

/// The longest that one input of a few kilobytes may take; generous, because tests run unoptimised on busy machines.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Feeds `target` its `seeds` and what they begin with, the texts `recorded`, and `cases` inputs made out of both by [`bent`].
///
/// # Panics
/// When the target panics, takes longer than ten seconds, or more memory than [`Budget::for_input`] allows (only in
/// programs whose allocator is [`Accounting`]).
pub fn check(target: Target, seeds: &[&[u8]], recorded: &[String], cases: u32) {
    assert!(!seeds.is_empty(), "{}: no seeds", target.name);
    for seed in seeds {
        for end in (0..=seed.len()).step_by(seed.len() / 200 + 1).chain([seed.len()]) {
            if let Err(problem) = survives(target, &seed[..end]) {
                panic!("{}: {problem}\ninput: {}", target.name, seed[..end].escape_ascii());
            }
        }
    }
    // As often as all the recorded texts together.
    let own = seeds.iter().cycle().take(seeds.len() + recorded.len()).map(|seed| seed.to_vec());
    let seeds: Vec<Vec<u8>> = own.chain(recorded.iter().map(|text| text.clone().into_bytes())).collect();
    let config =
        Config { cases, failure_persistence: Some(Box::new(FileFailurePersistence::Off)), ..Config::default() };
    let outcome = TestRunner::new(config).run(&bent(seeds), |input| {
        survives(target, &input).map_err(|problem| TestCaseError::fail(problem + &shown(&input)))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(problem, _)) => panic!("{}: {problem}", target.name),
        Err(TestError::Abort(problem)) => panic!("{}: no inputs: {problem}", target.name),
    }
}

fn shown(input: &[u8]) -> String {
    format!("\ninput: {}", input.escape_ascii())
}

fn survives(target: Target, input: &[u8]) -> Result<(), String> {
    let budget = Budget::for_input(input.len());
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| budget.measure(|| (target.run)(input))));
    let used = match outcome {
        Ok(used) => used,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            return Err(format!("panics: {}", text.unwrap_or("without words")));
        }
    };
    if started.elapsed() > TIME_MAX {
        return Err(format!("takes {:?}", started.elapsed()));
    }
    budget.judge(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ACCOUNTING: Accounting = Accounting;

    #[test]
    fn a_panic_and_a_greedy_decoder_are_found() {
        let check = |run: fn(&[u8])| check(Target { name: "sample", run }, &[b"{\"a\":1}"], &[], 50);
        check(|_| {});
        assert!(catch_unwind(|| check(|bytes| assert!(!bytes.ends_with(b"}"), "a brace"))).is_err());
        assert!(catch_unwind(|| check(|bytes| drop(Vec::<u8>::with_capacity((bytes.len() + 1) << 26)))).is_err());
    }
}
