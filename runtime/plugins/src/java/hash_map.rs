use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::data::Value;

/// Entries of a map on their way into the order in which Java's `HashMap` walks through them: by bucket of a table that
/// doubles when it is three quarters full, by age within a bucket.
///
/// Schemaless values are such maps in the JVM, so the order reaches the bytes that converters and sinks write. Buckets
/// of eight and more entries, which Java turns into trees, are left in order of age.
#[derive(Debug)]
pub struct HashMapOrder {
    entries: Vec<(Value, Value)>,
    hashes: Vec<u32>,
    capacity: usize,
    /// Places of the entries by hash, once there are more than [`SCANNED_MAX`].
    places: HashMap<u32, Vec<usize>>,
}

/// Up to this size entries are found by scanning their hashes.
const SCANNED_MAX: usize = 64;

impl Default for HashMapOrder {
    fn default() -> Self {
        Self::new()
    }
}

impl HashMapOrder {
    /// `new HashMap<>()`.
    pub fn new() -> Self {
        HashMapOrder { entries: Vec::new(), hashes: Vec::new(), capacity: 16, places: HashMap::new() }
    }

    /// `new HashMap<>(map)`: the table is made for the size at once.
    pub fn copy_of(entries: &[(Value, Value)]) -> Self {
        let mut copy = Self::with_capacity((entries.len() as f32 / 0.75 + 1.0) as usize);
        for (key, value) in entries {
            copy.put(key.clone(), value.clone());
        }
        copy
    }

    /// `new HashMap<>(size)`.
    pub fn with_capacity(size: usize) -> Self {
        HashMapOrder { capacity: size.next_power_of_two(), ..Self::new() }
    }

    /// `put`: a key that is there keeps its place.
    pub fn put(&mut self, key: impl Into<Value>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        let hash = spread(hash(&key));
        if let Some(at) = self.find(hash, &key) {
            self.entries[at].1 = value;
            return;
        }
        if !self.places.is_empty() {
            self.places.entry(hash).or_default().push(self.entries.len());
        }
        if self.entries.is_empty() {
            self.entries.reserve(self.capacity.min(SCANNED_MAX));
            self.hashes.reserve(self.capacity.min(SCANNED_MAX));
        }
        self.entries.push((key, value));
        self.hashes.push(hash);
        if self.entries.len() * 4 > self.capacity * 3 {
            self.capacity *= 2;
        }
        if self.places.is_empty() && self.entries.len() > SCANNED_MAX {
            for (at, hash) in self.hashes.iter().enumerate() {
                self.places.entry(*hash).or_default().push(at);
            }
        }
    }

    fn find(&self, hash: u32, key: &Value) -> Option<usize> {
        let same = |at: &usize| self.entries[*at].0 == *key;
        if self.places.is_empty() {
            let hashes = self.hashes.iter().enumerate().filter(|(_, h)| **h == hash);
            return hashes.map(|(at, _)| at).find(same);
        }
        self.places.get(&hash)?.iter().copied().find(same)
    }

    /// `remove`: the table keeps its size.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let key = Value::str(key);
        let at = self.find(spread(hash(&key)), &key)?;
        self.hashes.remove(at);
        self.places.clear();
        Some(self.entries.remove(at).1)
    }

    /// The entries by age.
    pub fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    /// Places of the entries, as Java walks through them.
    pub fn order(&self) -> Vec<usize> {
        let mask = self.capacity as u32 - 1;
        let mut order: Vec<(u32, usize)> = self.hashes.iter().map(|hash| hash & mask).zip(0..).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, at)| at).collect()
    }

    /// The map.
    pub fn into_value(mut self) -> Value {
        let order = self.order();
        if order.is_sorted() {
            return Value::Map(Arc::from(self.entries));
        }
        Value::Map(order.iter().map(|at| std::mem::take(&mut self.entries[*at])).collect())
    }
}

/// The last of equal keys wins.
impl FromIterator<(Value, Value)> for HashMapOrder {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(entries: I) -> Self {
        let mut map = HashMapOrder::new();
        for (key, value) in entries {
            map.put(key, value);
        }
        map
    }
}

const fn spread(hash: i32) -> u32 {
    let hash = hash as u32;
    hash ^ (hash >> 16)
}

/// `hashCode` of a key.
fn hash(value: &Value) -> i32 {
    match value {
        Value::Null => 0,
        Value::Bool(b) => 1237 - 6 * i32::from(*b),
        Value::Int8(n) => i32::from(*n),
        Value::Int16(n) => i32::from(*n),
        Value::Int32(n) => *n,
        Value::Int64(n) | Value::Date(n) => (*n ^ (*n as u64 >> 32) as i64) as i32,
        Value::Float32(f) => f.to_bits() as i32,
        Value::Float64(f) => (f.to_bits() ^ (f.to_bits() >> 32)) as i32,
        Value::Str(text) => {
            let add = |h: i32, unit: i32| h.wrapping_mul(31).wrapping_add(unit);
            match text.as_bytes() {
                ascii if ascii.is_ascii() => ascii.iter().fold(0, |h, b| add(h, i32::from(*b))),
                _ => text.encode_utf16().fold(0, |h, unit| add(h, i32::from(unit))),
            }
        }
        Value::Array(items) => items.iter().fold(1, |h: i32, v| h.wrapping_mul(31).wrapping_add(hash(v))),
        Value::Map(entries) => entries.iter().fold(0, |h: i32, (k, v)| h.wrapping_add(hash(k) ^ hash(v))),
        Value::Decimal(decimal) => {
            let digits = decimal.unscaled().magnitude().to_u32_digits();
            let hash = digits.iter().rev().fold(0, |h: i32, d| h.wrapping_mul(31).wrapping_add(*d as i32));
            let negative = decimal.unscaled().sign() == num_bigint::Sign::Minus;
            let signed = if negative { hash.wrapping_neg() } else { hash };
            signed.wrapping_mul(31).wrapping_add(decimal.scale())
        }
        // Bytes hash by identity; structs are no keys.
        Value::Bytes(_) | Value::Struct(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(value: &Value) -> Vec<String> {
        value.as_map().expect("map").iter().map(|(k, _)| k.as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn order_is_that_of_a_java_hash_map() {
        let rows: [(&[&str], &[&str]); 3] = [
            // Buckets 1 and 2 of 16, whatever came first.
            (&["b", "a"], &["a", "b"]),
            // Recorded: `{"b":1,"a":[1.5],"n":null}` comes back like this.
            (&["b", "a", "n"], &["a", "b", "n"]),
            // Both hash to 2112: by age.
            (&["BB", "Aa"], &["BB", "Aa"]),
        ];
        for (puts, want) in rows {
            let map: HashMapOrder = puts.iter().map(|k| (Value::str(*k), Value::Null)).collect();
            assert_eq!(keys(&map.into_value()), want);
        }
    }

    #[test]
    fn puts_replace_in_place_and_the_table_grows_at_three_quarters() {
        let mut map = HashMapOrder::new();
        for n in 0..13_i64 {
            map.put(n * 16, n);
        }
        // With 16 buckets all would share one; with 32 the odd multiples of 16 come last.
        map.put(0_i64, 99_i64);
        let value = map.into_value();
        let order: Vec<i64> = value.as_map().expect("map").iter().filter_map(|(k, _)| k.as_i64()).collect();
        assert_eq!(order, [0, 32, 64, 96, 128, 160, 192, 16, 48, 80, 112, 144, 176]);
        assert_eq!(value.as_map().expect("map")[0].1, Value::Int64(99));
        let capacities = [0, 11, 12].map(|n| HashMapOrder::copy_of(&vec![(Value::Null, Value::Null); n]).capacity);
        assert_eq!(capacities, [1, 16, 32]);
    }

    #[test]
    fn large_maps_find_equal_keys() {
        let mut map = HashMapOrder::new();
        for n in (0..500_i64).chain(0..500) {
            map.put(format!("key-{n}"), n);
        }
        assert_eq!(map.remove("key-400"), Some(Value::Int64(400)));
        map.put("key-401", 1_i64);
        let value = map.into_value();
        assert_eq!((value.as_map().map(<[_]>::len), value.get("key-401")), (Some(499), Some(&Value::Int64(1))));
    }
}
