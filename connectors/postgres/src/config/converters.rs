//! Settings that stand for Java classes.

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_cdc::unknown_converter;

/// Custom converters are Java classes. As in Debezium, the first one that cannot be loaded fails the task.
///
/// # Errors
/// [`couplet_api::Kind::Fatal`] in Debezium's words when `converters` names any.
pub(crate) fn check_converters(props: &Props) -> Result<()> {
    let first = props.get("converters").and_then(|list| list.split(',').map(str::trim).find(|name| !name.is_empty()));
    let Some(name) = first else { return Ok(()) };
    let class = props.get(&format!("{name}.type")).unwrap_or("null").trim();
    Err(unknown_converter(class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_converter_fails_the_task_in_debeziums_words() {
        let props = Props::from_iter([("converters", " isbn"), ("isbn.type", "com.example.Isbn")]);
        let error = check_converters(&props).expect_err("refused");
        let trace = error.trace();
        let lines: Vec<&str> = trace.lines().collect();
        assert_eq!(
            lines[0],
            "io.debezium.DebeziumException: Unable to create service io.debezium.relational.CustomConverterRegistry"
        );
        assert_eq!(lines[1], "Caused by: java.lang.IllegalArgumentException: Unable to find class com.example.Isbn");
        assert_eq!(lines[2], "Caused by: java.lang.ClassNotFoundException: com.example.Isbn");
        assert!(lines[3].contains("cannot be loaded here"), "{trace}");
        assert!(check_converters(&Props::new()).is_ok());
    }
}
