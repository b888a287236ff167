//! An error code of Kafka or librdkafka and its text.

use std::ffi::CStr;
use std::fmt;

use couplet_api::{Error, Kind};
use rdkafka::bindings as native;
use rdkafka::types::RDKafkaRespErr as Code;

/// What a client or broker answered instead of doing what it was asked. Carries no record content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub(super) code: Code,
    message: String,
}

impl Failure {
    /// `code` with its standard text.
    pub(super) fn of(code: Code) -> Self {
        Failure { code, message: describe(code) }
    }

    /// `code` with a better text than the standard one.
    pub(super) fn with_message(code: Code, message: impl Into<String>) -> Self {
        Failure { code, message: message.into() }
    }

    /// `Err` unless `code` says that all is well.
    pub(super) fn check(code: Code) -> Result<(), Failure> {
        match code {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            _ => Err(Failure::of(code)),
        }
    }

    /// The number in Kafka's protocol, or librdkafka's own negative one.
    pub fn code(&self) -> i32 {
        self.code as i32
    }

    /// What happened, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the record is larger than the client or topic allows; the next one may fit.
    pub fn is_record_too_large(&self) -> bool {
        matches!(self.code, Code::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE | Code::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
    }

    /// Whether another producer with the same transactional id has taken over, or the transaction took too long.
    pub fn is_fenced(&self) -> bool {
        self.kind() == Kind::Fenced
    }

    /// Whether the topic is there already.
    pub fn is_topic_exists(&self) -> bool {
        self.code == Code::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS
    }

    /// Whether the topic is not there.
    pub fn is_unknown_topic(&self) -> bool {
        matches!(
            self.code,
            Code::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | Code::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                | Code::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
        )
    }

    /// Whether the principal lacks rights for, or the broker does not offer, creating topics.
    pub fn is_not_allowed(&self) -> bool {
        matches!(
            self.code,
            Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
                | Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
                | Code::RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION
                | Code::RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE
        )
    }

    /// Whether the group cannot be changed because it has members, or is not there.
    pub fn is_group_busy(&self) -> bool {
        matches!(
            self.code,
            Code::RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP
                | Code::RD_KAFKA_RESP_ERR_GROUP_SUBSCRIBED_TO_TOPIC
                | Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
        )
    }

    /// What the engine acts on.
    pub fn kind(&self) -> Kind {
        match self.code {
            Code::RD_KAFKA_RESP_ERR__AUTHENTICATION
            | Code::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            | Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED => Kind::Auth,
            Code::RD_KAFKA_RESP_ERR__TRANSPORT
            | Code::RD_KAFKA_RESP_ERR__TIMED_OUT
            | Code::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
            | Code::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
            | Code::RD_KAFKA_RESP_ERR__RESOLVE
            | Code::RD_KAFKA_RESP_ERR__WAIT_COORD
            | Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
            | Code::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
            | Code::RD_KAFKA_RESP_ERR_NOT_COORDINATOR
            | Code::RD_KAFKA_RESP_ERR_NOT_CONTROLLER
            | Code::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
            | Code::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
            | Code::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE
            | Code::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
            | Code::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
            | Code::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
            | Code::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION => Kind::Remote,
            Code::RD_KAFKA_RESP_ERR__FENCED
            | Code::RD_KAFKA_RESP_ERR_PRODUCER_FENCED
            | Code::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH => Kind::Fenced,
            _ => Kind::Fatal,
        }
    }

    /// As an error, with `what` was tried in front.
    pub fn into_error(self, what: impl fmt::Display) -> Error {
        Error::new(self.kind(), format!("{what}: {}", self.message))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[allow(unsafe_code, reason = "librdkafka's texts are static C strings")]
fn describe(code: Code) -> String {
    // SAFETY: rd_kafka_err2str returns a static, NUL-terminated string for every code.
    unsafe { CStr::from_ptr(native::rd_kafka_err2str(code)) }.to_string_lossy().into_owned()
}
