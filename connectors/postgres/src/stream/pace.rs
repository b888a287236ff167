//! When the stream reads: whatever is there at once, but in larger pieces while much comes in small ones. Pure.
//!
//! The server sends every change by itself. While it catches up, waking for each of them, and waking all that stands behind,
//! costs several times what the change does.

use std::time::Duration;

use tokio::time::Instant;

/// How long a busy stream is left alone, and the time in which messages are counted.
pub(super) const PAUSE: Duration = Duration::from_millis(1);
/// So many messages within that time make a stream busy. A thousand small transactions a second are far below.
const BUSY_MESSAGES: usize = 32;
/// A read of so many bytes is large enough.
const LARGE: usize = 16 << 10;

/// What came of late.
pub(super) struct Pace {
    /// When the count begins again.
    until: Instant,
    messages: usize,
}

impl Pace {
    /// Nothing came yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { until: now, messages: 0 }
    }

    /// Whether to wait for [`PAUSE`] before the next read: the last one brought `bytes` and `messages`.
    pub(super) fn is_busy(&mut self, bytes: usize, messages: usize, now: Instant) -> bool {
        if now >= self.until {
            self.until = now + PAUSE;
            self.messages = 0;
        }
        self.messages += messages;
        self.messages >= BUSY_MESSAGES && bytes < LARGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_much_in_small_pieces_is_busy() {
        let start = Instant::now();
        let at = |micros: u64| start + Duration::from_micros(micros);
        let rows = [
            ("four messages of one transaction a millisecond", 4, 100, 250, false),
            ("a backlog, message by message", 1, 250, 10, true),
            ("a backlog in large pieces", 100, 60_000, 100, false),
        ];
        for (claim, messages, bytes, micros, want) in rows {
            let mut pace = Pace::new(start);
            let busy = (1..=64).any(|n| pace.is_busy(bytes, messages, at(n * micros)));
            assert_eq!(busy, want, "{claim}");
        }
        let mut pace = Pace::new(start);
        assert!(pace.is_busy(100, BUSY_MESSAGES, at(0)));
        assert!(!pace.is_busy(100, 1, at(1_000)), "the count begins again");
    }
}
