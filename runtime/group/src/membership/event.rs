use bytes::Bytes;
use couplet_api::Error;
use kafka_protocol::ResponseError;

use crate::protocol::{Assignment, ConnectProtocol, TaskId, WorkerState};
use crate::wire::Node;

/// Number of a request or call; the answer bears it, so that answers nobody waits for any more are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a member knows of its place in the group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Number of the generation; -1 outside of the group.
    pub id: i32,
    /// Id given by the coordinator; empty before there is one.
    pub member_id: String,
    /// The group's protocol; `None` outside of the group.
    pub protocol: Option<ConnectProtocol>,
}

impl Generation {
    /// Outside of the group, without an id.
    pub fn none() -> Self {
        Generation { id: -1, member_id: String::new(), protocol: None }
    }
}

/// Why a request had no answer.
#[derive(Debug, Clone)]
pub enum Failure {
    /// Not reached, cut off, or no answer in time. Trying again may help.
    Unavailable(String),
    /// Credentials or certificates were refused, or the broker cannot do what is asked. Trying again cannot help.
    Fatal(FatalCause),
}

/// An error that many may hold.
pub type FatalCause = std::sync::Arc<Error>;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Unavailable(why) => f.write_str(why),
            Failure::Fatal(error) => write!(f, "{error}"),
        }
    }
}

/// Answer to the question who coordinates the group.
#[derive(Debug, Clone)]
pub struct FoundAnswer {
    /// `None`: found.
    pub error: Option<ResponseError>,
    /// The coordinator.
    pub node: Node,
}

/// Answer to [`Request::Join`].
#[derive(Debug, Clone)]
pub struct JoinAnswer {
    /// `None`: joined.
    pub error: Option<ResponseError>,
    /// Number of the new generation.
    pub generation: i32,
    /// `connect`, where brokers say it.
    pub protocol_type: Option<String>,
    /// Name of the protocol that all members offered.
    pub protocol: Option<String>,
    /// Member id of the leader.
    pub leader: String,
    /// Member id of this member.
    pub member_id: String,
    /// On the leader, all members with their metadata.
    pub members: Vec<(String, Bytes)>,
}

/// Answer to [`Request::Sync`].
#[derive(Debug, Clone)]
pub struct SyncAnswer {
    /// `None`: the assignment is there.
    pub error: Option<ResponseError>,
    /// `connect`, where brokers say it.
    pub protocol_type: Option<String>,
    /// Name of the group's protocol, where brokers say it.
    pub protocol: Option<String>,
    /// The assignment's bytes.
    pub assignment: Bytes,
}

/// What happens to a member.
#[derive(Debug)]
pub enum Event {
    /// A deadline passed, or the member was started.
    Tick,
    /// The herder wants a rebalance, for this reason.
    Rejoin(String),
    /// The herder wants to be out of the group for a while.
    StepOut {
        /// Told to the coordinator.
        reason: String,
        /// How long to stay out.
        pause_ms: i64,
    },
    /// The worker stops: leave for good.
    Leave(String),
    /// Answer to [`Action::FindCoordinator`].
    Found(Ticket, Result<FoundAnswer, Failure>),
    /// Answer to [`Request::Join`].
    Joined(Ticket, Result<JoinAnswer, Failure>),
    /// Answer to [`Request::Sync`].
    Synced(Ticket, Result<SyncAnswer, Failure>),
    /// Answer to [`Request::Heartbeat`]: the error code, if any.
    Heartbeat(Ticket, Result<Option<ResponseError>, Failure>),
    /// Answer to [`Request::Leave`].
    Left(Ticket, Result<Option<ResponseError>, Failure>),
    /// The handler is done with a call.
    Called(Ticket, CallResult),
}

/// How a call ended.
#[derive(Debug)]
pub enum CallResult {
    /// [`Call::Revoked`] and [`Call::Assigned`].
    Done,
    /// [`Call::Assign`].
    Assignments(couplet_api::Result<Vec<(String, Assignment)>>),
}

/// What a member does.
#[derive(Debug)]
pub enum Action {
    /// Ask any broker who coordinates the group.
    FindCoordinator(Ticket),
    /// Send a request to the coordinator.
    Send(Ticket, Node, Request),
    /// Close the connections to a broker that coordinates the group no more.
    Disconnect(Node),
    /// Call the handler.
    Call(Ticket, Call),
    /// The member is no member any more, and never will be: as asked, or because of an error.
    Ended(Result<(), FatalCause>),
}

/// A request to the coordinator. Group, session and so on are those of the member's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// JoinGroup.
    Join {
        /// Empty on the first attempt.
        member_id: String,
        /// Names and metadata, the best first.
        protocols: Vec<(&'static str, Bytes)>,
        /// Why; shown in the broker's log.
        reason: String,
    },
    /// SyncGroup.
    Sync {
        /// The generation that was joined.
        generation: Generation,
        /// On the leader, everybody's assignment.
        assignments: Vec<(String, Bytes)>,
    },
    /// Heartbeat.
    Heartbeat(Generation),
    /// LeaveGroup.
    Leave {
        /// Who leaves.
        member_id: String,
        /// Why; shown in the broker's log.
        reason: String,
    },
}

/// A call to the handler.
#[derive(Debug, Clone)]
pub enum Call {
    /// [`super::GroupHandler::assign`]
    Assign(GroupMembers),
    /// [`super::GroupHandler::revoked`]
    Revoked(Revoked),
    /// [`super::GroupHandler::assigned`]
    Assigned(Assigned),
}

/// What a leader assigns from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMembers {
    /// Member id of the leader, which is this member.
    pub leader: String,
    /// The generation that the assignment is for.
    pub generation: i32,
    /// The last generation in which this member had an assignment; -1 before the first.
    pub last_completed_generation: i32,
    /// How the group shares its work.
    pub protocol: ConnectProtocol,
    /// All members, this one included, with what they said about themselves.
    pub members: Vec<(String, WorkerState)>,
}

/// Work to give up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Member id of the leader.
    pub leader: String,
    /// Connectors to stop.
    pub connectors: Vec<String>,
    /// Tasks to stop.
    pub tasks: Vec<TaskId>,
}

/// What a member is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// Number of the generation.
    pub generation: i32,
    /// Member id of this member.
    pub member_id: String,
    /// How the group shares its work.
    pub protocol: ConnectProtocol,
    /// All the work that is this worker's now: what it kept and what is new. What was revoked is still named as revoked.
    pub assignment: Assignment,
}

impl Assigned {
    /// Whether this member leads the group.
    pub fn is_leader(&self) -> bool {
        self.member_id == self.assignment.leader
    }
}
