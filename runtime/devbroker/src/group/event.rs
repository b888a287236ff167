//! What happens to a group, and what it answers. Plain data: the state machine does no input or output.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// Names a request that is answered later.
pub(crate) type RequestId = u64;

/// A protocol a member can speak, with what it wants the leader to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: StrBytes,
    pub(crate) metadata: Bytes,
}

/// A request to become, or stay, a member.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) request: RequestId,
    /// Empty for a new member.
    pub(crate) member_id: StrBytes,
    /// Id for the new member, should this be one.
    pub(crate) fresh_id: StrBytes,
    /// The member must come again with its id (JoinGroup v4 and later).
    pub(crate) id_required: bool,
    /// The leader may be told to keep the assignment (JoinGroup v9 and later).
    pub(crate) may_skip_assignment: bool,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) client_id: StrBytes,
    pub(crate) client_host: StrBytes,
    pub(crate) session_timeout_ms: u64,
    pub(crate) rebalance_timeout_ms: u64,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocols: Vec<Protocol>,
}

/// A request for one's assignment; the leader's brings everybody's.
#[derive(Debug, Clone)]
pub(crate) struct Sync {
    pub(crate) request: RequestId,
    pub(crate) caller: Caller,
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol_name: Option<StrBytes>,
    pub(crate) assignments: Vec<(StrBytes, Bytes)>,
}

/// Who speaks, as of which generation.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) member_id: StrBytes,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) generation: i32,
}

/// Everything that can happen to a group.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Join(Join),
    Sync(Sync),
    Heartbeat {
        request: RequestId,
        caller: Caller,
    },
    Leave {
        request: RequestId,
        member_id: StrBytes,
        instance_id: Option<StrBytes>,
    },
    /// Time passed; sessions and rebalances may have run out.
    Tick,
}

/// A successful join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocol_name: StrBytes,
    pub(crate) leader: StrBytes,
    pub(crate) member_id: StrBytes,
    pub(crate) skip_assignment: bool,
    /// For the leader only: everybody's metadata.
    pub(crate) members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: StrBytes,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) metadata: Bytes,
}

/// A refused join; the member id is the one the caller should use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinRefused {
    pub(crate) error: ResponseError,
    pub(crate) member_id: StrBytes,
}

/// A successful sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: StrBytes,
    pub(crate) protocol_name: StrBytes,
    pub(crate) assignment: Bytes,
}

/// What the driver has to do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    AnswerJoin(RequestId, Result<Joined, JoinRefused>),
    AnswerSync(RequestId, Result<Synced, ResponseError>),
    /// Heartbeats and leaves.
    Answer(RequestId, Result<(), ResponseError>),
    /// A generation was settled or the last member went: worth writing down.
    Persist,
}
