//! Patterns, zones and timestamps from settings and records never make the decoders panic or hang.

use couplet_storage::joda::{JodaPattern, Zone, parse_millis};
use couplet_testkit::malformed::{Accounting, Target, check};

#[global_allocator]
static ACCOUNTING: Accounting = Accounting;

fn zones() -> [Zone; 3] {
    ["UTC", "America/New_York", "+05:30"].map(|id| Zone::for_id(id).expect(id))
}

/// Lines: pattern, locale.
fn pattern(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (pattern, locale) = text.split_once('\n').unwrap_or((&text, "en-US"));
    let Ok(pattern) = JodaPattern::parse(pattern, locale) else { return };
    for zone in zones() {
        for instant in [0, -1, 1_700_000_000_000, i64::MIN, i64::MAX] {
            let _ = pattern.format(instant, &zone, &mut String::new());
        }
    }
}

fn timestamp(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for zone in zones() {
        let _ = parse_millis(&text, &zone);
    }
}

/// Eight bytes of time, eight of length, then a zone.
fn bucket(input: &[u8]) {
    let Some((time, rest)) = input.split_first_chunk() else { return };
    let Some((length, id)) = rest.split_first_chunk() else { return };
    let Ok(zone) = Zone::for_id(&String::from_utf8_lossy(id)) else { return };
    let (time, length) = (i64::from_be_bytes(*time), i64::from_be_bytes(*length).max(1));
    let _ = zone.bucket_start(time, length);
    let _ = zone.next_period_of_day(time, length);
}

#[test]
fn malformed_input_is_an_error_and_nothing_worse() {
    type Row<'a> = (&'a str, fn(&[u8]), &'a [&'a [u8]]);
    let rows: [Row<'_>; 3] = [
        (
            "joda-pattern",
            pattern,
            &[b"'year'=YYYY/'month'=MM/dd/HH:mm:ss.SSS ZZ zzzz G e EEE\nde-DE", b"xxxx-ww k K h a\nen"],
        ),
        ("joda-timestamp", timestamp, &[b"2024-02-29T23:59:59.999999+14:00", b"2024-W09-4", b"-12345-060T24"]),
        (
            "joda-bucket",
            bucket,
            &[
                b"\0\0\x01\x8b\xcf\xe5\x68\x00\0\0\0\0\0\x36\xee\x80Europe/Berlin",
                b"\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x01+23:59",
            ],
        ),
    ];
    for (name, run, seeds) in rows {
        check(Target { name, run }, seeds, &[], 3000);
    }
}
