/// How names are made fit for Avro (`schema.name.adjustment.mode`, `field.name.adjustment.mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameAdjuster {
    /// Not at all.
    None,
    /// Underscores replace what Avro does not allow.
    Avro,
    /// Escapes such as `_u002d` replace it, and the underscore too.
    AvroUnicode,
}

const MODES: [(&str, NameAdjuster); 3] =
    [("none", NameAdjuster::None), ("avro", NameAdjuster::Avro), ("avro_unicode", NameAdjuster::AvroUnicode)];

impl NameAdjuster {
    /// The mode called `name`, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        MODES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, mode)| *mode)
    }

    /// The adjusted name of a schema: dots may stay.
    pub(super) fn schema_name(self, name: &str) -> String {
        self.adjust(name, true)
    }

    /// The adjusted name of a field.
    pub(super) fn field_name(self, name: &str) -> String {
        self.adjust(name, false)
    }

    fn adjust(self, name: &str, dots: bool) -> String {
        if self == NameAdjuster::None {
            return name.to_owned();
        }
        let mut adjusted = String::with_capacity(name.len());
        // Java's characters are UTF-16 units.
        for (at, unit) in name.encode_utf16().enumerate() {
            let c = char::from_u32(u32::from(unit)).filter(char::is_ascii);
            let letter = c.is_some_and(|c| c.is_ascii_alphabetic() || c == '_' && self == NameAdjuster::Avro);
            let digit = c.is_some_and(|c| c.is_ascii_digit());
            match c {
                Some(c) if letter || at > 0 && (digit || c == '.' && dots) => adjusted.push(c),
                // A leading digit is kept behind its replacement, so that names that differ in it only stay different.
                Some(c) if digit && self == NameAdjuster::Avro => adjusted.extend(['_', c]),
                _ if self == NameAdjuster::Avro => adjusted.push('_'),
                _ => adjusted.push_str(&escape(unit)),
            }
        }
        adjusted
    }
}

/// `_u` and the hexadecimal digits, of which Java fills up one or two to four.
fn escape(unit: u16) -> String {
    let hex = format!("{unit:x}");
    if hex.len() <= 2 { format!("_u00{hex}") } else { format!("_u{hex}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_adjusted() {
        let rows = [
            ("none", "a-b.1c", "a-b.1c", "a-b.1c"),
            ("avro", "a-b.c_1", "a_b.c_1", "a_b_c_1"),
            ("AVRO", "1a\u{e9}", "_1a_", "_1a_"),
            ("avro_unicode", "a-b_c.d", "a_u002db_u005fc.d", "a_u002db_u005fc_u002ed"),
            ("avro_unicode", "1x", "_u0031x", "_u0031x"),
        ];
        for (mode, name, schema, field) in rows {
            let adjuster = NameAdjuster::named(mode).expect(mode);
            assert_eq!((adjuster.schema_name(name), adjuster.field_name(name)), (schema.to_owned(), field.to_owned()));
        }
        assert_eq!(NameAdjuster::named("ascii"), None);
    }
}
