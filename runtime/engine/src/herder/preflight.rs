//! What an exactly-once task asks of its herder before it sends anything.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use couplet_api::{Error, Result};
use couplet_kafka::TopicLog;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use super::driver::Request;
use super::event::Command;
use super::{ClusterSnapshot, HerderError};
use crate::peers::Peers;
use crate::worker::{Preflight, TaskId};

/// How long a task waits for a leader that can fence: long enough for the group to miss one that died, and to elect another.
pub const LEADER_PATIENCE: Duration = Duration::from_secs(60);
/// Pause before the leader is asked again.
const LEADER_PAUSE: Duration = Duration::from_millis(250);

/// Why nobody fenced.
struct Refused {
    error: Error,
    /// Whether that may be over in a moment: the leader is just dying, or being elected.
    may_pass: bool,
}

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
    /// How long it goes on asking: [`LEADER_PATIENCE`].
    pub patience: Duration,
}

impl TaskPreflight {
    async fn ask(&self, command: Command) -> Result<Result<(), HerderError>> {
        let ended = || Error::fatal("the herder has ended");
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.upgrade().ok_or_else(ended)?;
        requests.send((command, reply)).await.map_err(|_| ended())?;
        Ok(answer.await.map_err(|_| ended())?.map(|_| ()))
    }

    /// Asks whoever leads once.
    async fn ask_to_fence(&self) -> Result<(), Refused> {
        let may_pass = |error| Refused { error, may_pass: true };
        let for_good = |error| Refused { error, may_pass: false };
        match self.ask(Command::Fence(self.id.connector.to_string())).await.map_err(for_good)? {
            Ok(()) => Ok(()),
            Err(HerderError::Elsewhere(Some(leader))) => {
                self.ask_leader(&leader).await.map_err(|why| may_pass(Error::fatal(why)))
            }
            Err(refusal @ (HerderError::NotFound(_) | HerderError::BadRequest(_))) => {
                Err(for_good(Error::fatal(refusal.message())))
            }
            Err(refusal) => Err(may_pass(Error::fatal(refusal.message()))),
        }
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
        let began = Instant::now();
        loop {
            let Err(refused) = self.ask_to_fence().await else { return Ok(()) };
            if !refused.may_pass || began.elapsed() >= self.patience {
                return Err(refused.error.context("Failed to perform round of zombie fencing"));
            }
            tracing::info!(task = %self.id, error = %refused.error, "zombies are not fenced yet, will ask again");
            sleep(LEADER_PAUSE).await;
        }
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use couplet_api::config::Props;

    use super::*;
    use crate::herder::event::Answer;

    /// What the herder answers in turn, the last for ever.
    async fn fenced_with(answers: Vec<Result<(), HerderError>>, patience: Duration) -> Result<()> {
        let (door, mut requests) = mpsc::channel::<Request>(1);
        let preflight = TaskPreflight {
            requests: door.downgrade(),
            peers: Arc::new(Peers::new(&Props::new()).expect("defaults")),
            published: Arc::default(),
            config: None,
            id: TaskId { connector: "c".into(), task: 0 },
            generation: 1,
            patience,
        };
        let mut answers = VecDeque::from(answers);
        let herder = async {
            while let Some((_, reply)) = requests.recv().await {
                let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
                drop(reply.send(answer.expect("an answer").map(|()| Answer::Done)));
            }
        };
        tokio::select! {
            outcome = preflight.fence() => outcome,
            () = herder => unreachable!("the door is open"),
        }
    }

    #[tokio::test]
    async fn a_task_waits_for_a_leader_that_can_fence() {
        let away = || Err(HerderError::Elsewhere(None));
        // Nobody listens there.
        let dead = || Err(HerderError::Elsewhere(Some("http://127.0.0.1:1/".to_owned())));
        let failed = || Err(HerderError::Failed("Failed to perform zombie fencing".to_owned()));
        let unknown = || Err(HerderError::NotFound("Connector c not found".to_owned()));
        let prefix = "Failed to perform round of zombie fencing";
        let rows = [
            (vec![Ok(())], None),
            (vec![away(), dead(), failed(), Ok(())], None),
            (vec![unknown()], Some("Connector c not found")),
            (vec![failed()], Some("Failed to perform zombie fencing")),
        ];
        for (answers, want) in rows {
            let what = format!("{answers:?}");
            // Who gives up need not take a minute about it here.
            let patience = if want.is_some() { LEADER_PAUSE } else { LEADER_PATIENCE };
            match (fenced_with(answers, patience).await, want) {
                (Ok(()), None) => {}
                (Err(error), Some(want)) => {
                    let trace = error.trace();
                    assert!(trace.contains(prefix) && trace.contains(want), "{what}: {trace}");
                }
                (outcome, _) => panic!("{what}: {outcome:?}"),
            }
        }
    }
}
