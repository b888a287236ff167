//! Retention and compaction, in the background.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::log::DIRTY_BYTES_MIN;
use crate::topics::Topics;

/// Time between two rounds. Retention depends on the clock, so nothing could wake us instead.
const ROUND: Duration = Duration::from_secs(15);

/// Looks after all partitions: at the start compacts whatever is not compacted, later only where it pays.
pub(crate) async fn run(topics: Arc<Topics>, stop: CancellationToken) {
    let mut dirty_bytes_min = 0;
    loop {
        let topics = topics.clone();
        let cancelled = stop.clone();
        // Reads and writes files for as long as it takes, so not on a thread that serves connections.
        let round = tokio::task::spawn_blocking(move || maintain(&topics, dirty_bytes_min, &cancelled));
        if let Err(error) = round.await {
            tracing::error!(%error, "maintenance of the embedded broker failed");
        }
        dirty_bytes_min = DIRTY_BYTES_MIN;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

fn maintain(topics: &Topics, dirty_bytes_min: u64, stop: &CancellationToken) {
    for topic in topics.all() {
        let config = topic.config();
        for (index, partition) in topic.partitions().iter().enumerate() {
            if stop.is_cancelled() {
                return;
            }
            if let Err(error) = partition.maintain(&config, dirty_bytes_min, clock::now_ms()) {
                let topic = &*topic.name;
                tracing::warn!(%error, topic, partition = index, "retention or compaction failed; it is tried again");
            }
        }
    }
}
