//! Writes to the config topic: by anybody, or by the leader alone (KIP-618).
//!
//! Where exactly-once sources are on, or being prepared, the leader writes in transactions under an id that all leaders of
//! the cluster share: a new leader fences the one before, which may not have heard yet that it is none any more.

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::{Error, Kind, Result};
use couplet_kafka::TopicLog;
use couplet_kafka::clients::{ClientSettings, NativeConfig, Producer, Role};
use tokio::sync::Mutex;

use super::config_store::ConfigRecord;

const WHY: &str = "for the worker's config topic producer when exactly-once source support is enabled or in preparation to be enabled";
/// What a caller is told when the leader could not write.
const REFUSED: &str =
    "Failed to write to config topic; this may be due to a transient error and the request can be safely retried";

/// The config topic, for those who write to it.
pub struct ConfigWriter {
    log: Arc<TopicLog>,
    /// Settings of the leader's producer; `None`: there are no transactions.
    leader: Option<NativeConfig>,
    /// The leader's producer, once it has claimed the right to write.
    producer: Mutex<Option<Arc<Producer>>>,
}

impl ConfigWriter {
    /// Writes to `log` without transactions.
    pub fn plain(log: Arc<TopicLog>) -> Self {
        ConfigWriter { log, leader: None, producer: Mutex::default() }
    }

    /// Writes to `log` what only leaders write in transactions, for a worker with the settings `worker`.
    ///
    /// # Errors
    /// `Kind::Config` that names the key whose meaning cannot be kept.
    pub fn transactional(log: Arc<TopicLog>, worker: &Props) -> Result<Self> {
        let id = format!("connect-cluster-{}", worker.get("group.id").unwrap_or_default());
        let leader = ClientSettings::of_worker(worker).transactional(&id, WHY).native(Role::Producer)?;
        Ok(ConfigWriter { log, leader: Some(leader), producer: Mutex::default() })
    }

    /// The topic as it is read.
    pub fn log(&self) -> &Arc<TopicLog> {
        &self.log
    }

    /// Takes the right to write, as a leader does when it is elected: any leader before is fenced.
    ///
    /// # Errors
    /// When the brokers refuse. Writing claims the right again.
    pub async fn claim(&self) -> Result<()> {
        self.leader_producer().await.map(|_| ())
    }

    /// Gives up the right to write, as a worker does that is no longer the leader.
    pub async fn relinquish(&self) {
        self.producer.lock().await.take();
    }

    async fn leader_producer(&self) -> Result<Option<Arc<Producer>>> {
        let Some(settings) = &self.leader else { return Ok(None) };
        let mut producer = self.producer.lock().await;
        if producer.is_none() {
            let made = Producer::new(settings)?;
            let initialised = made.init_transactions().await;
            initialised.map_err(|failure| failure.into_error("cannot claim the right to write to the config topic"))?;
            *producer = Some(made);
        }
        Ok(producer.clone())
    }

    /// Writes `records` in order; they have come back through the log on return. Where leaders write in transactions,
    /// only a leader may call this with records that are a leader's.
    ///
    /// # Errors
    /// `Kind::Fenced`: the leader could not write, with a message for the caller. Any other: some may have been written.
    pub async fn write(&self, records: &[ConfigRecord]) -> Result<()> {
        for (by_leader, records) in in_transactions(records) {
            let encoded = records.iter().map(ConfigRecord::encode).collect::<Result<Vec<_>>>()?;
            match by_leader && self.leader.is_some() {
                true => {
                    let written = async {
                        let producer = self.leader_producer().await?;
                        let producer = producer.ok_or_else(|| Error::bug("transactions are off"))?;
                        producer.write_transaction(self.log.topic(), &encoded).await
                    };
                    if let Err(error) = written.await {
                        self.relinquish().await;
                        return Err(Error::new(Kind::Fenced, REFUSED).caused_by(error));
                    }
                    // The end of a transaction is written a moment after it is committed; nothing may come in between.
                    self.log.read_to_end().await?;
                }
                false => self.log.append_all(encoded).await?,
            }
        }
        self.log.read_to_end().await
    }
}

/// `records` as the JVM's leader groups them: with each group, whether it is the leader's alone to write. Task configs are
/// one group and their commit another, so that a commit never becomes visible before its configs; a target state
/// belongs to a connector's config when both are written, and may be written by anybody when alone.
fn in_transactions(records: &[ConfigRecord]) -> Vec<(bool, &[ConfigRecord])> {
    let of_connector = records.iter().any(|record| matches!(record, ConfigRecord::Connector(..)));
    let kind = |record: &ConfigRecord| match record {
        ConfigRecord::Connector(..) => (true, 0),
        ConfigRecord::Target(..) if of_connector => (true, 0),
        ConfigRecord::Task(..) => (true, 1),
        ConfigRecord::Commit(..) => (true, 2),
        ConfigRecord::SessionKey(_) | ConfigRecord::Restart(..) | ConfigRecord::TasksFencing(..) => (true, 3),
        ConfigRecord::Target(..) | ConfigRecord::LoggerLevel(..) => (false, 4),
    };
    records.chunk_by(|a, b| kind(a) == kind(b)).map(|group| (kind(&group[0]).0, group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::{TargetState, TaskId};

    #[test]
    fn records_are_grouped_as_by_the_jvm() {
        let target = || ConfigRecord::Target("c".into(), Some(TargetState::Stopped));
        let connector = || ConfigRecord::Connector("c".into(), None);
        let task = |task| ConfigRecord::Task(TaskId { connector: "c".into(), task }, Props::new());
        let commit = || ConfigRecord::Commit("c".into(), 2);
        type Row<'a> = (Vec<ConfigRecord>, &'a [(bool, usize)]);
        let rows: [Row<'_>; 5] = [
            (vec![target(), connector()], &[(true, 2)]),
            (vec![connector(), target()], &[(true, 2)]),
            (vec![target()], &[(false, 1)]),
            (vec![commit(), target()], &[(true, 1), (false, 1)]),
            (vec![task(0), task(1), commit()], &[(true, 2), (true, 1)]),
        ];
        for (records, want) in rows {
            let got: Vec<_> = in_transactions(&records).iter().map(|(by_leader, g)| (*by_leader, g.len())).collect();
            assert_eq!(got, want, "{records:?}");
        }
    }
}
