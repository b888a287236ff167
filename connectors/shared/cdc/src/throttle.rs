//! A limit to how fast snapshots read whole tables, for databases that have others to serve. Debezium has none.

use std::time::{Duration, Instant};

use couplet_api::Result;
use couplet_api::config::Props;

use crate::field::invalid;
use crate::outbox::Outbox;

/// The setting.
pub const ROWS_PER_SECOND: &str = "couplet.snapshot.max.rows.per.second";
/// Time that a slow stretch may be made up for.
const SLACK: Duration = Duration::from_millis(100);

/// What [`ROWS_PER_SECOND`] says; `None`: there is no limit.
///
/// # Errors
/// A sentence for users when it is no whole number above 0.
pub fn rows_per_second(props: &Props) -> Result<Option<u64>, String> {
    let Some(text) = props.get(ROWS_PER_SECOND).map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(rows) if rows > 0 => Ok(Some(rows)),
        _ => {
            let problem = format!("{text} is not a whole number above 0; leave it out for no limit");
            Err(invalid(ROWS_PER_SECOND, &problem))
        }
    }
}

/// Paces the rows of one snapshot, over all its connections: who reads waits while the queue in between is full.
#[derive(Debug)]
pub struct Throttle {
    rows_per_second: Option<u64>,
    /// Rows since the clock was last looked at.
    counted: u64,
    /// When the next row may follow.
    due: Option<Instant>,
}

impl Throttle {
    /// At most so many rows each second; `None`: no limit.
    pub const fn new(rows_per_second: Option<u64>) -> Self {
        Throttle { rows_per_second, counted: 0, due: None }
    }

    /// A row was written to `outbox`: sends what is there when that is enough, or when it is time to rest, and rests.
    ///
    /// # Errors
    /// When the task is gone.
    pub async fn row<P>(&mut self, outbox: &mut Outbox<P>) -> Result<()> {
        let rest = match self.rows_per_second {
            Some(limit) => self.rest(limit),
            None => None,
        };
        if outbox.is_full() || rest.is_some() {
            outbox.flush().await?;
        }
        if let Some(rest) = rest {
            tokio::time::sleep(rest).await;
        }
        Ok(())
    }

    /// Counts a row; how long to rest behind it.
    fn rest(&mut self, limit: u64) -> Option<Duration> {
        self.counted += 1;
        // Ten looks at the clock each second are enough.
        if self.counted < limit / 10 {
            return None;
        }
        self.rest_at(limit, Instant::now())
    }

    fn rest_at(&mut self, limit: u64, now: Instant) -> Option<Duration> {
        let takes = Duration::from_secs_f64(self.counted as f64 / limit as f64);
        self.counted = 0;
        let from = self.due.map_or(now, |due| due.max(now.checked_sub(SLACK).unwrap_or(now)));
        let due = from + takes;
        self.due = Some(due);
        Some(due.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_a_whole_number() {
        let rows: [(&str, Result<Option<u64>, &str>); 5] = [
            ("", Ok(None)),
            (" 500 ", Ok(Some(500))),
            ("0", Err("0 is not a whole number above 0")),
            ("-1", Err("-1 is not")),
            ("fast", Err("fast is not")),
        ];
        for (text, want) in rows {
            let got = rows_per_second(&Props::from_iter([(ROWS_PER_SECOND, text)]));
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert!(got.contains(want) && got.contains(ROWS_PER_SECOND), "{got}"),
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
        assert_eq!(rows_per_second(&Props::new()), Ok(None));
    }

    #[test]
    fn rests_make_up_for_rows_and_not_for_pauses() {
        let start = Instant::now();
        let mut throttle = Throttle::new(Some(100));
        let mut after = |rows, ms| {
            throttle.counted = rows;
            throttle.rest_at(100, start + Duration::from_millis(ms)).map(|rest| rest.as_millis())
        };
        assert_eq!(after(10, 0), Some(100), "ten rows are a tenth of a second");
        assert_eq!(after(10, 130), Some(70), "what was rested too long counts");
        assert_eq!(after(5, 10_000), None, "a long pause is not made up for");
        assert_eq!(after(10, 10_000), Some(50));
    }
}
