//! The services that `cargo x test` starts once for all tests, found through the environment.

use anyhow::Result;

use crate::clients::{Kafka, ObjectStore};

/// `host:port` of a Kafka broker.
pub const BOOTSTRAP: &str = "COUPLET_TEST_BOOTSTRAP";
/// URL of a PostgreSQL superuser with `wal_level=logical`.
pub const POSTGRES: &str = "COUPLET_TEST_POSTGRES";
/// `mysql://user:password@host:port` of a MySQL server with a binary log, all rights, and no other databases.
pub const MYSQL: &str = "COUPLET_TEST_MYSQL";
/// The same of a MariaDB server.
pub const MARIADB: &str = "COUPLET_TEST_MARIADB";
/// `http://host:port` of an S3 server.
pub const S3: &str = "COUPLET_TEST_S3";
/// Credentials for it.
pub const S3_ACCESS_KEY: &str = "COUPLET_TEST_S3_ACCESS_KEY";
/// Credentials for it.
pub const S3_SECRET_KEY: &str = "COUPLET_TEST_S3_SECRET_KEY";

/// Base URL of Confluent's API of a schema registry.
pub const REGISTRY: &str = "COUPLET_TEST_REGISTRY";

/// The value of one of the variables above, or `None` after saying what is skipped and why.
///
/// # Panics
/// When it is missing while `COUPLET_REQUIRE_SERVICES=1`: then a skipped test is a failed test.
pub fn service(variable: &str) -> Option<String> {
    let set = std::env::var(variable).ok().filter(|v| !v.is_empty());
    let required = std::env::var("COUPLET_REQUIRE_SERVICES").is_ok_and(|v| v == "1");
    assert!(set.is_some() || !required, "{variable} is not set, and COUPLET_REQUIRE_SERVICES=1 forbids skipping");
    if set.is_none() {
        tracing::warn!("skipped: {variable} is not set; run `cargo x test`");
    }
    set
}

/// The shared broker.
pub fn kafka() -> Option<Result<Kafka>> {
    service(BOOTSTRAP).map(|bootstrap| Kafka::new(&bootstrap))
}

/// The shared S3 server.
pub fn object_store() -> Option<ObjectStore> {
    let endpoint = service(S3)?;
    Some(ObjectStore::new(&endpoint, &service(S3_ACCESS_KEY)?, &service(S3_SECRET_KEY)?))
}

/// A name that no other test of this run or another uses, for topics, databases, buckets and groups. `[a-z0-9-]` only.
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{prefix}-{:x}-{:x}-{}", since.as_millis(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
