//! The transactions that were streamed last. Pure.

use std::collections::VecDeque;

/// So many are remembered. All but very few of them are visible to others by now.
const REMEMBERED: usize = 4096;

/// Numbers of transactions, of 32 bits as the log has them, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Lately(VecDeque<i64>);

impl Lately {
    /// The transaction `xid` was streamed to its end.
    pub(crate) fn add(&mut self, xid: i64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(xid);
    }

    /// Whether `xid` is among them.
    pub(crate) fn has(&self, xid: i64) -> bool {
        self.0.contains(&xid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut lately = Lately::default();
        (0..=4096).for_each(|xid| lately.add(xid));
        assert!(!lately.has(0) && lately.has(1) && lately.has(4096));
    }
}
