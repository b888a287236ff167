//! Exactly-once sources (KIP-618) on workers that are killed: who reads committed records
//! sees each of them once, in order.

mod killed;
mod postgres;
mod scene;
