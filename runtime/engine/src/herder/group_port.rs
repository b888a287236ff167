//! Between a herder's loop and its membership of the group: calls go in, wishes go out.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use couplet_api::clock::{Clock, SystemClock};
use couplet_api::config::{Props, at_least};
use couplet_api::{Error, Result, config_def};
use couplet_group::membership::{Assigned, GroupHandler, GroupMembers, Member, MemberConfig, MemberHandle, Revoked};
use couplet_group::protocol::Assignment;
use couplet_group::wire::{Client, ClientConfig};
use tokio::sync::{mpsc, oneshot};

use super::event::{GroupAnswer, GroupCall};
use super::group::GroupSettings;
use crate::metrics::GroupMetrics;

config_def! {
    /// Settings of a member that its herder decides by.
    struct HerderGroupConfig {
        /// Milliseconds that the work of a worker that went away waits for its return.
        delay_max_ms: Int = "scheduled.rebalance.max.delay.ms", Low, default "300000", at_least(0);
        /// Milliseconds that reading the config topic to its end may take.
        sync_timeout_ms: Int = "worker.sync.timeout.ms", Medium, default "3000";
        /// Milliseconds out of the group after that took too long, with the eager protocol.
        unsync_backoff_ms: Int = "worker.unsync.backoff.ms", Medium, default "300000";
    }
}

/// A call of the group, and where its answer goes.
pub type PortCall = (GroupCall, oneshot::Sender<GroupAnswer>);

/// How a herder becomes a member of its group.
#[derive(Clone)]
pub struct Membership {
    member: MemberConfig,
    client: ClientConfig,
    /// What the core decides by.
    pub settings: GroupSettings,
    /// How long reading the config topic to its end may take.
    pub sync_timeout: Duration,
    metrics: Arc<GroupMetrics>,
}

impl Membership {
    /// Reads the worker's settings; `url` is that of its REST server, `metrics` hear of the membership.
    ///
    /// # Errors
    /// `Kind::Config` that names the key.
    pub(crate) fn new(props: &Props, url: &str, metrics: Arc<GroupMetrics>) -> Result<Self> {
        let config = HerderGroupConfig::parse(props)?;
        Ok(Membership {
            member: MemberConfig::from_props(props, url)?,
            client: ClientConfig::from_props(props)?,
            settings: GroupSettings {
                delay_max_ms: config.delay_max_ms,
                unsync_backoff_ms: config.unsync_backoff_ms.into(),
            },
            sync_timeout: Duration::from_millis(u64::try_from(config.sync_timeout_ms).unwrap_or(0)),
            metrics,
        })
    }

    /// Joins the group. Its calls come out of the receiver one at a time.
    pub fn join(&self, config_offset: Arc<AtomicI64>) -> (Port, mpsc::Receiver<PortCall>) {
        let (calls, receiver) = mpsc::channel(1);
        let client = Arc::new(Client::observed(self.client.clone(), self.metrics.clone()));
        let handler = Arc::new(ToHerder { calls, config_offset, metrics: self.metrics.clone() });
        let member = Member::start(self.member.clone(), client, handler);
        (Port { handle: member.handle(), member, sync_timeout: self.sync_timeout }, receiver)
    }
}

/// A herder's hold on its membership.
pub struct Port {
    /// Is asked for rebalances.
    pub handle: MemberHandle,
    /// The membership itself.
    pub member: Member,
    /// How long reading the config topic to its end may take.
    pub sync_timeout: Duration,
}

/// Hands the group's calls to the herder's loop.
struct ToHerder {
    calls: mpsc::Sender<PortCall>,
    config_offset: Arc<AtomicI64>,
    metrics: Arc<GroupMetrics>,
}

impl ToHerder {
    /// `None`: the herder is gone, or has given the call up.
    async fn call(&self, call: GroupCall) -> Option<GroupAnswer> {
        let (reply, answer) = oneshot::channel();
        self.calls.send((call, reply)).await.ok()?;
        answer.await.ok()
    }
}

#[async_trait]
impl GroupHandler for ToHerder {
    fn config_offset(&self) -> i64 {
        self.config_offset.load(Ordering::Acquire)
    }

    async fn assign(&self, group: GroupMembers) -> Result<Vec<(String, Assignment)>> {
        match self.call(GroupCall::Assign(group, SystemClock.now_ms())).await {
            Some(GroupAnswer::Assignments(assignments)) => Ok(assignments),
            _ => Err(Error::remote("the herder ends and assigns no work")),
        }
    }

    async fn revoked(&self, revoked: Revoked) {
        self.call(GroupCall::Revoked(revoked)).await;
    }

    async fn assigned(&self, assigned: Assigned) {
        let began = Instant::now();
        self.metrics.assigned(&assigned);
        self.call(GroupCall::Assigned(assigned)).await;
        self.metrics.taken_up(began.elapsed());
    }
}
