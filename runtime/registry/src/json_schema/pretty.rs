use bytes::{BufMut, BytesMut};

/// Appends `json`, which has no white space between its tokens, as Jackson indents it: members on lines of their own, items
/// side by side.
pub(super) fn indent(json: &[u8], out: &mut BytesMut) {
    // Whether each open bracket is an object's.
    let mut open: Vec<bool> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'"' => {
                let length = text_length(&json[at..]);
                out.put_slice(&json[at - 1..at + length]);
                at += length;
            }
            b'{' | b'[' => {
                out.put_u8(*byte);
                open.push(*byte == b'{');
                let empty = matches!(json.get(at), Some(b'}' | b']'));
                separate(*byte == b'{' && !empty, &open, out);
            }
            b'}' | b']' => {
                open.pop();
                if !matches!(json[at - 2], b'{' | b'[') {
                    separate(*byte == b'}', &open, out);
                }
                out.put_u8(*byte);
            }
            b':' => out.put_slice(b" : "),
            b',' => {
                out.put_u8(b',');
                separate(open.last() == Some(&true), &open, out);
            }
            other => out.put_u8(*other),
        }
    }
}

/// A new line, indented by the objects that are open, or a space.
fn separate(new_line: bool, open: &[bool], out: &mut BytesMut) {
    if new_line {
        out.put_u8(b'\n');
        out.put_bytes(b' ', 2 * open.iter().filter(|is_object| **is_object).count());
    } else {
        out.put_u8(b' ');
    }
}

/// Length of the rest of a text, with its closing quote.
fn text_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let closes = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        closes
    });
    end.map_or(rest.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indents_as_jackson() {
        let rows = [
            (r#"{}"#, "{ }"),
            (r#"[]"#, "[ ]"),
            (r#"{"a":1,"b":[1,2]}"#, "{\n  \"a\" : 1,\n  \"b\" : [ 1, 2 ]\n}"),
            (r#"[{"a,\":{":null}]"#, "[ {\n  \"a,\\\":{\" : null\n} ]"),
            (r#"{"o":{"e":{},"x":[[]]}}"#, "{\n  \"o\" : {\n    \"e\" : { },\n    \"x\" : [ [ ] ]\n  }\n}"),
        ];
        for (json, want) in rows {
            let mut out = BytesMut::new();
            indent(json.as_bytes(), &mut out);
            assert_eq!(out, want, "{json}");
        }
    }
}
