//! Records of recorded scenarios must be those of Debezium: keys, values with their schemas, headers, order, the form of
//! the last offset, and the state of the task.

mod player;

#[test]
fn golden_pg_dml() {
    player::play("pg_dml");
}

#[test]
fn golden_pg_types() {
    player::play("pg_types");
}

#[test]
fn golden_pg_types2() {
    player::play("pg_types2");
}

#[test]
fn golden_pg_types3() {
    player::play("pg_types3");
}

#[test]
fn golden_pg_stream() {
    player::play("pg_stream");
}

#[test]
fn golden_pg_snapshot() {
    player::play("pg_snapshot");
}

#[test]
#[allow(clippy::print_stdout, reason = "a skipped test says why")]
fn golden_pg_kafka() {
    // Recorded later than the rest: a set of recordings elsewhere need not have it.
    let there = couplet_testkit::golden::root().join("cdc/postgres/pg_kafka.jsonl").is_file();
    match std::env::var_os("COUPLET_GOLDEN") {
        Some(root) if !there => println!("skipped: {} has no pg_kafka.jsonl", root.display()),
        _ => player::play("pg_kafka"),
    }
}

#[test]
fn golden_pg_schema() {
    player::play("pg_schema");
}

#[test]
fn golden_pg_config() {
    player::play("pg_config");
}

#[test]
fn golden_pg_errors() {
    player::play("pg_errors");
}
