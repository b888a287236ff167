use std::fmt::Write;

/// What a name without a schema name is made of, with a number behind it.
pub(super) const DEFAULT_SCHEMA_NAME: &str = "ConnectDefault";
/// What entries of maps are called, as protoc does it.
pub(super) const ENTRY: &str = "Entry";

/// The message for the entries of a map called `name`.
pub(super) fn map_entry(name: &str) -> String {
    if !name.contains('_') {
        return format!("{name}{ENTRY}");
    }
    let capitalized = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters.map(|c| c.to_ascii_lowercase())).collect::<String>()
    });
    capitalized.chain([ENTRY.to_owned()]).collect()
}

/// The reverse of [`map_entry`], for the last part of a dotted name.
pub(super) fn map_field(name: &str) -> String {
    let (scope, last) = name.rsplit_once('.').map_or(("", name), |(scope, last)| (scope, last));
    let Some(bare) = last.strip_suffix(ENTRY) else { return name.to_owned() };
    let mut field = if scope.is_empty() { String::new() } else { format!("{scope}.") };
    for (at, letter) in bare.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            field.push('_');
        }
        field.push(letter.to_ascii_lowercase());
    }
    field
}

/// A valid identifier in place of `name`: percent-encoded as in a form, then every odd character an underscore.
pub(super) fn scrubbed(name: &str) -> String {
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let odd_start = name.bytes().next().is_some_and(|b| b.is_ascii_digit() || b == b'_');
    if valid && !odd_start {
        return name.to_owned();
    }
    let mut encoded = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => encoded.push(char::from(byte)),
            // Characters that the encoding keeps, or writes as a plus, are no identifier's either.
            b'.' | b'-' | b'*' | b' ' => encoded.push('_'),
            other => {
                let _ = write!(encoded, "_{other:02X}");
            }
        }
    }
    // Only a letter, a digit or an underscore is its own encoding, so the name's start is the encoding's.
    if odd_start { format!("x{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_name_their_entries() {
        let rows = [
            ("ConnectDefault2", "ConnectDefault2Entry", "connect_default2"),
            ("my_map", "MyMapEntry", "my_map"),
            ("tags", "tagsEntry", "tags"),
            ("My_MAP", "MyMapEntry", "my_map"),
        ];
        for (name, entry, field) in rows {
            assert_eq!(map_entry(name), entry);
            assert_eq!(map_field(entry), field);
        }
        assert_eq!(map_field("a.b.MyABEntry"), "a.b.my_a_b");
        assert_eq!(map_field("a.b.Other"), "a.b.Other");
    }

    #[test]
    fn invalid_names_are_scrubbed() {
        // Rows of Confluent's own test of this function.
        let rows = [
            ("abc_123", "abc_123"),
            ("abc-2.def", "abc_2_def"),
            ("abc$def", "abc_24def"),
            ("abc def", "abc_def"),
            ("1abc", "x1abc"),
            ("_abc", "x_abc"),
            ("-abc", "_abc"),
            ("é", "_C3_A9"),
            ("", ""),
        ];
        for (name, want) in rows {
            assert_eq!(scrubbed(name), want, "{name}");
        }
    }
}
