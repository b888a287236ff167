//! The order in which Java's `HashMap` walks through text keys: users see it wherever the JVM answers from one.

/// Sorts `entries` into the order of a `HashMap` that they were put into one by one.
pub fn sort<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    let mut table_size = 16;
    while entries.len() * 4 > table_size * 3 {
        table_size *= 2;
    }
    sort_in_table(entries, table_size, key);
}

/// Sorts `entries` into the order of `new HashMap<>(map)`, whose table is made for the size at once.
pub fn sort_copy<T>(entries: &mut [T], key: impl Fn(&T) -> &str) {
    sort_extended_copy(entries, entries.len(), key);
}

/// Sorts `entries` into the order of `new HashMap<>(map)` of `copied` entries to which the others were added later.
pub fn sort_extended_copy<T>(entries: &mut [T], copied: usize, key: impl Fn(&T) -> &str) {
    let mut table_size = (copied * 4 / 3 + 1).next_power_of_two();
    while entries.len() * 4 > table_size * 3 {
        table_size *= 2;
    }
    sort_in_table(entries, table_size, key);
}

fn sort_in_table<T>(entries: &mut [T], table_size: usize, key: impl Fn(&T) -> &str) {
    let mask = table_size as u32 - 1;
    entries.sort_by_cached_key(|entry| {
        let hash = key(entry).encode_utf16().fold(0_u32, |h, unit| h.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & mask
    });
}

#[cfg(test)]
mod tests {
    use super::sort;

    #[test]
    fn order_is_that_of_recorded_answers() {
        let rows: &[(&[&str], &[&str])] = &[
            (
                &["connector.class", "tasks.max", "file", "topic", "name"],
                &["connector.class", "file", "tasks.max", "name", "topic"],
            ),
            (
                &["connector.class", "tasks.max", "file", "topic", "batch.size", "flag", "f", "g", "name"],
                &["connector.class", "file", "flag", "tasks.max", "f", "batch.size", "g", "name", "topic"],
            ),
            (&["linger.ms", "zzz", "sasl.jaas.config"], &["sasl.jaas.config", "zzz", "linger.ms"]),
            (
                &[
                    "converter.type",
                    "schemas.enable",
                    "schemas.cache.size",
                    "decimal.format",
                    "replace.null.with.default",
                ],
                &[
                    "decimal.format",
                    "converter.type",
                    "schemas.cache.size",
                    "replace.null.with.default",
                    "schemas.enable",
                ],
            ),
        ];
        for (put, want) in rows {
            let mut keys = put.to_vec();
            sort(&mut keys, |key| key);
            assert_eq!(keys, *want);
        }
    }
}
