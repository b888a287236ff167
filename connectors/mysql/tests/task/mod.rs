//! The connector's task by itself.

use std::sync::Arc;

use couplet_api::Plugin;
use couplet_api::clock::SystemClock;
use couplet_api::connector::SourcePlugin;
use couplet_api::data::{OffsetMap, Value};
use couplet_api::source::SourceTaskContext;
use couplet_api::testing::{MemoryMetrics, MemoryOffsets, MemoryTopics};

/// The connector `class`.
pub fn plugin(class: &str) -> Arc<dyn SourcePlugin> {
    let found = couplet_mysql::plugins().into_iter().find_map(|plugin| match plugin {
        Plugin::Source(plugin) if plugin.class() == class => Some(plugin),
        _ => None,
    });
    found.expect("the connector")
}

/// What a task with the prefix `c` is given that takes up at `stored`.
pub fn context(stored: Option<OffsetMap>) -> SourceTaskContext {
    let offsets = MemoryOffsets::default();
    let partition = OffsetMap::new([("server", Value::str("c"))]);
    offsets.0.lock().expect("not poisoned").extend(stored.map(|offset| (partition, offset)));
    SourceTaskContext {
        connector: "c".into(),
        task: 0,
        offsets: Arc::new(offsets),
        topics: Arc::new(MemoryTopics::default()),
        metrics: Arc::new(MemoryMetrics::default()),
        clock: Arc::new(SystemClock),
        defines_transactions: false,
    }
}
