//! Which brokers a test runs against.

use std::sync::atomic::{AtomicU32, Ordering};

use couplet_devbroker::{Broker, BrokerConfig};

/// Runs `test` against the embedded broker, and against a real one where `COUPLET_TEST_BOOTSTRAP` names it.
#[allow(clippy::print_stdout, reason = "a skipped test says why")]
pub async fn for_each_broker(test: impl AsyncFn(String)) {
    let embedded = Broker::start(BrokerConfig::default()).await.expect("the embedded broker starts");
    test(embedded.address().to_string()).await;
    embedded.stop().await;
    match std::env::var("COUPLET_TEST_BOOTSTRAP") {
        Ok(bootstrap) => test(bootstrap).await,
        Err(_) => {
            assert!(std::env::var("COUPLET_REQUIRE_SERVICES").is_err(), "COUPLET_TEST_BOOTSTRAP is not set");
            println!("skipped on a real broker: COUPLET_TEST_BOOTSTRAP is not set");
        }
    }
}

/// A name nobody else uses.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("couplet-{name}-{started}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
