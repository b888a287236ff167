//! Settings that ask for something this connector does not do: refused with a clear message, never ignored in silence.

use couplet_api::config::Props;
use couplet_cdc::invalid;

/// A key, the values it may have (lower case; empty text: absent or empty), and what else would be asked for.
const REFUSED: &[(&str, &[&str], &str)] = &[
    ("event.processing.failure.handling.mode", &["fail"], "only fail is supported"),
    ("event.deserialization.failure.handling.mode", &["fail"], "only fail is supported"),
    (
        "snapshot.mode",
        &["always", "initial", "initial_only", "no_data", "never", "when_needed", "recovery", "configuration_based"],
        "custom snapshot modes are not supported",
    ),
    (
        "snapshot.query.mode",
        &["select_all"],
        "custom snapshot queries are not supported; use snapshot.select.statement.overrides",
    ),
    (
        "snapshot.locking.mode",
        &["none", "minimal", "extended", "minimal_percona", "minimal_percona_no_table_locks"],
        "custom locking is not supported",
    ),
    ("binlog.buffer.size", &["0"], "a look-ahead is not supported; servers with the row format need none"),
    ("openlineage.integration.enabled", &["false"], "OpenLineage is not supported"),
    ("post.processors", &[""], "post processors are not supported"),
    (
        "transaction.metadata.factory",
        &["io.debezium.pipeline.txmetadata.defaulttransactionmetadatafactory"],
        "only the default class is supported",
    ),
    (
        "sourceinfo.struct.maker",
        &[
            "io.debezium.connector.mysql.mysqlsourceinfostructmaker",
            "io.debezium.connector.mariadb.mariadbsourceinfostructmaker",
        ],
        "only the default class is supported",
    ),
    (
        "schema.history.internal",
        &[
            "io.debezium.storage.kafka.history.kafkaschemahistory",
            "io.debezium.storage.file.history.fileschemahistory",
            "io.debezium.relational.history.memoryschemahistory",
        ],
        "only KafkaSchemaHistory, FileSchemaHistory and MemorySchemaHistory are supported",
    ),
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
