//! Java's `.properties` files, as `java.util.Properties.load` reads them.

use std::path::Path;

use couplet_api::config::Props;
use couplet_api::{Error, Result};

/// Reads the file at `path`.
///
/// # Errors
/// `Kind::Config` that names the file, and the line when one is malformed.
pub fn load(path: &Path) -> Result<Props> {
    let refuse = |why: String| Error::config(format!("{}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| refuse(format!("cannot read the file: {error}")))?;
    // Java reads ISO 8859-1; people write UTF-8. What is valid UTF-8 is taken as such.
    let text = String::from_utf8(bytes).unwrap_or_else(|e| e.into_bytes().into_iter().map(char::from).collect());
    parse(&text).map_err(refuse)
}

/// Reads `text`: one `key=value`, `key:value` or `key value` a line, `#` and `!` begin comments, a backslash at the end
/// joins lines. Keys keep their order, the last value of a key counts.
///
/// # Errors
/// The number of the line and what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Props, String> {
    let mut props = Props::new();
    for (number, line) in logical_lines(text) {
        let (key, value) = split(&line);
        let unescaped = |part| unescape(part).map_err(|why| format!("line {number}: {why}"));
        props.set(unescaped(key)?, unescaped(value)?);
    }
    Ok(props)
}

const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

/// Lines that are neither empty nor comments, continued ones joined, with the number of their first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continued = false;
    for (index, line) in text.replace("\r\n", "\n").split(['\n', '\r']).enumerate() {
        let line = line.trim_start_matches(is_blank);
        if !continued && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
        let goes_on = backslashes % 2 == 1;
        let body = if goes_on { &line[..line.len() - 1] } else { line };
        match lines.last_mut() {
            Some((_, before)) if continued => before.push_str(body),
            _ => lines.push((index + 1, body.to_owned())),
        }
        continued = goes_on;
    }
    lines
}

/// Key and value, still escaped. The key ends at the first `=`, `:` or blank that is not escaped; blanks around one
/// `=` or `:` belong to neither.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let ends = |c: char| {
        let end = !escaped && (is_blank(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        end
    };
    let (key, rest) = line.split_at(line.find(ends).unwrap_or(line.len()));
    let rest = rest.trim_start_matches(is_blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start_matches(is_blank))
}

/// Escapes are UTF-16 units: two of them may make one character.
fn unescape(text: &str) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let plain = match c {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    let code = u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                    units.push(code.ok_or_else(|| format!("malformed escape \\u{digits}: it needs four hex digits"))?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(other) => other,
                None => break,
            },
            c => c,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).map_err(|_| "a \\u escape is half a character".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row was checked against `java.util.Properties`' documentation of its format.
    #[test]
    fn lines_are_read_as_java_reads_them() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("a=b", &[("a", "b")]),
            ("a = b ", &[("a", "b ")]),
            ("a: b", &[("a", "b")]),
            ("a b c", &[("a", "b c")]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("a==b", &[("a", "=b")]),
            ("a : = b", &[("a", "= b")]),
            ("  # no\n! no\n\n a=1", &[("a", "1")]),
            ("a=1\na=2\nb=3", &[("a", "2"), ("b", "3")]),
            ("a=one,\\\n   two,\\\r\n\tthree\nb=1", &[("a", "one,two,three"), ("b", "1")]),
            ("a=b\\\\\nc=d", &[("a", "b\\"), ("c", "d")]),
            ("a\\=b\\:c\\ d=e", &[("a=b:c d", "e")]),
            ("a=\\t\\n\\r\\f\\q\\\\", &[("a", "\t\n\r\x0cq\\")]),
            ("a=\\u00fc\\uD83D\\uDE00x", &[("a", "ü😀x")]),
            ("a=ü", &[("a", "ü")]),
            ("a=1\\", &[("a", "1")]),
            ("path=C:\\\\dir #not a comment", &[("path", "C:\\dir #not a comment")]),
            ("a=1\rb=2", &[("a", "1"), ("b", "2")]),
        ];
        for (text, want) in rows {
            assert_eq!(parse(text), Ok(want.iter().copied().collect::<Props>()), "{text:?}");
        }
    }

    #[test]
    fn malformed_lines_are_named() {
        let rows =
            [("a=1\nb=\\u12", "line 2: malformed escape \\u12"), ("\n\na=\\uD83D", "line 3: a \\u escape is half")];
        for (text, want) in rows {
            let problem = parse(text).expect_err("malformed");
            assert!(problem.starts_with(want), "{problem}");
        }
    }

    /// As `java.util.Properties.store` writes a key or a value.
    fn escaped(text: &str) -> String {
        let escape = |unit: u16| match char::from_u32(unit.into()) {
            Some(c @ (' ' | ':' | '=' | '#' | '!' | '\\')) => format!("\\{c}"),
            Some('\n') => "\\n".to_owned(),
            Some('\r') => "\\r".to_owned(),
            Some(c @ '!'..='~') => c.to_string(),
            _ => format!("\\u{unit:04X}"),
        };
        text.encode_utf16().map(escape).collect()
    }

    proptest::proptest! {
        #[test]
        fn what_java_stores_is_read_back(rows in proptest::collection::btree_map(".+", ".*", 0..8)) {
            let text: String = rows.iter().map(|(k, v)| format!("{}={}\n", escaped(k), escaped(v))).collect();
            let want: Props = rows.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            proptest::prop_assert_eq!(parse(&text), Ok(want));
        }
    }

    #[test]
    fn malformed_files_are_refused_and_nothing_worse() {
        let run = |bytes: &[u8]| drop(parse(&String::from_utf8_lossy(bytes)));
        let seeds: [&[u8]; 3] = [b"a=one,\\\n   two\r\nb\\=c : d", b"a=\\u00fc\\uD83D\\uDE00x\n", b"# no\n! no\na"];
        let target = couplet_testkit::malformed::Target { name: "properties", run };
        couplet_testkit::malformed::check(target, &seeds, &[], 2000);
    }
}
