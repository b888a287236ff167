use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// A map that forgets the entry unused for longest when it is full.
#[derive(Debug)]
pub struct Bounded<K, V> {
    entries: HashMap<K, (V, u64)>,
    size_max: usize,
    uses: u64,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    /// Holds at most `size_max` entries, at least one.
    pub fn new(size_max: usize) -> Self {
        Bounded { entries: HashMap::new(), size_max: size_max.max(1), uses: 0 }
    }

    /// The value under `key`.
    pub fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.uses += 1;
        let (value, used) = self.entries.get_mut(key)?;
        *used = self.uses;
        Some(value)
    }

    /// Puts `value` under `key`.
    pub fn put(&mut self, key: K, value: V) {
        self.uses += 1;
        if self.entries.len() >= self.size_max && !self.entries.contains_key(&key) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.map(|key| self.entries.remove(&key));
        }
        self.entries.insert(key, (value, self.uses));
    }

    /// Takes the value under `key` out.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.remove(key).map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_unused_for_longest() {
        let mut map = Bounded::new(2);
        map.put("a", 1);
        map.put("b", 2);
        assert_eq!(map.get("a"), Some(&1));
        map.put("c", 3);
        assert_eq!(["a", "b", "c"].map(|key| map.get(key).copied()), [Some(1), None, Some(3)]);
        map.put("a", 4);
        assert_eq!(["a", "c"].map(|key| map.get(key).copied()), [Some(4), Some(3)]);
    }
}
