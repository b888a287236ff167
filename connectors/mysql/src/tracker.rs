//! Keeps the position while events go by, as Debezium's offset does: where a restart begins, and how many events and rows
//! behind it are done. Pure.

use std::sync::Arc;

use couplet_cdc::IncrementalOffset;

use crate::binlog::Header;
use crate::gtid::GtidSet;
use crate::offset::{MyPosition, TransactionState};
use crate::server::LogEnd;

/// The position, and what of the event at hand its source block says.
#[derive(Debug)]
pub(crate) struct Tracker {
    file: Arc<str>,
    /// Where the event at hand begins, and its length.
    pos: u64,
    length: u64,
    server_id: u32,
    ts_sec: Option<i64>,
    /// With the transaction at hand.
    gtids: Option<GtidSet>,
    gtids_text: Option<Arc<str>>,
    restart_gtids: Option<Arc<str>>,
    restart_file: Arc<str>,
    restart_pos: u64,
    events: u64,
    rows: u64,
    in_transaction: bool,
    gtid: Option<Arc<str>>,
    /// Whether what `gtid` names is still going on.
    gtid_is_open: bool,
    incremental: Option<Arc<IncrementalOffset>>,
}

impl Tracker {
    /// Takes up at `start`; `gtids`: the transactions done so far, when the server has such.
    pub(crate) fn new(start: &MyPosition, gtids: Option<GtidSet>) -> Self {
        Tracker {
            file: start.file.clone(),
            pos: start.pos,
            length: 0,
            server_id: start.server_id,
            ts_sec: start.ts_sec,
            gtids_text: start.gtids.clone(),
            restart_gtids: start.gtids.clone(),
            gtids,
            restart_file: start.file.clone(),
            restart_pos: start.pos,
            events: 0,
            rows: 0,
            in_transaction: false,
            gtid: None,
            gtid_is_open: false,
            incremental: start.incremental.clone(),
        }
    }

    /// An event begins.
    pub(crate) fn event(&mut self, header: &Header) {
        self.server_id = header.server_id;
        if header.next_position == 0 || header.artificial || header.position() == 0 {
            return;
        }
        self.pos = header.position();
        self.length = header.length.into();
        if !self.in_transaction {
            self.restart_pos = self.pos + self.length;
            self.restart_file = self.file.clone();
            self.events = 0;
            self.rows = 0;
        }
    }

    /// Another file begins.
    pub(crate) fn rotate(&mut self, file: &str, position: u64) {
        self.file = file.into();
        self.pos = position;
        // A transaction never spans files: one that is open was told again by a server that moved on.
        self.restart_file = self.file.clone();
        self.restart_pos = position;
        self.events = 0;
        self.rows = 0;
    }

    /// The transaction `gtid` begins; `add` puts it into the set.
    pub(crate) fn gtid(&mut self, gtid: String, add: impl FnOnce(&mut GtidSet)) {
        self.gtid = Some(gtid.into());
        self.gtid_is_open = true;
        if let Some(set) = &mut self.gtids {
            add(set);
            let text: Arc<str> = set.to_string().into();
            self.restart_gtids = self.gtids_text.take().or_else(|| Some(text.clone()));
            self.gtids_text = Some(text);
        }
    }

    /// The transaction's first event. Returns the transaction's name.
    pub(crate) fn begin(&mut self) -> String {
        self.events = 0;
        self.rows = 0;
        self.restart_file = self.file.clone();
        self.restart_pos = self.pos;
        self.in_transaction = true;
        match &self.gtid {
            Some(gtid) => gtid.to_string(),
            None => format!("file={},pos={}", self.restart_file, self.restart_pos),
        }
    }

    /// The transaction's last event.
    pub(crate) fn commit(&mut self) {
        self.restart_gtids = self.gtids_text.clone();
        self.restart_file = self.file.clone();
        self.restart_pos = self.pos + self.length;
        self.events = 0;
        self.rows = 0;
        self.in_transaction = false;
        self.gtid_is_open = false;
    }

    /// A statement outside transactions is done.
    pub(crate) fn statement_done(&mut self) {
        if !self.in_transaction {
            self.gtid_is_open = false;
        }
    }

    /// Whether everything up to `place` was handled. Within a transaction nothing new ever is.
    pub(crate) fn has_passed(&self, place: &LogEnd) -> bool {
        if self.in_transaction || self.gtid_is_open {
            return false;
        }
        match (&place.gtids, &self.gtids) {
            (Some(wanted), Some(done)) => wanted.is_within(done),
            _ => order(&place.file, place.position) <= order(&self.restart_file, self.restart_pos),
        }
    }

    /// Whether the event at hand begins at this place of the log or in front of it.
    pub(crate) fn is_at_most(&self, file: &str, position: u64) -> bool {
        order(&self.file, self.pos) <= order(file, position)
    }

    /// Transactions that are done, if the server has names for them.
    pub(crate) const fn gtids(&self) -> Option<&GtidSet> {
        self.gtids.as_ref()
    }

    /// Positions carry `progress` from here on.
    pub(crate) fn set_incremental(&mut self, progress: Option<Arc<IncrementalOffset>>) {
        self.incremental = progress;
    }

    /// The row `index` of an event with `count` rows is being written.
    pub(crate) fn row(&mut self, index: usize, count: usize) {
        self.rows = if index + 1 < count { index as u64 + 1 } else { count as u64 };
    }

    /// All rows of the event are written.
    pub(crate) fn rows_done(&mut self) {
        self.rows = 0;
    }

    /// The event is done.
    pub(crate) fn done(&mut self) {
        // Outside a transaction a restart begins behind the event.
        if self.in_transaction {
            self.events += 1;
        }
    }

    /// The time of what is written next, seconds since the epoch.
    pub(crate) fn at(&mut self, ts_sec: i64) {
        self.ts_sec = Some(ts_sec);
    }

    /// Events of the transaction at hand that are done.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    /// Whether a transaction is open.
    pub(crate) const fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// File, begin of the event, its server, its transaction.
    pub(crate) fn place(&self) -> (Arc<str>, u64, u32, Option<Arc<str>>) {
        (self.file.clone(), self.pos, self.server_id, self.gtid.clone())
    }

    /// The position as it would be stored now.
    pub(crate) fn position(&self, transaction: Option<TransactionState>) -> Arc<MyPosition> {
        Arc::new(MyPosition {
            file: self.restart_file.clone(),
            pos: self.restart_pos,
            gtids: self.restart_gtids.clone(),
            events: self.events,
            rows: self.rows,
            server_id: self.server_id,
            ts_sec: self.ts_sec,
            snapshot: None,
            begun: 0,
            transaction,
            incremental: self.incremental.clone(),
        })
    }
}

/// Places of the log by order: numbers of files grow, at last by a digit.
const fn order(file: &str, position: u64) -> (usize, &str, u64) {
    (file.len(), file, position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flavour::Flavour;

    fn header(next: u32, length: u32) -> Header {
        Header { timestamp: 1, kind: 0, server_id: 7, length, next_position: next, artificial: false }
    }

    #[test]
    fn within_a_transaction_the_position_is_its_begin_with_the_events_done() {
        let start = MyPosition { file: "b.1".into(), pos: 100, gtids: Some("u:1-3".into()), ..MyPosition::default() };
        let mut tracker = Tracker::new(&start, Some(GtidSet::parse(Flavour::MySql, "u:1-3")));
        tracker.event(&header(180, 80));
        tracker.gtid("u:4".into(), |set| set.add_mysql("u", 4));
        tracker.done();
        tracker.event(&header(250, 70));
        assert_eq!(tracker.begin(), "u:4");
        tracker.done();
        tracker.event(&header(300, 50));
        tracker.done();
        tracker.event(&header(400, 100));
        tracker.row(0, 2);
        let stored = tracker.position(None);
        assert_eq!((stored.pos, stored.events, stored.rows, stored.gtids.as_deref()), (180, 2, 1, Some("u:1-3")));
        tracker.event(&header(431, 31));
        tracker.commit();
        let stored = tracker.position(None);
        assert_eq!((stored.pos, stored.events, stored.rows, stored.gtids.as_deref()), (431, 0, 0, Some("u:1-4")));
    }
}
