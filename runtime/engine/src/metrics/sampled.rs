//! Figures over the last windows of time, as Kafka's `SampledStat`, `Rate` and `Frequencies` make them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use couplet_api::config::Props;

/// How figures are sampled: `metrics.sample.window.ms` and `metrics.num.samples`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    window: Duration,
    samples: u32,
}

impl Sampling {
    /// As the worker's settings say; two windows of 30 seconds unless they do.
    pub(crate) fn of(props: &Props) -> Self {
        let number = |key| props.get(key).and_then(|text| text.trim().parse::<u32>().ok()).filter(|n| *n > 0);
        Sampling {
            window: Duration::from_millis(number("metrics.sample.window.ms").unwrap_or(30_000).into()),
            samples: number("metrics.num.samples").unwrap_or(2),
        }
    }
}

#[derive(Debug)]
struct Window {
    began: Instant,
    count: u64,
    sum: f64,
    max: f64,
    min: f64,
}

/// Values noted over time.
#[derive(Debug)]
pub(crate) struct Series {
    sampling: Sampling,
    /// Oldest first; at most one more than are looked at.
    windows: VecDeque<Window>,
}

impl Series {
    /// No values yet.
    pub(crate) fn new(sampling: Sampling) -> Self {
        Series { sampling, windows: VecDeque::new() }
    }

    /// Another one without values, sampled alike.
    pub(crate) fn empty(&self) -> Self {
        Self::new(self.sampling)
    }

    /// Notes a value.
    pub(crate) fn note(&mut self, now: Instant, value: f64) {
        self.forget(now);
        let current =
            self.windows.back().is_some_and(|w| now.saturating_duration_since(w.began) < self.sampling.window);
        if !current {
            self.windows.push_back(Window {
                began: now,
                count: 0,
                sum: 0.0,
                max: f64::NEG_INFINITY,
                min: f64::INFINITY,
            });
        }
        if let Some(window) = self.windows.back_mut() {
            window.count += 1;
            window.sum += value;
            window.max = window.max.max(value);
            window.min = window.min.min(value);
        }
    }

    /// Drops what is older than all windows together.
    fn forget(&mut self, now: Instant) {
        let age_max = self.sampling.window * self.sampling.samples;
        while self.windows.front().is_some_and(|w| now.saturating_duration_since(w.began) >= age_max) {
            self.windows.pop_front();
        }
    }

    /// Sum of the values per second.
    pub(crate) fn rate(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let Some(oldest) = self.windows.front() else { return 0.0 };
        let elapsed = now.saturating_duration_since(oldest.began);
        // Until there are enough windows, those that are missing count as empty ones: no peak at the start.
        let full = u32::try_from(elapsed.as_nanos() / self.sampling.window.as_nanos().max(1)).unwrap_or(u32::MAX);
        let missing = (self.sampling.samples - 1).saturating_sub(full);
        let elapsed = elapsed + self.sampling.window * missing;
        let sum: f64 = self.windows.iter().map(|w| w.sum).sum();
        if elapsed.is_zero() { 0.0 } else { sum / elapsed.as_secs_f64() }
    }

    /// Average of the values; not a number without any.
    pub(crate) fn avg(&mut self, now: Instant) -> f64 {
        self.forget(now);
        let (count, sum) = self.windows.iter().fold((0, 0.0), |(count, sum), w| (count + w.count, sum + w.sum));
        if count == 0 { f64::NAN } else { sum / count as f64 }
    }

    /// Least of the values; not a number without any.
    pub(crate) fn min(&mut self, now: Instant) -> f64 {
        self.forget(now);
        self.windows.iter().map(|w| w.min).fold(f64::NAN, f64::min)
    }

    /// Greatest of the values; not a number without any.
    pub(crate) fn max(&mut self, now: Instant) -> f64 {
        self.forget(now);
        self.windows.iter().map(|w| w.max).fold(f64::NAN, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_cover_the_last_windows() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut series = Series::new(Sampling::of(&Props::new()));
        assert!(series.avg(begin).is_nan() && series.max(begin).is_nan());
        assert_eq!(series.rate(begin), 0.0);
        series.note(at(0), 60.0);
        series.note(at(10), 30.0);
        // One window of two: the other counts as empty.
        assert_eq!(series.rate(at(15)), 90.0 / 45.0);
        series.note(at(30), 10.0);
        assert_eq!((series.avg(at(40)), series.max(at(40)), series.min(at(40))), (100.0 / 3.0, 60.0, 10.0));
        assert_eq!(series.rate(at(40)), 100.0 / 40.0);
        // The first window is too old now.
        assert_eq!((series.avg(at(60)), series.max(at(60))), (10.0, 10.0));
        assert!(series.max(at(1000)).is_nan());
    }

    #[test]
    fn the_worker_says_how_long_windows_are() {
        let props = Props::from_iter([("metrics.sample.window.ms", "1000"), ("metrics.num.samples", "3")]);
        let begin = Instant::now();
        let mut series = Series::new(Sampling::of(&props));
        series.note(begin, 5.0);
        assert_eq!(series.max(begin + Duration::from_millis(2999)), 5.0);
        assert!(series.max(begin + Duration::from_millis(3000)).is_nan());
    }
}
