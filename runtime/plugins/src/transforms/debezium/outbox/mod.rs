//! The outbox pattern: rows of an outbox table become messages of their own.

mod config;
mod event_router;
mod json_payload;

pub(super) use event_router::EVENT_ROUTER;
