use std::fmt::Write;

use couplet_api::data::{FloatText, Value};

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `String.valueOf(value)`. Bytes print as the buffer they are in the JVM; the hash of a bare array cannot be repeated.
pub(crate) fn to_string(value: &Value) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = append(&mut text, value);
    text
}

fn append(out: &mut String, value: &Value) -> std::fmt::Result {
    match value {
        Value::Null => out.write_str("null"),
        Value::Bool(b) => write!(out, "{b}"),
        Value::Int8(n) => write!(out, "{n}"),
        Value::Int16(n) => write!(out, "{n}"),
        Value::Int32(n) => write!(out, "{n}"),
        Value::Int64(n) => write!(out, "{n}"),
        Value::Float32(f) => out.write_str(FloatText::new().float(*f)),
        Value::Float64(f) => out.write_str(FloatText::new().double(*f)),
        Value::Str(text) => out.write_str(text),
        Value::Bytes(b) => write!(out, "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", b.len()),
        Value::Decimal(decimal) => write!(out, "{decimal}"),
        Value::Date(ms) => append_date(out, *ms),
        Value::Array(items) => append_all(out, ('[', ']'), items.iter(), append),
        Value::Map(entries) => append_all(out, ('{', '}'), entries.iter(), |out, (k, v)| {
            append(out, k)?;
            out.write_char('=')?;
            append(out, v)
        }),
        Value::Struct(row) => {
            let fields = row.schema().fields().iter().zip(row.values()).filter(|(_, v)| !v.is_null());
            out.write_str("Struct{")?;
            for (at, (field, value)) in fields.enumerate() {
                write!(out, "{}{}=", if at > 0 { "," } else { "" }, field.name())?;
                append(out, value)?;
            }
            out.write_char('}')
        }
    }
}

fn append_all<T>(
    out: &mut String,
    (open, close): (char, char),
    items: impl Iterator<Item = T>,
    each: impl Fn(&mut String, T) -> std::fmt::Result,
) -> std::fmt::Result {
    out.write_char(open)?;
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.write_str(", ")?;
        }
        each(out, item)?;
    }
    out.write_char(close)
}

/// `java.util.Date.toString` with the time zone UTC: `Tue Nov 14 22:13:20 UTC 2023`.
fn append_date(out: &mut String, ms: i64) -> std::fmt::Result {
    let days = ms.div_euclid(86_400_000);
    let seconds = ms.rem_euclid(86_400_000) / 1000;
    let (year, month, day) = super::civil::from_days(days);
    // Without the era.
    let year = if year > 0 { year } else { 1 - year };
    write!(
        out,
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        WEEKDAYS[days.rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
    )
}
