//! Custom converters are Java classes, of which only Debezium's own are known here.

use couplet_api::error::Error;

/// What a task fails with, in Debezium's words, when `converters` names one whose class is `class`, which cannot be loaded.
pub fn unknown_converter(class: &str) -> Error {
    let registry = "Unable to create service io.debezium.relational.CustomConverterRegistry";
    let missing =
        Error::fatal(format!("Unable to find class {class}")).with_class("java.lang.IllegalArgumentException");
    // The line about it stands where Java has its stack frames: those who compare traces leave them out.
    let cause = Error::fatal(format!("{class}\n\t... custom converters are Java classes, which cannot be loaded here"));
    Error::fatal(registry)
        .with_class("io.debezium.DebeziumException")
        .caused_by(missing)
        .caused_by(cause.with_class("java.lang.ClassNotFoundException"))
}
