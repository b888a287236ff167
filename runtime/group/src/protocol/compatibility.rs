use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use couplet_api::{Error, Result};

use super::WorkerState;

/// How a group shares its work, by rising age: `connect.protocol`, in Java `ConnectProtocolCompatibility`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectProtocol {
    /// Version 0: everything is revoked before everything is assigned.
    Eager,
    /// Version 1: incremental and cooperative (KIP-415).
    Compatible,
    /// Version 2: as version 1, and requests between workers are signed (KIP-507).
    Sessioned,
}

impl ConnectProtocol {
    /// The value of `connect.protocol`.
    pub const fn setting(self) -> &'static str {
        match self {
            ConnectProtocol::Eager => "eager",
            ConnectProtocol::Compatible => "compatible",
            ConnectProtocol::Sessioned => "sessioned",
        }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            ConnectProtocol::Eager => "default",
            ConnectProtocol::Compatible => "compatible",
            ConnectProtocol::Sessioned => "sessioned",
        }
    }

    /// The version in front of metadata and assignments.
    pub const fn version(self) -> i16 {
        match self {
            ConnectProtocol::Eager => 0,
            ConnectProtocol::Compatible => 1,
            ConnectProtocol::Sessioned => 2,
        }
    }

    /// Whether work stays where it is until it is revoked.
    pub fn is_cooperative(self) -> bool {
        self != ConnectProtocol::Eager
    }

    /// The protocol of a name on the wire.
    ///
    /// # Errors
    /// `Kind::Data` for a name that no worker offers.
    pub fn from_name(name: &str) -> Result<Self> {
        let all = [ConnectProtocol::Eager, ConnectProtocol::Compatible, ConnectProtocol::Sessioned];
        let found = all.into_iter().find(|protocol| protocol.name() == name);
        found.ok_or_else(|| Error::data(format!("Not a supported protocol: {name}")))
    }

    /// What a worker with this setting offers when it joins, the best first.
    pub fn offered(self) -> &'static [ConnectProtocol] {
        const ALL: [ConnectProtocol; 3] =
            [ConnectProtocol::Sessioned, ConnectProtocol::Compatible, ConnectProtocol::Eager];
        match self {
            ConnectProtocol::Sessioned => &ALL,
            ConnectProtocol::Compatible => &ALL[1..],
            ConnectProtocol::Eager => &ALL[2..],
        }
    }

    /// The protocols of a JoinGroup request: names and metadata, the best first.
    ///
    /// # Errors
    /// As [`WorkerState::encode`].
    pub fn join_protocols(self, state: &WorkerState) -> Result<Vec<(&'static str, Bytes)>> {
        self.offered().iter().map(|protocol| Ok((protocol.name(), state.encode(*protocol)?))).collect()
    }
}

impl FromStr for ConnectProtocol {
    type Err = Error;

    /// Reads `connect.protocol`, in any case as the JVM does.
    fn from_str(text: &str) -> Result<Self> {
        let all = [ConnectProtocol::Eager, ConnectProtocol::Compatible, ConnectProtocol::Sessioned];
        let found = all.into_iter().find(|protocol| protocol.setting().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| {
            Error::config(format!(
                "Invalid value {text} for configuration connect.protocol: String must be one of: EAGER, COMPATIBLE, SESSIONED"
            ))
        })
    }
}

impl fmt::Display for ConnectProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.setting())
    }
}
