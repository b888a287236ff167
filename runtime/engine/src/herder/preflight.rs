//! What an exactly-once task asks of its herder before it sends anything.

use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use couplet_api::{Error, Result};
use couplet_kafka::TopicLog;
use tokio::sync::{mpsc, oneshot};

use super::driver::Request;
use super::event::Command;
use super::{ClusterSnapshot, HerderError};
use crate::peers::Peers;
use crate::worker::{Preflight, TaskId};

/// A task's way to the herder that started it.
pub struct TaskPreflight {
    /// The herder's door. Weak: a herder that ends waits for nobody.
    pub requests: mpsc::WeakSender<Request>,
    /// The way to the leader, who fences, where that is another worker.
    pub peers: Arc<Peers>,
    /// Where the key is that requests to the leader are signed with.
    pub published: Arc<ArcSwap<ClusterSnapshot>>,
    /// The config topic, if config is in one.
    pub config: Option<Arc<TopicLog>>,
    /// Which task.
    pub id: TaskId,
    /// The generation of task configs it is started with.
    pub generation: u64,
}

impl TaskPreflight {
    async fn ask(&self, command: Command) -> Result<Result<(), HerderError>> {
        let ended = || Error::fatal("the herder has ended");
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.upgrade().ok_or_else(ended)?;
        requests.send((command, reply)).await.map_err(|_| ended())?;
        Ok(answer.await.map_err(|_| ended())?.map(|_| ()))
    }

    /// Asks the leader, who is another worker.
    async fn ask_leader(&self, leader: &str) -> Result<(), String> {
        let group = self.published.load().group.clone();
        let key = group.filter(|group| group.signs_requests).and_then(|group| group.session_key.clone());
        self.peers.fence(leader, &self.id.connector, key.as_ref()).await
    }
}

#[async_trait]
impl Preflight for TaskPreflight {
    async fn fence(&self) -> Result<()> {
        let command = Command::Fence(self.id.connector.to_string());
        let refused = match self.ask(command).await? {
            Ok(()) => return Ok(()),
            Err(HerderError::Elsewhere(Some(leader))) => match self.ask_leader(&leader).await {
                Ok(()) => return Ok(()),
                Err(why) => Error::fatal(why),
            },
            Err(refusal) => Error::fatal(refusal.message()),
        };
        Err(refused.context("Failed to perform round of zombie fencing"))
    }

    async fn verify(&self) -> Result<()> {
        if let Some(log) = &self.config {
            log.read_to_end().await?;
        }
        let verified = self.ask(Command::VerifyTask(self.id.clone(), self.generation)).await?;
        let failed = || format!("Failed to perform preflight check for task {}", self.id);
        verified.map_err(|refusal| Error::fatal(refusal.message()).context(failed()))
    }
}
