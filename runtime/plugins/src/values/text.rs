use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::data::Value;

use crate::java::{DateFormat, to_string};

const DAY_MS: i64 = 86_400_000;

/// `Values.convertToString` of a value that is not null.
pub(crate) fn to_text(value: &Value) -> String {
    let mut out = String::new();
    append(&mut out, value, false);
    out
}

/// `embedded`: inside an array or map, where text is quoted.
fn append(out: &mut String, value: &Value, embedded: bool) {
    match value {
        Value::Str(text) if embedded => append_quoted(out, &text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::Str(text) => out.push_str(text),
        Value::Bytes(bytes) if embedded => append_quoted(out, &STANDARD.encode(bytes)),
        Value::Bytes(bytes) => out.push_str(&STANDARD.encode(bytes)),
        Value::Array(items) => append_all(out, ('[', ']'), items.iter(), |out, item| append(out, item, true)),
        Value::Map(entries) => append_all(out, ('{', '}'), entries.iter(), |out, (key, value)| {
            append(out, key, true);
            out.push(':');
            append(out, value, true);
        }),
        Value::Struct(row) => {
            let fields = row.schema().fields().iter().zip(row.values());
            append_all(out, ('{', '}'), fields, |out, (field, value)| {
                append(out, &Value::str(field.name()), true);
                out.push(':');
                let default = field.schema().default().filter(|_| value.is_null());
                append(out, default.unwrap_or(value), true);
            });
        }
        Value::Date(ms) => out.push_str(&date_format(*ms).format(*ms)),
        other => out.push_str(&to_string(other)),
    }
}

fn append_quoted(out: &mut String, text: &str) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}

fn append_all<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl Iterator<Item = T>,
    each: impl Fn(&mut String, T),
) {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(close);
}

/// How a date is written: as a time on the first day (and before), as a day at midnight, else in full.
pub(crate) fn date_format(ms: i64) -> &'static DateFormat {
    match ms {
        ..DAY_MS => DateFormat::iso_time(),
        _ if ms % DAY_MS == 0 => DateFormat::iso_date(),
        _ => DateFormat::iso_timestamp(),
    }
}
