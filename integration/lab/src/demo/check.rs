//! Database, topics and objects compared. Pure: everything was read before.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::truth::{Change, Operation};

/// One change event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Position in the topic's only partition.
    pub offset: i64,
    pub id: i64,
    pub lsn: u64,
    /// `None` for a row read by the snapshot.
    pub operation: Option<Operation>,
    /// The whole value.
    pub value: Value,
}

/// Events by table, as in `public.accounts`, in the order of the topic.
pub type Topics = BTreeMap<String, Vec<Event>>;
/// Rows by table and id, in the form of the events.
pub type Tables = BTreeMap<String, BTreeMap<i64, Value>>;

/// An object in S3 with the records of one table from one offset on.
#[derive(Debug, Clone)]
pub struct StoredObject {
    pub key: String,
    pub table: String,
    pub start_offset: i64,
    pub lines: Vec<Value>,
}

/// What is wrong, and what is allowed but worth knowing.
#[derive(Debug, Default)]
pub struct Findings {
    pub problems: Vec<String>,
    /// Events whose table, key and log position were there before: at-least-once delivery after a kill.
    pub repeats: usize,
}

impl Event {
    /// Reads a change event; `None` when it is not one.
    pub fn parse(offset: i64, key: &[u8], value: &[u8]) -> Option<Self> {
        let key: Value = serde_json::from_slice(key).ok()?;
        let value: Value = serde_json::from_slice(value).ok()?;
        let operation = Operation::from_letter(value["op"].as_str()?);
        Some(Self { offset, id: key["id"].as_i64()?, lsn: value["source"]["lsn"].as_u64()?, operation, value })
    }
}

/// Every change is in its topic, and per key the first occurrences are in the database's order.
pub fn changes(truth: &[Change], topics: &Topics, findings: &mut Findings) {
    let mut wanted: BTreeMap<(&str, i64), Vec<(u64, Operation)>> = BTreeMap::new();
    for change in truth {
        wanted.entry((&change.table, change.id)).or_default().push((change.lsn, change.operation));
    }
    let mut got: BTreeMap<(&str, i64), Vec<(u64, Operation)>> = BTreeMap::new();
    for (table, events) in topics {
        let mut seen: BTreeSet<(i64, u64)> = BTreeSet::new();
        for event in events {
            if !seen.insert((event.id, event.lsn)) {
                findings.repeats += 1;
            } else if let Some(operation) = event.operation {
                got.entry((table, event.id)).or_default().push((event.lsn, operation));
            }
        }
    }
    for (key, changes) in &wanted {
        let seen = got.remove(key).unwrap_or_default();
        if seen != *changes {
            let (table, id) = key;
            findings.problems.push(format!("{table} id {id}: the database did {changes:?}, the topic has {seen:?}"));
        }
    }
    for ((table, id), events) in got {
        findings.problems.push(format!("{table} id {id}: the topic has {events:?} that the database never did"));
    }
}

/// Folding the events by key gives the table.
pub fn state(topics: &Topics, tables: &Tables, findings: &mut Findings) {
    let empty = Vec::new();
    for (table, rows) in tables {
        let mut folded: BTreeMap<i64, Value> = BTreeMap::new();
        for event in topics.get(table).unwrap_or(&empty) {
            match event.operation {
                Some(Operation::Delete) => folded.remove(&event.id),
                _ => folded.insert(event.id, comparable(&event.value["after"])),
            };
        }
        for (id, row) in rows {
            let row = comparable(row);
            match folded.remove(id) {
                None => findings.problems.push(format!("{table} id {id} is in the table and not in the topic")),
                Some(seen) if seen != row => {
                    findings.problems.push(format!("{table} id {id}: the table has {row}, the topic {seen}"));
                }
                Some(_) => {}
            }
        }
        for id in folded.keys() {
            findings.problems.push(format!("{table} id {id} is in the topic and not in the table"));
        }
    }
}

/// The same instant can be written with more or fewer zeros behind the second.
fn comparable(row: &Value) -> Value {
    let mut row = row.clone();
    for (name, value) in row.as_object_mut().into_iter().flatten() {
        if let (true, Value::String(text)) = (name.ends_with("_at"), &*value) {
            *value = text
                .parse::<jiff::Timestamp>()
                .map_or_else(|_| Value::from(text.as_str()), |at| Value::from(at.as_microsecond()));
        }
    }
    row
}

/// The objects hold every record of the topics once. Returns how many lines they have.
pub fn objects(topics: &Topics, objects: &[StoredObject], findings: &mut Findings) -> usize {
    let mut stored: HashMap<(&str, i64), usize> = HashMap::new();
    let mut lines = 0;
    for object in objects {
        lines += object.lines.len();
        let events = topics.get(&object.table).map_or(&[][..], Vec::as_slice);
        let first = events.partition_point(|e| e.offset < object.start_offset);
        for (number, line) in object.lines.iter().enumerate() {
            let Some(event) = events.get(first + number) else {
                findings.problems.push(format!("{} line {}: no such record in the topic", object.key, number + 1));
                continue;
            };
            if event.value != *line {
                findings.problems.push(format!(
                    "{} line {}: {line} is not record {}",
                    object.key,
                    number + 1,
                    event.offset
                ));
            }
            *stored.entry((&object.table, event.offset)).or_default() += 1;
        }
    }
    for (table, events) in topics {
        for event in events {
            match stored.get(&(table.as_str(), event.offset)) {
                Some(1) => {}
                times => {
                    let times = times.copied().unwrap_or(0);
                    findings.problems.push(format!("{table} record {} is {times} times in S3", event.offset));
                }
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Operation::{Delete, Insert, Update};
    use super::*;

    fn change(id: i64, lsn: u64, operation: Operation) -> Change {
        Change { table: "t".into(), id, lsn, operation }
    }

    fn event(offset: i64, id: i64, lsn: u64, letter: &str) -> Event {
        let value = json!({"op": letter, "after": {"id": id, "v": lsn}, "source": {"lsn": lsn}}).to_string();
        Event::parse(offset, json!({"id": id}).to_string().as_bytes(), value.as_bytes()).unwrap()
    }

    fn topics(events: &[Event]) -> Topics {
        [("t".to_owned(), events.to_vec())].into()
    }

    #[test]
    fn changes_must_all_be_there_in_order_per_key() {
        let truth = [change(1, 10, Insert), change(2, 11, Insert), change(1, 12, Update), change(2, 13, Delete)];
        let (a, b, c, d) = (event(0, 1, 10, "c"), event(1, 2, 11, "c"), event(2, 1, 12, "u"), event(3, 2, 13, "d"));
        let snapshot = event(9, 5, 9, "r");
        let rows: &[(&str, &[&Event], usize, usize)] = &[
            ("as it happened", &[&snapshot, &a, &b, &c, &d], 0, 0),
            ("keys may overtake each other", &[&b, &a, &d, &c], 0, 0),
            ("a replay after a kill repeats in order", &[&a, &b, &b, &c, &b, &c, &d], 3, 0),
            ("one is missing", &[&a, &b, &d], 0, 1),
            ("one key out of order", &[&b, &c, &a, &d], 0, 1),
            ("nothing at all", &[], 0, 2),
        ];
        for (claim, events, repeats, problems) in rows {
            let mut findings = Findings::default();
            let events: Vec<Event> = events.iter().map(|e| (*e).clone()).collect();
            changes(&truth, &topics(&events), &mut findings);
            assert_eq!((findings.repeats, findings.problems.len()), (*repeats, *problems), "{claim}: {findings:?}");
        }
        let mut findings = Findings::default();
        changes(&truth[..3], &topics(&[a, b, c, d]), &mut findings);
        assert_eq!(findings.problems.len(), 1, "an invented change is a problem");
    }

    #[test]
    fn the_fold_must_be_the_table() {
        let all = topics(&[event(0, 1, 10, "r"), event(1, 2, 11, "c"), event(2, 1, 12, "u"), event(3, 2, 13, "d")]);
        let problems = |rows: &[(i64, u64)]| {
            let rows = rows.iter().map(|(id, v)| (*id, json!({"id": id, "v": v}))).collect();
            let mut findings = Findings::default();
            state(&all, &[("t".to_owned(), rows)].into(), &mut findings);
            findings.problems.len()
        };
        assert_eq!(problems(&[(1, 12)]), 0);
        assert_eq!(problems(&[(1, 10)]), 1, "stale row");
        assert_eq!(problems(&[(1, 12), (2, 11)]), 1, "row lost");
        assert_eq!(problems(&[]), 1, "row never deleted");
    }

    #[test]
    fn instants_are_compared_as_instants() {
        let short = json!({"created_at": "2024-01-01T00:00:00.5Z"});
        let long = json!({"created_at": "2024-01-01T00:00:00.500000Z"});
        assert_eq!(comparable(&short), comparable(&long));
    }

    #[test]
    fn objects_must_hold_each_record_once() {
        let events = [event(0, 1, 10, "c"), event(1, 2, 11, "c"), event(5, 3, 12, "c")];
        let object = |start_offset, events: &[Event]| StoredObject {
            key: format!("t+0+{start_offset}"),
            table: "t".into(),
            start_offset,
            lines: events.iter().map(|e| e.value.clone()).collect(),
        };
        let (whole, first, last) = (object(0, &events), object(0, &events[..2]), object(5, &events[2..]));
        let rows: &[(&str, Vec<StoredObject>, usize)] = &[
            ("one object", vec![whole.clone()], 0),
            ("two objects, with a gap of offsets between", vec![first.clone(), last.clone()], 0),
            ("the tail twice", vec![whole, last.clone()], 1),
            ("the tail missing", vec![first.clone()], 1),
            ("another record in its place", vec![first, object(5, &events[..1])], 1),
        ];
        for (claim, stored, want) in rows {
            let mut findings = Findings::default();
            objects(&topics(&events), stored, &mut findings);
            assert_eq!(findings.problems.len(), *want, "{claim}: {findings:?}");
        }
    }
}
