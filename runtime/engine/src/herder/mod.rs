//! Herders own connectors: which there are, what they shall do, what they do.

mod interface;

pub use interface::{
    ClusterSnapshot, ConnectorInfo, ConnectorSnapshot, ConnectorState, ConnectorStatus, ConnectorType, Herder,
    HerderError, NewConnector, OffsetEntry, RestartRequest, TaskInfo, TaskStatus,
};
