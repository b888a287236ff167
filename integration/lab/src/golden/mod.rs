//! Recordings of the originals, played against our worker through REST, Kafka and SQL.
//!
//! `integration/golden-suites.toml` says which are played and which cases are known to differ, with the reason. A listed case
//! that passes is a failure too: the list says what is true.

mod cdc;
mod rest;
mod suites;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use couplet_harness::provision::cache;
pub use suites::{CDC_FULL, Suites};

use self::suites::{RestRules, RestSuite};
use crate::second_look::second_look;
use crate::shared_services::SharedServices;
use crate::tally::Tally;

/// REST suites that are played at the same time.
const REST_TOGETHER: usize = 3;

/// What a replay script said about one case: `None` passed, otherwise how it differs.
type Outcomes = BTreeMap<String, Option<String>>;

/// Where recordings are read; `COUPLET_GOLDEN` moves it. The scripts that play them stay ours.
fn root() -> PathBuf {
    std::env::var_os("COUPLET_GOLDEN").map_or_else(scripts, PathBuf::from)
}

fn scripts() -> PathBuf {
    cache::repository().join("integration/golden")
}

/// Plays every suite whose name contains `filter` and prints the cases that differ.
pub async fn play(services: &SharedServices, filter: &str) -> Result<Tally> {
    let suites = Suites::load()?;
    let mut tally = Tally::default();
    let cdc: Vec<_> = suites.cdc.iter().filter_map(|suite| Some((suite, suite.played(filter)?))).collect();
    if !cdc.is_empty() {
        tally.add(cdc::play(services, &cdc).await.unwrap_or_else(|error| broken("cdc", &error)));
    }
    let rest: Vec<_> = suites.rest.iter().filter(|s| s.name().contains(filter)).collect();
    // Each has a broker and a worker of its own and waits most of its time.
    for together in rest.chunks(REST_TOGETHER) {
        let plays = together.iter().map(|suite| rest_suite(suite, &suites.rest_rules));
        for (suite, played) in together.iter().zip(futures::future::join_all(plays).await) {
            let again = async || rest_suite(suite, &suites.rest_rules).await;
            tally.add(second_look(&suite.name(), played, again).await);
        }
    }
    Ok(tally)
}

async fn rest_suite(suite: &RestSuite, rules: &RestRules) -> Tally {
    rest::play(suite, rules).await.unwrap_or_else(|error| broken(&suite.name(), &error))
}

/// A part that did not come to an end.
fn broken(part: &str, error: &anyhow::Error) -> Tally {
    println!("FAILED golden {part}: {error:#}");
    Tally { failed: 1, ..Tally::default() }
}

/// Compares what happened with what is listed, and says each difference between the two.
fn judge(suite: &str, outcomes: &Outcomes, deviations: &BTreeMap<String, String>) -> Tally {
    let mut tally = Tally::default();
    let mut known = 0;
    for (case, difference) in outcomes {
        match (difference, deviations.get(case)) {
            (None, None) => tally.passed += 1,
            (Some(_), Some(_)) => {
                known += 1;
                tally.passed += 1;
            }
            (Some(difference), None) => {
                println!("DIFFERS {suite}/{case}\n{difference}");
                tally.failed += 1;
            }
            (None, Some(reason)) => {
                println!("PASSES {suite}/{case}, but integration/golden-suites.toml lists it: {reason}");
                tally.failed += 1;
            }
        }
    }
    println!("golden {suite}: {} cases, {} failed, {known} known deviations", outcomes.len(), tally.failed);
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_not_true_fails() {
        let outcomes: Outcomes = [("good", None), ("bad", Some("x")), ("known", Some("y")), ("healed", None)]
            .into_iter()
            .map(|(case, difference)| (case.to_owned(), difference.map(str::to_owned)))
            .collect();
        let listed = ["known", "healed", "not played"].map(|case| (case.to_owned(), "why".to_owned())).into();
        let tally = judge("s", &outcomes, &listed);
        assert_eq!((tally.passed, tally.failed), (2, 2));
    }
}
