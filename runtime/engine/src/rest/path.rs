//! Request paths: what is well-formed, and how their segments read.

/// The segments of a raw request path, matrix parameters cut off, still percent-encoded.
///
/// # Errors
/// Why the path is refused, as Jetty refuses it: empty segments, broken escapes, control characters, text that is not
/// UTF-8, and dots that were escaped. An escaped slash, percent sign or backslash is a character of the segment: with Jetty
/// a connector of such a name could be created, but never read or deleted.
pub(super) fn segments(path: &str) -> Result<Vec<&str>, &'static str> {
    let trimmed = path.strip_prefix('/').unwrap_or(path);
    if trimmed.is_empty() {
        return Ok(Vec::new());
    }
    let trimmed = trimmed.strip_suffix('/').unwrap_or(trimmed);
    let mut segments = Vec::new();
    for segment in trimmed.split('/') {
        if segment.is_empty() {
            return Err("the path has an empty segment");
        }
        let name = segment.split(';').next().unwrap_or(segment);
        check(name)?;
        segments.push(name);
    }
    Ok(segments)
}

fn check(segment: &str) -> Result<(), &'static str> {
    if !segment.contains('%') {
        return Ok(());
    }
    let bytes =
        percent_decoded(segment).ok_or("the path has a percent sign that two hexadecimal digits do not follow")?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "the path is not UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("the path has a control character");
    }
    if matches!(text, "." | "..") {
        return Err("the path has an escaped dot segment");
    }
    Ok(())
}

fn percent_decoded(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let hex =
                std::str::from_utf8(tail.get(..2)?).ok().filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    Some(bytes)
}

/// The text of a segment that [`segments`] accepted.
pub(super) fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// The values of the query parameter `name`, decoded; one without `=` is empty.
pub(super) fn query_values(query: Option<&str>, name: &str) -> Vec<String> {
    let decode = |text: &str| decoded(&text.replace('+', " "));
    query
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name && !pair.is_empty()).then(|| decode(value))
        })
        .collect()
}

/// A boolean query parameter, read as `Boolean.valueOf` does: anything but `true` is false.
pub(super) fn query_flag(query: Option<&str>, name: &str, default: bool) -> bool {
    query_values(query, name).first().map_or(default, |value| value.eq_ignore_ascii_case("true"))
}

/// `name` as part of a path in the header `Location`: as `UriBuilder.path`, which leaves `/` and escapes that are there.
pub(super) fn encoded_for_location(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut encoded = String::with_capacity(name.len());
    for (at, byte) in bytes.iter().enumerate() {
        let keep = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(byte);
        let escape =
            *byte == b'%' && bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        if keep || escape {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_cut_and_checked() {
        let rows: &[(&str, Result<&[&str], ()>)] = &[
            ("/", Ok(&[])),
            ("/connectors", Ok(&["connectors"])),
            ("/connectors/", Ok(&["connectors"])),
            ("/connectors/a;v=1/status;x", Ok(&["connectors", "a", "status"])),
            ("/connectors/a%2Fb%25%5C", Ok(&["connectors", "a%2Fb%25%5C"])),
            ("/connectors/a+b", Ok(&["connectors", "a+b"])),
            ("/connectors/../x", Ok(&["connectors", "..", "x"])),
            ("//", Err(())),
            ("/connectors//status", Err(())),
            ("/connectors/%ZZ", Err(())),
            ("/connectors/%F", Err(())),
            ("/connectors/%FF%FE", Err(())),
            ("/connectors/a%0Ab", Err(())),
            ("/connectors/a%00b", Err(())),
            ("/connectors/%2E%2E/status", Err(())),
        ];
        for (path, want) in rows {
            assert_eq!(segments(path).map_err(|_| ()), want.map(<[&str]>::to_vec), "{path}");
        }
        assert_eq!(decoded("gr%C3%B6%C3%9Fe%2B+"), "größe++");
    }

    #[test]
    fn query_parameters_are_read_as_jersey_does() {
        let query = Some("expand=info&Expand=x&expand=a%2Bb+c&expand&forward=TRUE");
        assert_eq!(query_values(query, "expand"), ["info", "a+b c", ""]);
        assert!(query_flag(query, "forward", false) && query_flag(query, "absent", true));
        assert!(!query_flag(Some("includeTasks=yes"), "includeTasks", false));
        assert!(query_values(None, "expand").is_empty());
    }

    #[test]
    fn locations_escape_what_a_path_may_not_hold() {
        let rows = [
            ("src1", "src1"),
            ("my conn", "my%20conn"),
            ("100%", "100%25"),
            ("c#", "c%23"),
            ("a\"b'", "a%22b'"),
            ("a:b@c", "a:b@c"),
            ("a=b&c", "a=b&c"),
            ("a/b", "a/b"),
            ("a\\b", "a%5Cb"),
            ("who?", "who%3F"),
            ("x😀", "x%F0%9F%98%80"),
            ("a%20b", "a%20b"),
        ];
        for (name, want) in rows {
            assert_eq!(encoded_for_location(name), want);
        }
    }
}
