//! Services under test: started on free ports of 127.0.0.1, ready when `start` returns, gone when dropped.

pub mod binlog_server;
mod kafka_broker;
mod port;
pub mod postgres_cluster;
pub mod s3_service;
mod schema_registry;
pub mod secured;

pub use binlog_server::{BinlogKind, BinlogServer};
pub use kafka_broker::{BrokerSettings, KafkaBroker};
pub use port::{free_port, is_free};
pub use postgres_cluster::{PostgresCluster, PostgresSettings, Shutdown};
pub use s3_service::{S3Service, S3Settings};
pub use schema_registry::SchemaRegistry;
