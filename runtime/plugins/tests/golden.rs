//! Plugins against recordings of the JVM's: converters, transforms, predicates, their settings and their list.

mod cases;

use cases::{
    check_config_defs, check_converters, check_header_to_value, check_outbox, check_plugin_list, check_router,
    check_transforms,
};

#[test]
fn golden_converters() {
    check_converters("connect/converters");
}

#[test]
fn golden_transforms_and_predicates() {
    check_transforms("connect/smt");
}

/// More cases of the same kind as the recordings, each a way in which we once differed or could.
#[test]
fn vectors_beyond_the_recordings() {
    check_converters(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/converters"));
    check_transforms(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/transforms"));
}

#[test]
fn golden_config_definitions() {
    check_config_defs("connect/validate-nodoc");
}

#[test]
fn golden_plugin_list() {
    check_plugin_list("connect/validate-nodoc/_plugins.json");
}

#[test]
fn golden_outbox_runs() {
    check_outbox("cdc/postgres/pg_smt.jsonl");
}

#[test]
fn golden_logical_table_runs() {
    check_router("cdc/postgres/pg_smt.jsonl");
}

#[test]
fn golden_header_to_value_runs() {
    check_header_to_value("cdc/postgres/pg_smt.jsonl");
}
