//! Settings that ask for something this connector does not do: refused with a clear message, never ignored in silence.

use couplet_api::config::Props;
use couplet_cdc::invalid;

/// A key, the values it may have (lower case; empty text: absent or empty), and what else would be asked for.
const REFUSED: &[(&str, &[&str], &str)] = &[
    (
        "database.sslfactory",
        &[""],
        "Java socket factories are not supported; use database.sslmode and its certificates",
    ),
    (
        "database.sslpassword",
        &[""],
        "encrypted client keys are not supported; store the key of database.sslkey unencrypted",
    ),
    ("event.processing.failure.handling.mode", &["fail"], "only fail is supported"),
    (
        "snapshot.mode",
        &["always", "initial", "initial_only", "no_data", "when_needed", "configuration_based"],
        "custom snapshot modes are not supported",
    ),
    (
        "snapshot.query.mode",
        &["select_all"],
        "custom snapshot queries are not supported; use snapshot.select.statement.overrides",
    ),
    ("snapshot.locking.mode", &["none", "shared"], "custom locking is not supported"),
    ("openlineage.integration.enabled", &["false"], "OpenLineage is not supported"),
    ("post.processors", &[""], "post processors are not supported"),
    (
        "transaction.metadata.factory",
        &["io.debezium.pipeline.txmetadata.defaulttransactionmetadatafactory"],
        "only the default class is supported",
    ),
    (
        "sourceinfo.struct.maker",
        &["io.debezium.connector.postgresql.postgressourceinfostructmaker"],
        "only the default class is supported",
    ),
    ("include.schema.comments", &["false"], "comments in schemas are not supported"),
    ("database.connection.factory.class", &[""], "connection factories are not supported"),
];

/// What is refused in `props`: key and Debezium-style sentence.
pub(super) fn refusals(props: &Props) -> Vec<(&'static str, String)> {
    let refused = |(key, allowed, problem): &(&'static str, &[&str], &str)| {
        let given = props.get(key)?.trim().to_lowercase();
        (!allowed.contains(&given.as_str())).then(|| (*key, invalid(key, problem)))
    };
    REFUSED.iter().filter_map(refused).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_is_refused_by_key() {
        let props = Props::from_iter([
            ("post.processors", "reselector"),
            ("snapshot.mode", "INITIAL"),
            ("include.schema.comments", "true"),
        ]);
        let keys: Vec<&str> = refusals(&props).iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["post.processors", "include.schema.comments"]);
    }
}
