//! English names of months and days, the only language whose names can be written.

/// January is 1.
pub(super) fn month(number: i8) -> &'static str {
    const NAMES: [&str; 12] = [
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
    NAMES[usize::try_from(number - 1).unwrap_or(0) % NAMES.len()]
}

/// Monday is 1.
pub(super) fn day_of_week(number: i8) -> &'static str {
    const NAMES: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    NAMES[usize::try_from(number - 1).unwrap_or(0) % NAMES.len()]
}

/// The first three letters, as `en` abbreviates both months and days.
pub(super) fn short(name: &'static str) -> &'static str {
    &name[..3]
}
