//! The order in which Java walks through a set of names, where it reaches the wire.

/// Sorts distinct `names` into the order of `new HashSet<>(names)`.
pub fn hash_set_order(names: &mut [&str]) {
    // `HashSet(Collection)` makes a table for a load of three quarters, of 16 buckets at least.
    let buckets = (names.len() * 4 / 3 + 1).max(16).next_power_of_two();
    let mask = buckets as u32 - 1;
    names.sort_by_cached_key(|name| {
        let hash = name.encode_utf16().fold(0_u32, |h, unit| h.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & mask
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_by_bucket_and_then_by_age() {
        let rows: [(&[&str], &[&str]); 3] = [
            (&["c2", "c1"], &["c1", "c2"]),
            // Both hash to 2112.
            (&["BB", "Aa"], &["BB", "Aa"]),
            // Buckets of 16 are the last digit of the hash: 'a' is 97, 'p' is 112.
            (&["a", "p"], &["p", "a"]),
        ];
        for (given, want) in rows {
            let mut names = given.to_vec();
            hash_set_order(&mut names);
            assert_eq!(names, want);
        }
    }
}
