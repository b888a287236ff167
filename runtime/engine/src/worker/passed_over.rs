//! Offsets of records that transforms dropped. Pure.
//!
//! Kafka Connect stores none of them: what is stored is the offset of the last record sent. A source that a filter drops
//! everything of would then never move, and with it what a database keeps for it. So they wait for a record behind them,
//! which makes them needless, and no longer than [`PATIENCE`].

use std::sync::Arc;
use std::time::Duration;

use couplet_api::data::{OffsetMap, Position};
use tokio::time::Instant;

/// Longest wait of such an offset.
const PATIENCE: Duration = Duration::from_secs(30);

/// The last dropped record of each source partition that nothing was sent of since.
#[derive(Default)]
pub(super) struct PassedOver(Vec<Waiting>);

struct Waiting {
    partition: OffsetMap,
    position: Arc<dyn Position>,
    until: Instant,
}

impl PassedOver {
    /// Whether records of `partition` were dropped behind the last one that was sent.
    pub(super) fn holds(&self, partition: &OffsetMap) -> bool {
        self.0.iter().any(|waiting| waiting.partition == *partition)
    }

    /// A record was dropped, at `now`.
    pub(super) fn hold(&mut self, partition: OffsetMap, position: Arc<dyn Position>, now: Instant) {
        match self.0.iter_mut().find(|waiting| waiting.partition == partition) {
            Some(waiting) => waiting.position = position,
            None => self.0.push(Waiting { partition, position, until: now + PATIENCE }),
        }
    }

    /// A later offset of `partition` is on its way.
    pub(super) fn forget(&mut self, partition: &OffsetMap) {
        // Empty but for sources with filters: this is asked for every record.
        if !self.0.is_empty() {
            self.0.retain(|waiting| waiting.partition != *partition);
        }
    }

    /// When the first one has waited long enough.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.until).min()
    }

    /// Takes those that have waited long enough at `now`; all when it is `None`.
    pub(super) fn take(&mut self, now: Option<Instant>) -> Vec<(OffsetMap, Arc<dyn Position>)> {
        let ended = |waiting: &mut Waiting| now.is_none_or(|now| waiting.until <= now);
        self.0.extract_if(.., ended).map(|waiting| (waiting.partition, waiting.position)).collect()
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::Value;

    use super::*;

    fn map(name: &str, value: i64) -> OffsetMap {
        OffsetMap::new([(name, Value::Int64(value))])
    }

    fn taken(passed: &mut PassedOver, now: Option<Instant>) -> Vec<(OffsetMap, OffsetMap)> {
        passed.take(now).into_iter().map(|(partition, position)| (partition, position.to_map())).collect()
    }

    #[test]
    fn the_last_offset_comes_when_the_first_has_waited() {
        let (mut passed, start) = (PassedOver::default(), Instant::now());
        let second = Duration::from_secs(1);
        for n in 0..3 {
            passed.hold(map("p", 1), Arc::new(map("o", n.into())), start + second * n);
        }
        passed.hold(map("p", 2), Arc::new(map("o", 9)), start + second);
        assert!(passed.holds(&map("p", 1)) && !passed.holds(&map("p", 3)));
        assert_eq!(passed.due(), Some(start + PATIENCE));
        assert!(taken(&mut passed, Some(start + PATIENCE - second)).is_empty());
        assert_eq!(taken(&mut passed, Some(start + PATIENCE)), [(map("p", 1), map("o", 2))]);
        assert_eq!(taken(&mut passed, None), [(map("p", 2), map("o", 9))], "at the end all");
        assert_eq!(passed.due(), None);
    }

    #[test]
    fn a_record_behind_them_makes_them_needless() {
        let (mut passed, now) = (PassedOver::default(), Instant::now());
        passed.hold(map("p", 1), Arc::new(map("o", 1)), now);
        passed.forget(&map("p", 2));
        assert!(passed.holds(&map("p", 1)));
        passed.forget(&map("p", 1));
        assert!(taken(&mut passed, None).is_empty());
    }
}
