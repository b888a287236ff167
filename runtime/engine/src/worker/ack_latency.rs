//! How long after its commit at the source a record was acknowledged by Kafka. Pure.

use std::collections::VecDeque;

use couplet_kafka::clients::Report;

/// Commit times of records on their way, by token. Records in a row with the same time share an entry.
#[derive(Debug, Default)]
pub(super) struct AckLatency {
    /// First token and its time, in milliseconds since the epoch; holds until the next entry.
    runs: VecDeque<(u64, Option<i64>)>,
    /// Behind the last record sent.
    next: u64,
}

impl AckLatency {
    /// The record of `token`, which is greater than those before, was committed at this time; `None` when nobody knows.
    pub(super) fn sent(&mut self, token: u64, committed_ms: Option<i64>) {
        self.next = token + 1;
        if self.runs.back().is_none_or(|(_, known)| *known != committed_ms) {
            self.runs.push_back((token, committed_ms));
        }
    }

    /// Milliseconds of the records that `reports` say were delivered, each with the number of records it stands for.
    pub(super) fn of(&self, reports: &[Report], now_ms: i64) -> Vec<(u64, u64)> {
        let mut latencies: Vec<(u64, u64)> = Vec::new();
        for report in reports.iter().filter(|report| report.failure.is_none()) {
            match (self.acknowledged(report.token, now_ms), latencies.last_mut()) {
                (Some(ms), Some(last)) if last.0 == ms => last.1 += 1,
                (Some(ms), _) => latencies.push((ms, 1)),
                (None, _) => {}
            }
        }
        latencies
    }

    /// Milliseconds from the commit of the record of `token` to `now_ms`.
    fn acknowledged(&self, token: u64, now_ms: i64) -> Option<u64> {
        // Others than records, such as offsets, have tokens of their own.
        if token >= self.next {
            return None;
        }
        let behind = self.runs.partition_point(|(first, _)| *first <= token);
        let (_, committed_ms) = self.runs.get(behind.checked_sub(1)?)?;
        // Clocks of two machines may differ.
        Some(u64::try_from(now_ms - (*committed_ms)?).unwrap_or(0))
    }

    /// Records below `token` are done.
    pub(super) fn forget_below(&mut self, token: u64) {
        while self.runs.get(1).is_some_and(|(first, _)| *first <= token) {
            self.runs.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_one_commit_share_its_time() {
        let mut latency = AckLatency::default();
        for (token, committed_ms) in [(0, Some(100)), (1, Some(100)), (2, None), (5, Some(300)), (6, Some(300))] {
            latency.sent(token, committed_ms);
        }
        assert_eq!(latency.runs.len(), 3);
        let seen = |latency: &AckLatency| [0, 1, 2, 5, 6, 7].map(|token| latency.acknowledged(token, 350));
        assert_eq!(seen(&latency), [Some(250), Some(250), None, Some(50), Some(50), None]);
        let report = |token| Report { token, failure: None };
        assert_eq!(latency.of(&[report(0), report(1), report(2), report(6)], 350), [(250, 2), (50, 1)]);
        latency.forget_below(6);
        assert_eq!(seen(&latency), [None, None, None, Some(50), Some(50), None]);
        assert_eq!(latency.acknowledged(6, 200), Some(0), "a source whose clock is ahead");
    }
}
