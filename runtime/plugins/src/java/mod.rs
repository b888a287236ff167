//! What Java does and Rust does not: the iteration order of `HashMap`, the text of `toString`, names of classes,
//! `java.util.regex`, `SimpleDateFormat`. Users see all of them.

pub mod civil;
mod class;
mod date_format;
mod digit;
mod hash_code;
mod hash_map;
mod numbers;
mod record_text;
mod regex;
mod regex_classes;
mod regex_syntax;
mod string;

pub(crate) use class::cast_failure;
pub use class::class_of;
pub(crate) use date_format::DateFormat;
pub(crate) use digit::{ascii_digits, digit};
pub(crate) use hash_code::{hash_code, murmur};
pub use hash_map::HashMapOrder;
pub(crate) use numbers::{decimal_problem, low_bits, parse_double};
pub use record_text::record_text;
pub use regex::JavaRegex;
pub(crate) use string::to_string;
