use std::fmt;

use bytes::Bytes;
use couplet_api::Result;

use super::schema::{Reader, put_length, put_string};
use super::{Assignment, ConnectProtocol};

/// What a worker says about itself when it joins, in Java `ExtendedWorkerState`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerState {
    /// URL of its REST server.
    pub url: String,
    /// Offset up to which it has read the config topic.
    pub config_offset: i64,
    /// The work it has; `None` when it has never had any. Not part of version 0.
    pub allocation: Option<Assignment>,
}

impl WorkerState {
    /// The metadata under `protocol`.
    ///
    /// # Errors
    /// `Kind::Data` when a text is longer than 32767 bytes.
    pub fn encode(&self, protocol: ConnectProtocol) -> Result<Bytes> {
        let mut out = Vec::new();
        out.extend(protocol.version().to_be_bytes());
        put_string(&mut out, "url", &self.url)?;
        out.extend(self.config_offset.to_be_bytes());
        if protocol.is_cooperative() {
            match &self.allocation {
                None => out.extend((-1_i32).to_be_bytes()),
                Some(assignment) => {
                    let bytes = assignment.encode(protocol)?;
                    put_length(&mut out, "allocation", bytes.len())?;
                    out.extend(bytes);
                }
            }
        }
        Ok(out.into())
    }

    /// Reads the metadata of a member of a group that uses `protocol`.
    ///
    /// # Errors
    /// `Kind::Data` with the JVM's text.
    pub fn decode(bytes: &[u8], protocol: ConnectProtocol) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let url = reader.field("url", Reader::string)?;
        let config_offset = reader.field("config-offset", Reader::i64)?;
        let allocation = match protocol.is_cooperative() {
            true => reader.optional("allocation", Reader::nullable_bytes)?.map(Assignment::decode).transpose()?,
            false => None,
        };
        Ok(WorkerState { url, config_offset, allocation })
    }
}

/// As the JVM logs it: who has had no work prints as having the empty assignment.
impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkerState{{url='{}', offset={}, ", self.url, self.config_offset)?;
        match &self.allocation {
            Some(assignment) => write!(f, "{assignment}}}"),
            None => {
                let empty = Assignment::new(ConnectProtocol::Compatible, "null", "null", -1);
                write!(f, "{empty}}}")
            }
        }
    }
}
