//! Pauses between tries. Pure: the caller brings time and chance.

use std::time::Duration;

/// First pause between two tries of a record, as the JVM's.
const FIRST: Duration = Duration::from_millis(300);

/// Doubling pauses within a time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    /// How long to go on trying; `None`: for ever.
    timeout: Option<Duration>,
    /// Longest pause.
    delay_max: Duration,
    tries: u32,
    waited: Duration,
}

impl Backoff {
    /// For `errors.retry.timeout` (-1: for ever) and `errors.retry.delay.max.ms`, both in milliseconds.
    pub fn new(timeout_ms: i64, delay_max_ms: i64) -> Self {
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        let delay_max = Duration::from_millis(u64::try_from(delay_max_ms).unwrap_or(0));
        Backoff { timeout, delay_max, tries: 0, waited: Duration::ZERO }
    }

    /// For what must be tried until it works.
    pub fn endless(delay_max: Duration) -> Self {
        Backoff { timeout: None, delay_max, tries: 0, waited: Duration::ZERO }
    }

    /// The pause before the next try; `None`: give up. Above the longest pause it is a random part of that, so that
    /// tasks which failed together do not come back together; `chance` is from 0 to 1.
    pub fn next_pause(&mut self, chance: f64) -> Option<Duration> {
        let doubled = FIRST.checked_mul(1 << self.tries.min(20)).unwrap_or(Duration::MAX);
        let mut pause = if doubled > self.delay_max { self.delay_max.mul_f64(chance.clamp(0.0, 1.0)) } else { doubled };
        if let Some(timeout) = self.timeout {
            let left = timeout.saturating_sub(self.waited);
            if left.is_zero() {
                return None;
            }
            pause = pause.min(left);
        }
        self.tries += 1;
        self.waited += pause;
        Some(pause)
    }

    /// Number of pauses so far.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.tries = 0;
        self.waited = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_end_with_the_timeout() {
        let rows: &[(&str, i64, i64, &[u64])] = &[
            ("no retries by default", 0, 60_000, &[]),
            ("the last pause is cut", 2_000, 60_000, &[300, 600, 1_100]),
            ("above the longest pause, half of it by this chance", 3_000, 1_000, &[300, 600, 500, 500, 500, 500, 100]),
        ];
        for (claim, timeout, delay_max, want) in rows {
            let mut backoff = Backoff::new(*timeout, *delay_max);
            let pauses: Vec<u64> = std::iter::from_fn(|| backoff.next_pause(0.5))
                .map(|pause| u64::try_from(pause.as_millis()).expect("small"))
                .collect();
            assert_eq!(pauses, *want, "{claim}");
        }
    }

    #[test]
    fn minus_one_is_for_ever_and_a_success_starts_over() {
        let mut backoff = Backoff::new(-1, 10_000);
        assert!((0..1_000).all(|_| backoff.next_pause(1.0).is_some()));
        backoff.reset();
        assert_eq!(backoff.next_pause(1.0), Some(FIRST));
    }
}
