//! Exactly-once sources (KIP-618) on workers that are killed, frozen, replaced and joined by others: who reads committed records
//! sees each of them once, in order.

mod bank;
mod binlog;
mod database;
mod idle;
mod killed;
mod moved;
mod postgres;
mod scene;
mod takeover;
mod turns;
