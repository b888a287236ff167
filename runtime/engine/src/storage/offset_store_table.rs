//! Offsets as bytes and in memory: what all kinds of offset store share. Pure.
//!
//! Key: JSON `["connector",{partition}]`; value: JSON of the offset; no value: the partition is forgotten.

use std::collections::{BTreeMap, HashMap};

use bytes::{Bytes, BytesMut};
use couplet_api::Result;
use couplet_api::data::{Datum, OffsetMap, Value};
use couplet_plugins::json::{JsonOptions, read_value, write_value};

use super::OffsetChange;

/// The fold over all stored records.
#[derive(Default)]
pub(super) struct OffsetTable {
    connectors: HashMap<String, BTreeMap<Bytes, Stored>>,
}

/// One partition's entry. Its place in the table is its JSON with sorted keys, so that the order in which a task or a
/// user writes keys does not matter.
struct Stored {
    /// The key as it was written first, which later records repeat so that compaction finds them.
    key: Bytes,
    partition: OffsetMap,
    /// `None`: forgotten, its key remembered.
    offset: Option<OffsetMap>,
}

impl OffsetTable {
    /// Takes over a stored record. Records that are none of ours are ignored, as the JVM does.
    pub(super) fn apply(&mut self, key: &Bytes, value: Option<&Bytes>) {
        let Some((connector, partition)) = decode_key(key) else {
            tracing::warn!("ignoring an offset whose key is not [connector, partition]");
            return;
        };
        let offset = match value.map(read_value) {
            None | Some(Ok(Value::Null)) => None,
            Some(Ok(value)) if OffsetMap::from_value(&value).is_some() => OffsetMap::from_value(&value),
            Some(_) => {
                tracing::warn!(connector, "ignoring an offset whose value is not an object");
                return;
            }
        };
        let Ok(place) = canonical(&partition) else { return };
        let partitions = self.connectors.entry(connector).or_default();
        partitions.entry(place).and_modify(|stored| stored.offset.clone_from(&offset)).or_insert_with(|| Stored {
            key: key.clone(),
            partition,
            offset,
        });
    }

    /// The offset of `partition`.
    pub(super) fn get(&self, connector: &str, partition: &OffsetMap) -> Option<OffsetMap> {
        let place = canonical(partition).ok()?;
        self.connectors.get(connector)?.get(&place)?.offset.clone()
    }

    /// All partitions that have an offset.
    pub(super) fn list(&self, connector: &str) -> Vec<(OffsetMap, OffsetMap)> {
        let stored = self.connectors.get(connector).into_iter().flat_map(BTreeMap::values);
        stored.filter_map(|s| Some((s.partition.clone(), s.offset.clone()?))).collect()
    }

    /// The record that stores `change`.
    ///
    /// # Errors
    /// `Kind::Data` when partition or offset hold what JSON cannot.
    pub(super) fn encode(&self, connector: &str, change: &OffsetChange) -> Result<(Bytes, Option<Bytes>)> {
        let (partition, offset) = change;
        let known = self.connectors.get(connector).and_then(|p| p.get(&canonical(partition).ok()?));
        let key = match known {
            Some(stored) => stored.key.clone(),
            None => to_json(Value::Array([Value::str(connector), partition.to_value()].into()))?,
        };
        Ok((key, offset.as_ref().map(|offset| to_json(offset.to_value())).transpose()?))
    }
}

fn to_json(value: Value) -> Result<Bytes> {
    let mut out = BytesMut::new();
    write_value(&Datum::schemaless(value), &JsonOptions::default(), &mut out)?;
    Ok(out.freeze())
}

/// A source's partition or offset as JSON, in the order of its own keys.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn offset_json(map: &OffsetMap) -> Result<String> {
    let json = to_json(map.to_value())?;
    String::from_utf8(json.into()).map_err(|_| couplet_api::Error::bug("JSON is text"))
}

fn decode_key(key: &Bytes) -> Option<(String, OffsetMap)> {
    let Ok(Value::Array(items)) = read_value(key) else { return None };
    match &*items {
        [Value::Str(connector), partition] => Some((connector.to_string(), OffsetMap::from_value(partition)?)),
        _ => None,
    }
}

/// JSON with sorted keys.
fn canonical(partition: &OffsetMap) -> Result<Bytes> {
    let mut entries = partition.entries().to_vec();
    entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
    to_json(Value::Map(entries.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn map(entries: &[(&str, Value)]) -> OffsetMap {
        OffsetMap::new(entries.iter().map(|(k, v)| (*k, v.clone())))
    }

    #[test]
    fn records_are_those_of_the_jvm() {
        let table = OffsetTable::default();
        let file = map(&[("filename", Value::str("/tmp/ü.txt"))]);
        let (key, value) =
            table.encode("größe", &(file.clone(), Some(map(&[("position", Value::Int64(14))])))).expect("encodes");
        assert_eq!(key, json("[\"größe\",{\"filename\":\"/tmp/ü.txt\"}]"));
        assert_eq!(value, Some(json("{\"position\":14}")));
        assert_eq!(table.encode("größe", &(file, None)).expect("encodes").1, None);
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_the_stored_key_is_kept() {
        let mut table = OffsetTable::default();
        let stored = json("[\"c\",{\"b\":1,\"a\":null}]");
        table.apply(&stored, Some(&json("{\"o\":7}")));
        let sorted = map(&[("a", Value::Null), ("b", Value::Int32(1))]);
        assert_eq!(table.get("c", &sorted).and_then(|o| o.get("o").cloned()), Some(Value::Int64(7)));
        assert_eq!(table.encode("c", &(sorted.clone(), None)).expect("encodes").0, stored);
        assert_eq!(table.list("c").len(), 1);
        table.apply(&stored, None);
        assert_eq!((table.get("c", &sorted), table.list("c").len()), (None, 0));
    }

    #[test]
    fn foreign_records_are_ignored() {
        let mut table = OffsetTable::default();
        for key in ["", "{}", "[1,{}]", "[\"c\"]", "[\"c\",{},1]", "not json"] {
            table.apply(&json(key), Some(&json("{\"o\":1}")));
        }
        table.apply(&json("[\"c\",{\"p\":1}]"), Some(&json("17")));
        assert!(table.list("c").is_empty());
    }
}
