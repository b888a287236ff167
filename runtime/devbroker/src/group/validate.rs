//! Checks that do not change a group: who may commit, what may be deleted.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ConsumerProtocolSubscription;
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::event::Caller;
use super::state::{Group, Phase};

impl Group {
    /// Whether offsets may be committed in the caller's name.
    ///
    /// # Errors
    /// `UnknownMemberId`, `FencedInstanceId`, `IllegalGeneration`; `RebalanceInProgress` between join and assignment.
    pub(crate) fn check_commit(&self, caller: &Caller) -> Result<(), ResponseError> {
        let is_outsider = caller.generation < 0 && caller.member_id.is_empty() && caller.instance_id.is_none();
        if self.phase == Phase::Empty {
            // Tools and consumers with assigned partitions commit without being members.
            return if caller.generation < 0 { Ok(()) } else { self.refuse_unknown(caller) };
        }
        if is_outsider {
            return Err(ResponseError::UnknownMemberId);
        }
        self.check_member(&caller.member_id, caller.instance_id.as_ref())?;
        if caller.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        match self.phase {
            Phase::CompletingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    fn refuse_unknown(&self, caller: &Caller) -> Result<(), ResponseError> {
        let never_existed = self.generation == 0 && self.members.is_empty();
        let is_old = caller.generation != self.generation;
        Err(if never_existed && is_old { ResponseError::IllegalGeneration } else { ResponseError::UnknownMemberId })
    }

    /// Whether a transaction may commit offsets in the caller's name; members are checked only when named.
    ///
    /// # Errors
    /// As [`Group::check_commit`], without the rule for outsiders.
    pub(crate) fn check_transactional_commit(&self, caller: &Caller) -> Result<(), ResponseError> {
        let unnamed = caller.member_id.is_empty() && caller.generation < 0 && caller.instance_id.is_none();
        if unnamed { Ok(()) } else { self.check_commit(caller) }
    }

    /// Whether members consume a topic, so that its offsets must stay.
    ///
    /// # Errors
    /// `NonEmptyGroup` for members whose protocol does not tell.
    pub(crate) fn subscribes_to(&self, topic: &StrBytes) -> Result<bool, ResponseError> {
        if self.members.is_empty() {
            return Ok(false);
        }
        if &*self.protocol_type != "consumer" {
            return Err(ResponseError::NonEmptyGroup);
        }
        Ok(self.members.values().any(|member| {
            let first = member.protocols.first().map(|protocol| protocol.metadata.clone());
            first.is_none_or(|metadata| subscribed_topics(metadata).is_none_or(|topics| topics.contains(topic)))
        }))
    }
}

/// Topics of a consumer's subscription; `None` when it cannot be read.
fn subscribed_topics(mut metadata: bytes::Bytes) -> Option<Vec<StrBytes>> {
    use bytes::Buf;
    if metadata.remaining() < 2 {
        return None;
    }
    let version = metadata.get_i16().clamp(0, 3);
    ConsumerProtocolSubscription::decode(&mut metadata, version).ok().map(|subscription| subscription.topics)
}
