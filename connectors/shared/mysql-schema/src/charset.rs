//! Character sets and their collations.

/// Character sets of both servers. A collation's name begins with that of its character set.
const CHARSETS: &[&str] = &[
    "armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932",
    "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r",
    "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis",
    "utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4",
];

/// The character set of a collation, from its name. `None` for one that belongs to any character set, as MariaDB's
/// `uca1400_ai_ci`, and for one that is not known.
pub fn charset_of(collation: &str) -> Option<&'static str> {
    let prefix = collation.split('_').next()?;
    CHARSETS.iter().copied().find(|charset| charset.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::charset_of;

    #[test]
    fn a_collation_names_its_charset() {
        let rows = [
            ("utf8mb4_0900_ai_ci", Some("utf8mb4")),
            ("Latin1_Swedish_CI", Some("latin1")),
            ("utf8mb3_general_ci", Some("utf8mb3")),
            ("binary", Some("binary")),
            ("uca1400_ai_ci", None),
            ("", None),
        ];
        for (collation, want) in rows {
            assert_eq!(charset_of(collation), want, "{collation}");
        }
    }
}
