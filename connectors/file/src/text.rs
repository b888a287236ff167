//! Values as text, the way Java's `String.valueOf` prints what converters make.

use std::io::Write;

use couplet_api::data::{FloatText, Struct, Value};

/// Appends `value`. Bytes are appended as they are: the original prints the address of the Java array.
pub fn append_text(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(b) => append_display(out, b),
        Value::Int8(n) => append_display(out, n),
        Value::Int16(n) => append_display(out, n),
        Value::Int32(n) => append_display(out, n),
        Value::Int64(n) => append_display(out, n),
        Value::Float32(n) => out.extend_from_slice(FloatText::new().float(*n).as_bytes()),
        Value::Float64(n) => out.extend_from_slice(FloatText::new().double(*n).as_bytes()),
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Decimal(decimal) => append_display(out, decimal),
        Value::Date(ms) => append_date(out, *ms),
        Value::Array(items) => append_items(out, b"[", b"]", b", ", items.iter(), append_text),
        Value::Map(entries) => append_items(out, b"{", b"}", b", ", entries.iter(), |out, (key, value)| {
            append_text(out, key);
            out.push(b'=');
            append_text(out, value);
        }),
        Value::Struct(row) => append_struct(out, row),
    }
}

fn append_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
}

fn append_items<T>(
    out: &mut Vec<u8>,
    open: &[u8],
    close: &[u8],
    between: &[u8],
    items: impl Iterator<Item = T>,
    append: impl Fn(&mut Vec<u8>, T),
) {
    out.extend_from_slice(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.extend_from_slice(between);
        }
        append(out, item);
    }
    out.extend_from_slice(close);
}

/// `Struct.toString`: fields that are not null.
fn append_struct(out: &mut Vec<u8>, row: &Struct) {
    let fields = row.schema().fields().iter().zip(row.values()).filter(|(_, value)| !value.is_null());
    append_items(out, b"Struct{", b"}", b",", fields, |out, (field, value)| {
        out.extend_from_slice(field.name().as_bytes());
        out.push(b'=');
        append_text(out, value);
    });
}

/// `java.util.Date.toString` in UTC: `Thu Jan 01 00:00:00 UTC 1970`.
fn append_date(out: &mut Vec<u8>, epoch_ms: i64) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = epoch_ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (weekday, month) = (DAYS[days.rem_euclid(7) as usize], MONTHS[month - 1]);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    append_display(out, format_args!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year:04}"));
}

/// Year, month (from 1) and day of the day `days` after 1970-01-01, proleptic Gregorian.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as usize, day_of_year - (153 * shifted_month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use couplet_api::data::{Schema, SchemaBuilder, Type};

    use super::*;

    #[test]
    fn values_print_as_in_java() {
        let schema = SchemaBuilder::new(Type::Struct)
            .field("a", Schema::int32())
            .field("b", Schema::optional_string())
            .field("c", Schema::string())
            .build();
        let row = Struct::new(schema, vec![Value::Int32(1), Value::Null, Value::str("x")]);
        let rows: Vec<(Value, &str)> = vec![
            (Value::Null, "null"),
            (Value::Bool(true), "true"),
            (Value::Int64(-5), "-5"),
            (Value::Float64(1e10), "1.0E10"),
            (Value::Float32(0.1), "0.1"),
            (Value::str("fünf"), "fünf"),
            (Value::Bytes(Bytes::from_static(b"raw")), "raw"),
            (Value::Date(0), "Thu Jan 01 00:00:00 UTC 1970"),
            (Value::Date(951_782_399_999), "Mon Feb 28 23:59:59 UTC 2000"),
            (Value::Date(951_782_400_000), "Tue Feb 29 00:00:00 UTC 2000"),
            (Value::Date(-1), "Wed Dec 31 23:59:59 UTC 1969"),
            (Value::Array(Arc::new([Value::Int8(1), Value::Null])), "[1, null]"),
            (
                Value::Map(Arc::new([(Value::str("k"), Value::Int8(1)), (Value::str("l"), Value::Int8(2))])),
                "{k=1, l=2}",
            ),
            (Value::from(row), "Struct{a=1,c=x}"),
        ];
        for (value, want) in rows {
            let mut out = Vec::new();
            append_text(&mut out, &value);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(want), "{value:?}");
        }
    }
}
