//! Records of recorded scenarios must be those of Debezium: keys, values with their schemas, headers, order, the schema
//! history, the form of the last offset, and the state of the task.

mod incremental;
mod notifications;
mod packed;
mod player;
mod silence;
mod snapshots;
mod task;

const MYSQL: &str = "io.debezium.connector.mysql.MySqlConnector";
const MARIADB: &str = "io.debezium.connector.mariadb.MariaDbConnector";

#[test]
fn golden_mysql_dml() {
    player::play("mysql", "my_dml");
}

#[test]
fn golden_mysql_types() {
    player::play("mysql", "my_types");
}

#[test]
fn golden_mysql_ddl() {
    player::play("mysql", "my_ddl");
}

#[test]
fn golden_mariadb_dml() {
    player::play("mariadb", "my_dml");
}

#[test]
fn golden_mariadb_types() {
    player::play("mariadb", "my_types");
}

#[test]
fn golden_mariadb_ddl() {
    player::play("mariadb", "my_ddl");
}

#[test]
fn notifications_of_mysql() {
    notifications::play("mysql", MYSQL);
}

#[test]
fn notifications_of_mariadb() {
    notifications::play("mariadb", MARIADB);
}

#[test]
fn incremental_snapshots_of_mysql() {
    incremental::play("mysql", MYSQL);
}

#[test]
fn incremental_snapshots_of_mariadb() {
    incremental::play("mariadb", MARIADB);
}

#[test]
fn snapshots_over_connections_of_mysql() {
    snapshots::play("mysql", MYSQL);
}

#[test]
fn snapshots_over_connections_of_mariadb() {
    snapshots::play("mariadb", MARIADB);
}

#[test]
fn a_silent_server_is_left() {
    silence::play("mysql", MYSQL);
}

#[test]
fn compressed_logs_of_mysql() {
    packed::play("mysql", MYSQL);
}

#[test]
fn compressed_logs_of_mariadb() {
    packed::play("mariadb", MARIADB);
}
