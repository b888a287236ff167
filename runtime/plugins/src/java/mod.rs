//! What Java does and Rust does not: the iteration order of `HashMap`, the text of `toString`, names of classes,
//! `java.util.regex`, `SimpleDateFormat`. Users see all of them.

pub(crate) mod civil;
mod class;
mod date_format;
mod hash_map;
mod string;

pub(crate) use class::{cast_failure, class_of};
pub(crate) use date_format::DateFormat;
pub(crate) use hash_map::HashMapOrder;
pub(crate) use string::to_string;
