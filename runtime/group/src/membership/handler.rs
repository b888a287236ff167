use async_trait::async_trait;
use couplet_api::Result;

use super::{Assigned, GroupMembers, Revoked};
use crate::protocol::Assignment;

/// What a worker does as a member of its group: the herder, in Java `WorkerRebalanceListener` and `ConnectAssignor`.
///
/// The three calls come one at a time, and the member does not join again while one runs. Heartbeats go on meanwhile; but a
/// call that takes longer than `rebalance.timeout.ms` makes the member leave the group, because others wait for it or hold
/// work that it may still run. It joins again when the call is over.
#[async_trait]
pub trait GroupHandler: Send + Sync {
    /// Offset up to which the worker has read the config topic. Asked right before each join.
    fn config_offset(&self) -> i64;

    /// Called on the leader: shares out the work. Members that the answer lacks get no assignment at all, so name each.
    ///
    /// # Errors
    /// The join fails; after `retry.backoff.ms` the member joins again.
    async fn assign(&self, group: GroupMembers) -> Result<Vec<(String, Assignment)>>;

    /// Stops this work; when it returns, others may start it. Work that is not named goes on.
    async fn revoked(&self, revoked: Revoked);

    /// Takes note of all the work that is now this worker's, after a join. When it returns, the member joins again at once if
    /// the assignment failed: read the config topic to its end before that. To give work up that was revoked, others wait
    /// for a further join: ask for it by [`super::MemberHandle::rejoin`].
    async fn assigned(&self, assigned: Assigned);
}
