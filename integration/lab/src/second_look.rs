//! Runs again what failed, as Kafka's own build does (its `maxTestRetries`): the tests drive real brokers, databases and
//! workers on machines that do other things too, and one late answer in a thousand must not hide what the other 999 say.
//!
//! Few failures only: many are no accident. What passes the second time is named as flaky at the end of the run, so that it is
//! looked into and not forgotten; what is wrong fails twice.

use crate::tally::Tally;

/// Most failures of one part that are looked at again.
pub const FAILURES_MAX: u64 = 3;

/// The outcome of a part: `first`, or that of `again` when few cases failed.
pub async fn second_look(name: &str, first: Tally, again: impl AsyncFnOnce() -> Tally) -> Tally {
    if first.failed == 0 || first.failed > FAILURES_MAX {
        return first;
    }
    println!("AGAIN {name}: {} failed", first.failed);
    let mut second = again().await;
    if second.failed == 0 && second.passed >= first.passed + first.failed {
        second.flaky.push(name.to_owned());
        return second;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Tally {
        Tally { passed, failed, flaky: Vec::new() }
    }

    #[tokio::test]
    async fn only_what_passes_in_full_the_second_time_is_flaky() {
        for (first, second, flaky) in [
            ((5, 0), None, false),
            ((5, FAILURES_MAX + 1), None, false),
            ((5, 1), Some((6, 0)), true),
            ((5, 1), Some((5, 1)), false),
            // Fewer cases than before: something was not run.
            ((5, 1), Some((3, 0)), false),
        ] {
            let again = async || {
                let (passed, failed) = second.expect("no second run was due");
                tally(passed, failed)
            };
            let outcome = second_look("part", tally(first.0, first.1), again).await;
            assert_eq!(outcome.flaky.len(), usize::from(flaky), "{first:?} {second:?}");
            assert_eq!(outcome.failed, if flaky { 0 } else { first.1 }, "{first:?} {second:?}");
        }
    }
}
