//! An error as responses carry it: a code, and a sentence where the response has room for one.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// Why a request, or a part of it, was refused.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    error: ResponseError,
    message: String,
}

impl ApiError {
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> ApiError {
        ApiError { error, message: message.into() }
    }

    pub(crate) fn unknown_topic() -> ApiError {
        ApiError::new(ResponseError::UnknownTopicOrPartition, "This server does not host this topic-partition.")
    }

    pub(crate) fn code(&self) -> i16 {
        self.error.code()
    }

    pub(crate) fn message(&self) -> StrBytes {
        StrBytes::from_string(self.message.clone())
    }
}

impl From<ResponseError> for ApiError {
    fn from(error: ResponseError) -> ApiError {
        ApiError::new(error, error.to_string())
    }
}

/// The code of a result: 0 when all went well.
pub(super) fn code_of<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}
