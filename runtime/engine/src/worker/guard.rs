//! Calls into plugins that must not bring the worker down.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use couplet_api::spawn::panic_text;
use couplet_api::{Error, Kind, Result};
use futures::FutureExt;

/// The outcome of `call`; a panic becomes an error whose message says so.
pub(super) async fn guarded<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => Err(Error::new(Kind::Bug, format!("panicked: {}", panic_text(&*panic)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let error = guarded::<()>(async { panic!("boom {}", 7) }).await.expect_err("it panicked");
        assert_eq!((error.kind(), error.message()), (Kind::Bug, "panicked: boom 7"));
        assert_eq!(guarded(async { Ok(1) }).await.expect("no panic"), 1);
    }
}
