//! Which of two positions comes first: Debezium's `BinlogHistoryRecordComparator`.

use couplet_api::data::{OffsetMap, Value};
use couplet_api::{Error, Result};

/// How sets of global transaction ids are compared; their notation is the server's.
pub trait GtidOrder: Sync {
    /// Whether both sets hold the same transactions, as far as `gtid.source.includes` and `.excludes` let them count.
    ///
    /// # Errors
    /// When a set cannot be read.
    fn equal(&self, recorded: &str, desired: &str) -> Result<bool>;

    /// Whether `desired` holds all transactions of `recorded`, likewise.
    ///
    /// # Errors
    /// When a set cannot be read.
    fn within(&self, recorded: &str, desired: &str) -> Result<bool>;
}

/// Whether a change recorded at `recorded` was made at or before the position `desired`.
///
/// A position without transaction ids is taken to be older than one with them: they are switched on, hardly ever off.
///
/// # Errors
/// `Kind::Fatal` when positions of one server name files that do not belong together, or a set cannot be read.
pub fn is_at_or_before(recorded: &OffsetMap, desired: &OffsetMap, gtids: &dyn GtidOrder) -> Result<bool> {
    match (text(recorded, "gtids"), text(desired, "gtids")) {
        (Some(before), Some(after)) => by_gtid((recorded, before), (desired, after), gtids),
        (None, Some(_)) => Ok(true),
        (Some(_), None) => Ok(false),
        (None, None) => by_place(recorded, desired),
    }
}

fn by_gtid(
    (recorded, before): (&OffsetMap, &str),
    (desired, after): (&OffsetMap, &str),
    gtids: &dyn GtidOrder,
) -> Result<bool> {
    if !gtids.equal(before, after)? {
        return gtids.within(before, after);
    }
    if recorded.get("snapshot").is_none() && desired.get("snapshot").is_some() {
        return Ok(false);
    }
    Ok(number(recorded, "event", 0) <= number(desired, "event", 0))
}

fn by_place(recorded: &OffsetMap, desired: &OffsetMap) -> Result<bool> {
    if number(recorded, "server_id", 0) != number(desired, "server_id", 0) {
        // Files of different servers have nothing to do with each other; their clocks are what is left.
        return Ok(number(recorded, "ts_sec", 0) <= number(desired, "ts_sec", 0));
    }
    let place = |offset| {
        let file = file_number(text(offset, "file").unwrap_or_default())?;
        Ok::<_, Error>((file, [number(offset, "pos", -1), number(offset, "event", 0), number(offset, "row", -1)]))
    };
    let ((before_name, before), before_rest) = place(recorded)?;
    let ((after_name, after), after_rest) = place(desired)?;
    if before_name != after_name {
        let message =
            format!("binary log files {before_name}.* of the schema history and {after_name}.* of the offset");
        return Err(Error::fatal(format!("{message} cannot be compared: they have different names")));
    }
    Ok((before, before_rest) <= (after, after_rest))
}

/// Splits `mysql-bin.000002` into its name and its number.
fn file_number(file: &str) -> Result<(&str, u64)> {
    let split = file.rsplit_once('.').and_then(|(name, number)| Some((name, number.parse().ok()?)));
    split.ok_or_else(|| Error::fatal(format!("not a name of a binary log file in an offset: '{file}'")))
}

fn text<'a>(offset: &'a OffsetMap, key: &str) -> Option<&'a str> {
    offset.get(key)?.as_str()
}

fn number(offset: &OffsetMap, key: &str, absent: i64) -> i64 {
    match offset.get(key) {
        Some(Value::Int64(value)) => *value,
        Some(Value::Int32(value)) => i64::from(*value),
        _ => absent,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Sets written as single ids with commas between; only the order of sets matters here.
    pub(crate) struct Ids;

    fn ids(text: &str) -> BTreeSet<&str> {
        text.split(',').collect()
    }

    impl GtidOrder for Ids {
        fn equal(&self, recorded: &str, desired: &str) -> Result<bool> {
            Ok(ids(recorded) == ids(desired))
        }

        fn within(&self, recorded: &str, desired: &str) -> Result<bool> {
            Ok(ids(recorded).is_subset(&ids(desired)))
        }
    }

    fn offset(text: &str) -> OffsetMap {
        let members = text.split_whitespace().filter_map(|member| member.split_once('='));
        let value = |text: &str| match text.parse() {
            Ok(number) => Value::Int64(number),
            Err(_) => Value::str(text),
        };
        OffsetMap::new(members.map(|(key, text)| (Value::str(key), value(text))))
    }

    #[test]
    fn positions_are_ordered_as_the_original_orders_them() {
        let rows = [
            ("the same set", "gtids=a,b", "gtids=b,a", true),
            ("fewer transactions", "gtids=a", "gtids=a,b", true),
            ("more transactions", "gtids=a,b", "gtids=a", false),
            ("another branch", "gtids=a,c", "gtids=a,b", false),
            ("the same set, fewer events", "gtids=a event=1", "gtids=a event=2", true),
            ("the same set, more events", "gtids=a event=2", "gtids=a", false),
            ("streamed after the snapshot", "gtids=a", "gtids=a snapshot=INITIAL", false),
            ("within the snapshot", "gtids=a snapshot=INITIAL", "gtids=a snapshot=INITIAL", true),
            ("ids were switched on later", "file=b.9 pos=9", "gtids=a", true),
            ("ids were switched off", "gtids=a", "file=b.9 pos=9", false),
            ("an earlier file", "file=b.000009 pos=9", "file=b.000010 pos=1", true),
            ("a later file", "file=b.1000000 pos=1", "file=b.999999 pos=9", false),
            ("the same place", "file=b.1 pos=5 row=1", "file=b.1 pos=5 row=1", true),
            ("a later position", "file=b.1 pos=6", "file=b.1 pos=5", false),
            ("a later event", "file=b.1 pos=5 event=2", "file=b.1 pos=5 event=1", false),
            ("a later row", "file=b.1 pos=5 row=2", "file=b.1 pos=5 row=1", false),
            ("another server, earlier", "server_id=1 ts_sec=4 file=b.9", "server_id=2 ts_sec=5 file=c.1", true),
            ("another server, later", "server_id=1 ts_sec=6 file=b.1", "server_id=2 ts_sec=5 file=c.9", false),
        ];
        for (claim, recorded, desired, want) in rows {
            assert_eq!(is_at_or_before(&offset(recorded), &offset(desired), &Ids).unwrap(), want, "{claim}");
        }
    }

    #[test]
    fn files_that_cannot_be_ordered_are_an_error() {
        for (recorded, desired) in [("file=a.1", "file=b.1"), ("file=a", "file=a.1"), ("pos=1", "file=a.1")] {
            is_at_or_before(&offset(recorded), &offset(desired), &Ids).unwrap_err();
        }
    }
}
