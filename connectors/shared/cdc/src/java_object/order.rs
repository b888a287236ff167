//! The order of Java's hash tables, which lists of tables in Debezium's records have.

/// The order in which a Java `HashSet` made from `names` gives them; Debezium's lists of tables have it.
pub fn java_set_order(names: Vec<String>) -> Vec<String> {
    let capacity = (names.len() * 4 / 3 + 1).max(16).next_power_of_two();
    bucket_order(names, capacity)
}

/// The order of the keys of a Java `ConcurrentHashMap` that grew to hold `names`.
pub fn java_map_order(names: Vec<String>) -> Vec<String> {
    let mut capacity = 16;
    while names.len() * 4 >= capacity * 3 {
        capacity *= 2;
    }
    bucket_order(names, capacity)
}

fn bucket_order(mut names: Vec<String>, capacity: usize) -> Vec<String> {
    names.sort_by_key(|name| {
        let hash = name.encode_utf16().fold(0_u32, |h, unit| h.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) as usize & (capacity - 1)
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_maps_have_javas_order() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        // Both orders from OpenJDK 17.
        let given = "public.t public.u public.customers public.orders inventory.products public.a public.b s2.x";
        let want = "public.t public.customers public.orders public.a public.b public.u s2.x inventory.products";
        assert_eq!(java_set_order(names(given)).join(" "), want);
        let given = format!("{given} public.c public.d public.e public.f public.g");
        let want = "public.c public.customers public.orders public.d public.a public.b public.u inventory.products \
                    public.t public.g public.e public.f s2.x";
        assert_eq!(java_map_order(names(&given)).join(" "), want);
    }
}
