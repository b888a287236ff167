//! Waiting for a condition instead of sleeping for a guess.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The moment at which waiting for one named thing turns into an error.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// `seconds` from now. On a busy two-core machine services need several times their usual time: be generous.
    pub fn after_secs(seconds: u64) -> Self {
        Self(Instant::now() + Duration::from_secs(seconds))
    }

    /// Whether the moment has passed.
    pub fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// Asks `probe` until it yields a value. Pauses 20 ms between tries.
///
/// # Errors
/// The first error of `probe`, or one that names `what` when `deadline` passes first.
pub async fn eventually<T, F, Fut>(what: &str, deadline: Deadline, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if deadline.is_over() {
            bail!("timed out waiting for {what}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ends_with_the_value_the_error_or_the_deadline() {
        let mut tries = 0;
        let value = eventually("three", Deadline::after_secs(5), || {
            tries += 1;
            let n = tries;
            async move { Ok((n == 3).then_some(n)) }
        });
        assert_eq!(value.await.unwrap(), 3);
        let error = eventually::<(), _, _>("x", Deadline::after_secs(5), || async { bail!("broken") });
        assert_eq!(error.await.unwrap_err().to_string(), "broken");
        let late = eventually::<(), _, _>("godot", Deadline::after_secs(0), || async { Ok(None) });
        assert_eq!(late.await.unwrap_err().to_string(), "timed out waiting for godot");
    }
}
