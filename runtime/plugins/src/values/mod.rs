//! `org.apache.kafka.connect.data.Values`: text that guesses its type when it is read back. Headers are written and
//! read this way.

mod align;
mod parse;
mod text;
mod tokens;

pub(crate) use parse::parse;
pub(crate) use text::{date_format, to_text};
