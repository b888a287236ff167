//! Paths into records as users of Jayway's JsonPath write them: `$.book[?(@.author == 'Tolstoy' && @.year < 1870)]`.
//!
//! This is the older dialect that Java programs use, not RFC 9535: a filter applied to an object tests the object itself,
//! numbers compare with text, regular expressions are Java's. Paths are read from structs and maps as they are; nothing
//! is turned into JSON. What this does not know (functions, scripts, `all`, `type`) is refused when a path is parsed.
//!
//! Source: github.com/json-path/JsonPath, version 2.9.0; the tables of tests were answered by it.

mod compare;
mod condition;
mod parse;
mod path;

pub(crate) use path::{Found, JsonPath};

#[cfg(test)]
mod tests;
