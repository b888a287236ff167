//! Latencies of records, as a histogram.

use hdrhistogram::Histogram;

/// Quantiles that are told.
pub(super) const QUANTILES: [(f64, &str); 4] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99"), (0.999, "0.999")];
/// A day, in milliseconds; what takes longer counts as a day.
const MAX_MS: u64 = 24 * 3600 * 1000;
/// Two digits are right: 16 KiB, which only tasks with records take.
const DIGITS: u8 = 2;

/// Milliseconds of all records since the task started.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    histogram: Option<Histogram<u64>>,
    sum_ms: f64,
}

impl Latency {
    /// `records` took `ms` each.
    pub(crate) fn note(&mut self, ms: u64, records: u64) {
        let histogram = match &mut self.histogram {
            Some(histogram) => histogram,
            none => match Histogram::new_with_bounds(1, MAX_MS, DIGITS) {
                Ok(new) => none.insert(new),
                Err(_) => return,
            },
        };
        let ms = ms.min(MAX_MS);
        histogram.saturating_record_n(ms, records);
        self.sum_ms += ms as f64 * records as f64;
    }

    /// Seconds that this part of the records took at most; `None` before the first.
    pub(super) fn quantile(&self, part: f64) -> Option<f64> {
        self.histogram.as_ref().map(|histogram| histogram.value_at_quantile(part) as f64 / 1000.0)
    }

    /// Seconds of all records together, and how many they are.
    pub(super) fn sum_and_count(&self) -> (f64, u64) {
        (self.sum_ms / 1000.0, self.histogram.as_ref().map_or(0, Histogram::len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_records_not_of_batches() {
        let mut latency = Latency::default();
        assert_eq!((latency.quantile(0.5), latency.sum_and_count()), (None, (0.0, 0)));
        latency.note(10, 99);
        latency.note(2000, 1);
        assert_eq!(latency.quantile(0.5), Some(0.01));
        let most = latency.quantile(0.999).expect("records");
        assert!((1.98..=2.02).contains(&most), "{most}");
        assert_eq!(latency.sum_and_count(), (2.99, 100));
        latency.note(u64::MAX, 1);
        assert_eq!(latency.sum_and_count().1, 101);
    }
}
