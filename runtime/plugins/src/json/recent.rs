/// The most recently used of a limited number of things, newest first; found by scanning, which for the few schemas of a
/// topic costs less than hashing.
#[derive(Debug)]
pub struct Recent<K, V> {
    entries: Vec<(K, V)>,
    size_max: usize,
}

impl<K, V: Clone> Recent<K, V> {
    /// Holds at most `size_max` things.
    pub const fn new(size_max: usize) -> Self {
        Recent { entries: Vec::new(), size_max }
    }

    /// The thing whose key passes `is_it`.
    pub fn get(&mut self, is_it: impl Fn(&K) -> bool) -> Option<V> {
        let at = self.entries.iter().position(|(key, _)| is_it(key))?;
        self.entries[..=at].rotate_right(1);
        Some(self.entries[0].1.clone())
    }

    /// Adds a thing and forgets the one unused for longest if there are too many.
    pub fn put(&mut self, key: K, value: V) {
        if self.size_max == 0 {
            return;
        }
        self.entries.truncate(self.size_max - 1);
        self.entries.insert(0, (key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_unused_for_longest() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get(|k| *k == "a"), Some(1));
        recent.put("c", 3);
        assert_eq!((recent.get(|k| *k == "a"), recent.get(|k| *k == "b")), (Some(1), None));
        let mut none = Recent::new(0);
        none.put("a", 1);
        assert_eq!(none.get(|k| *k == "a"), None);
    }
}
