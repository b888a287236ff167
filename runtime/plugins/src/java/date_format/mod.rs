//! `java.text.SimpleDateFormat` with the time zone UTC and English names: the pattern language of timestamp transforms.

mod calendar;
mod format;
mod parse;
mod pattern;
mod zone;

use std::sync::LazyLock;

pub(crate) use pattern::DateFormat;

macro_rules! iso_formats {
    ($($(#[$doc:meta])* $name:ident $pattern:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name() -> &'static DateFormat {
            static FORMAT: LazyLock<DateFormat> = LazyLock::new(|| DateFormat::literal($pattern));
            &FORMAT
        }
    )*};
}

impl DateFormat {
    iso_formats! {
        /// A day.
        iso_date "yyyy-MM-dd";
        /// A time of day.
        iso_time "HH:mm:ss.SSS'Z'";
        /// An instant.
        iso_timestamp "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'";
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

#[cfg(test)]
mod tests {
    use super::*;

    const INSTANT: i64 = 1_700_000_000_123; // 2023-11-14T22:13:20.123Z, a Tuesday

    #[test]
    fn patterns_format_as_in_java() {
        let rows = [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2023-11-14 22:13:20.123"),
            ("EEE, d MMM yyyy HH:mm:ss Z", "Tue, 14 Nov 2023 22:13:20 +0000"),
            ("EEEE MMMM", "Tuesday November"),
            ("yyyy-MM-dd'T'HH:mm:ssX", "2023-11-14T22:13:20Z"),
            ("h 'o''clock' a", "10 o'clock PM"),
            ("''yyyy''", "'2023'"),
            ("zzz zzzz", "UTC Coordinated Universal Time"),
            ("F W yyyyy", "2 3 02023"),
            ("k K H h", "22 10 22 10"),
        ];
        for (pattern, want) in rows {
            assert_eq!(DateFormat::new(pattern).expect(pattern).format(INSTANT), want, "{pattern}");
        }
        assert_eq!(DateFormat::new("HH:mm:ss.SSS").expect("pattern").format(-1), "23:59:59.999");
    }

    #[test]
    fn texts_parse_leniently() {
        let rows = [
            ("yyyy-MM-dd", "2023-13-45", Some(1_707_868_800_000)),
            ("yyyy-MM-dd", "2023-11-14 trailing", Some(1_699_920_000_000)),
            ("yyyyMMdd", "20231114", Some(1_699_920_000_000)),
            ("d MMM yyyy", "14 november 2023", Some(1_699_920_000_000)),
            ("yyyy-MM-dd'T'HH:mm:ssZ", "2023-11-14T22:13:20+0200", Some(1_699_992_800_000)),
            ("yyyy-MM-dd'T'HH:mm:ssXXX", "2023-11-14T22:13:20Z", Some(1_700_000_000_000)),
            ("yyyy z", "2023 GMT+02:00", Some(1_672_531_200_000 - 7_200_000)),
            ("h:mm a", "10:13 PM", Some((22 * 60 + 13) * 60_000)),
            ("yy", "99", Some(915_148_800_000)),
            ("YYYY-'W'ww-u", "2020-W53-5", Some(1_609_459_200_000)),
            ("yyyy-'W'ww-E", "2023-W46-Tue", Some(1_699_920_000_000)),
            ("yyyy MMMM W E", "2023 November 3 Tue", Some(1_699_920_000_000)),
            ("yyyy-MM F EEE", "2023-11 2 Tue", Some(1_699_920_000_000)),
            ("yyyy MM dd", "2023  11   14", Some(1_699_920_000_000)),
            ("yyyy", "\u{662}\u{660}\u{662}\u{663}", Some(1_672_531_200_000)),
            ("yyyy z", "2023 PST", None),
            ("yyyy-MM-dd", "garbage", None),
            ("yyyy", "", None),
        ];
        for (pattern, text, want) in rows {
            assert_eq!(DateFormat::new(pattern).expect(pattern).parse(text).ok(), want, "{pattern} {text}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for (pattern, want) in [("bogus", "Illegal pattern character 'b'"), ("'open", "Unterminated quote")] {
            assert_eq!(DateFormat::new(pattern).map(|_| ()), Err(want.to_owned()));
        }
    }
}
