//! What comes into the herder's inbox from outside: records of its topics, news of tasks and connectors.

use std::sync::Arc;

use couplet_api::clock::{Clock, SystemClock};
use couplet_kafka::LogRecord;
use couplet_plugins::json::read_value;

use super::event::Event;
use crate::storage::config_store::ConfigRecord;
use crate::storage::inbox::Inbox;
use crate::storage::status_store::StatusRecord;
use crate::worker::{ConnectorListener, TaskEvent, TaskId, TaskListener};

/// Takes a record of the config topic into the herder's inbox.
pub(super) fn config_record(inbox: &Inbox<Event>, record: &LogRecord) {
    let position = record.offset + 1;
    match record.key.as_ref().map(|key| ConfigRecord::decode(key, record.value.as_ref())) {
        Some(Ok(Some(record))) => inbox.push(Event::Config(record, Some(position))),
        Some(Ok(None)) | None => inbox.push(Event::ConfigPosition(position)),
        Some(Err(error)) => {
            tracing::error!(offset = record.offset, %error, "a record of the config topic is skipped");
            // All workers must agree on how far they have read: the JVM counts what is JSON.
            if record.value.as_ref().is_none_or(|value| read_value(value).is_ok()) {
                inbox.push(Event::ConfigPosition(position));
            }
        }
    }
}

/// Takes a record of the status topic into the herder's inbox.
pub(super) fn status_record(inbox: &Inbox<Event>, record: &LogRecord) {
    match record.key.as_ref().map(|key| StatusRecord::decode(key, record.value.as_ref())) {
        Some(Ok(Some(record))) => inbox.push(Event::Status(record)),
        Some(Ok(None)) | None => {}
        Some(Err(error)) => tracing::error!(offset = record.offset, %error, "a record of the status topic is skipped"),
    }
}

/// Hears of tasks and passes it on to the herder.
pub(super) struct ToInbox(pub(super) Arc<Inbox<Event>>);

impl TaskListener for ToInbox {
    fn on_event(&self, id: &TaskId, event: TaskEvent) {
        self.0.push(Event::Task(id.clone(), event));
    }

    fn on_active_topic(&self, id: &TaskId, topic: &str) {
        self.0.push(Event::ActiveTopic(id.clone(), topic.to_owned(), SystemClock.now_ms()));
    }
}

impl ConnectorListener for ToInbox {
    fn on_reconfigure(&self, name: &str) {
        self.0.push(Event::Reconfigure(name.to_owned()));
    }

    fn on_values_changed(&self, name: &str) {
        self.0.push(Event::ValuesChanged(name.to_owned()));
    }

    fn on_values_expired(&self, name: &str) {
        self.0.push(Event::ValuesExpired(name.to_owned()));
    }
}
