//! Classes and properties of characters in Java's regular expressions.

/// Ends of lines beside the two characters `\r\n`.
pub(super) const LINE_ENDS: &str = r"[\n\x0B\f\r\x{85}\x{2028}\x{2029}]";

/// Classes that Java takes as ASCII unless told otherwise.
pub(super) const CLASSES: [(char, &str); 10] = [
    ('d', "[0-9]"),
    ('D', "[^0-9]"),
    ('w', "[a-zA-Z0-9_]"),
    ('W', "[^a-zA-Z0-9_]"),
    ('s', r"[ \t\n\x0B\f\r]"),
    ('S', r"[^ \t\n\x0B\f\r]"),
    ('h', r"[ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"),
    ('H', r"[^ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"),
    ('v', LINE_ENDS),
    ('V', r"[^\n\x0B\f\r\x{85}\x{2028}\x{2029}]"),
];

/// POSIX classes of Java, ASCII only.
pub(super) const POSIX: [(&str, &str); 13] = [
    ("Lower", "lower"),
    ("Upper", "upper"),
    ("ASCII", "ascii"),
    ("Alpha", "alpha"),
    ("Digit", "digit"),
    ("Alnum", "alnum"),
    ("Punct", "punct"),
    ("Graph", "graph"),
    ("Print", "print"),
    ("Blank", "blank"),
    ("Cntrl", "cntrl"),
    ("XDigit", "xdigit"),
    ("Space", "space"),
];

/// Properties and scripts of Unicode: `IsAlphabetic`, `IsLatin`, `script=Latin`, `IsLu`.
pub(super) fn unicode_property(name: &str) -> Option<String> {
    const PROPERTIES: [&str; 5] = ["Alphabetic", "Lowercase", "Uppercase", "White_Space", "Ideographic"];
    let script = name.strip_prefix("script=").or_else(|| name.strip_prefix("sc="));
    let is = name.strip_prefix("Is");
    let plain = script.or(is).filter(|n| n.chars().all(|c| c.is_ascii_alphabetic() || c == '_'))?;
    let known = |kind: &str| regex::Regex::new(&format!("\\p{{{kind}={plain}}}")).is_ok();
    if is.is_some() && (PROPERTIES.iter().any(|p| p.eq_ignore_ascii_case(plain)) || known("gc")) {
        return Some(plain.to_owned());
    }
    known("sc").then(|| format!("sc={plain}"))
}
