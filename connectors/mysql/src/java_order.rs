//! The order in which Java's hash maps hand out tables, where Debezium writes in that order.

use couplet_cdc::TableId;

/// Smallest number of buckets of a `java.util.HashMap`.
const BUCKETS_MIN: usize = 16;

/// Sorts `tables` of one database as a map that was filled with them one by one, its keys hashed by `schema.table`.
pub(crate) fn sort(tables: &mut [&TableId]) {
    // A map grows when it is three quarters full.
    let mut buckets = BUCKETS_MIN;
    while tables.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    tables.sort_by_key(|table| bucket(&table.to_string(), buckets));
}

/// `HashMap.hash(text.hashCode())`, cut to the number of buckets.
fn bucket(text: &str, buckets: usize) -> usize {
    let hash = text.encode_utf16().fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
    (hash ^ (hash >> 16)) as usize & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_come_in_the_order_of_their_hashes() {
        // As recorded: my_snapshot_options_lock_none.
        let [t, u] = ["t", "u"].map(|name| TableId::new("g_my_snapshot_options_lock_none", name));
        let mut tables = [&t, &u];
        sort(&mut tables);
        assert_eq!(tables, [&u, &t]);
        // The upper half of a hash turns the lower bits: neighbours need not stay neighbours.
        let [a, b, c] = ["a", "b", "c"].map(|name| TableId::new("d", name));
        let mut tables = [&a, &b, &c];
        sort(&mut tables);
        assert_eq!(tables, [&a, &c, &b]);
    }

    #[test]
    fn more_tables_have_more_buckets() {
        let many: Vec<TableId> = (0..13).map(|n| TableId::new("d", format!("t{n}").as_str())).collect();
        let mut tables: Vec<&TableId> = many.iter().collect();
        sort(&mut tables);
        let places: Vec<usize> = tables.iter().map(|table| bucket(&table.to_string(), 32)).collect();
        assert!(places.is_sorted() && places.iter().any(|place| *place >= BUCKETS_MIN), "{places:?}");
    }
}
