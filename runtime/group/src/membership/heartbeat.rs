//! When to send heartbeats, and when silence means that the session is over. In Java `Heartbeat`.

/// All times in milliseconds of the member's clock.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    next_at: i64,
    session_ends_at: i64,
    in_flight: bool,
}

impl Heartbeat {
    /// A new session: as after a join.
    pub(super) fn reset(&mut self, now: i64, interval_ms: i64, session_ms: i64) {
        *self = Heartbeat { next_at: now + interval_ms, session_ends_at: now + session_ms, in_flight: false };
    }

    /// The coordinator moved or came back: it may take a session's time to answer.
    pub(super) fn extend(&mut self, now: i64, session_ms: i64) {
        self.session_ends_at = now + session_ms;
        self.in_flight = false;
    }

    pub(super) fn sent(&mut self, now: i64, interval_ms: i64) {
        self.next_at = now + interval_ms;
        self.in_flight = true;
    }

    pub(super) fn received(&mut self, now: i64, session_ms: i64) {
        self.session_ends_at = now + session_ms;
        self.in_flight = false;
    }

    pub(super) fn failed(&mut self, now: i64, backoff_ms: i64) {
        self.next_at = now + backoff_ms;
        self.in_flight = false;
    }

    pub(super) fn is_due(&self, now: i64) -> bool {
        !self.in_flight && now >= self.next_at
    }

    pub(super) fn session_is_over(&self, now: i64) -> bool {
        now >= self.session_ends_at
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> i64 {
        if self.in_flight { self.session_ends_at } else { self.next_at.min(self.session_ends_at) }
    }
}
