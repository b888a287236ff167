//! The list of requests with the versions we implement, and the way from bytes to handler and back to bytes.
//!
//! Versions end where a later one would need what a single development node does not have, such as features of the
//! second transaction protocol. Both librdkafka 2 and the Java clients negotiate downwards.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, VersionRange};

use super::{
    Context, api_versions, cluster, configs, coordinators, fetch, group_admin, list_offsets, log_dirs, membership,
    metadata, offsets, produce, records, topics, transactions,
};
use crate::shared::Shared;

/// Why a request gets no answer: the connection is closed, as Kafka closes it.
#[derive(Debug)]
pub(crate) struct Undecodable(pub(crate) String);

macro_rules! call {
    (now, $handler:path, $context:expr, $request:expr) => {
        $handler($context, $request)
    };
    (wait, $handler:path, $context:expr, $request:expr) => {
        $handler($context, $request).await
    };
}

/// Each row: request, versions, whether the handler waits for something, handler.
macro_rules! routes {
    ($($key:ident, $request:ty, $min:literal..=$max:literal, $mode:ident $handler:path;)*) => {
        /// Every request with the versions that are implemented.
        pub(crate) const ROUTES: &[(ApiKey, VersionRange)] =
            &[$((ApiKey::$key, VersionRange { min: $min, max: $max })),*];

        async fn route(key: ApiKey, context: &Context<'_>, body: Bytes, out: &mut Reply<'_>) -> Result<(), Undecodable> {
            match key {
                $(ApiKey::$key => {
                    let request: $request = decode(key, body, context.version)?;
                    let response: Option<<$request as Request>::Response> =
                        call!($mode, $handler, context, request).into();
                    response.map_or(Ok(()), |response| out.encode(&response, context.version))
                })*
                _ => Err(Undecodable(format!("{key:?} is not offered"))),
            }
        }

        /// Decodes the body of a request and drops it.
        #[cfg(any(test, feature = "fuzzing"))]
        pub(crate) fn decode_only(key: ApiKey, body: Bytes, version: i16) -> Result<(), Undecodable> {
            match key {
                $(ApiKey::$key => decode::<$request>(key, body, version).map(drop),)*
                _ => Ok(()),
            }
        }

        /// The body of an empty request in the latest version.
        #[cfg(any(test, feature = "fuzzing"))]
        pub(crate) fn empty(key: ApiKey, version: i16, out: &mut BytesMut) {
            match key {
                $(ApiKey::$key => <$request>::default().encode(out, version).unwrap_or_default(),)*
                _ => {}
            }
        }
    };
}

routes! {
    ApiVersions, ApiVersionsRequest, 0..=4, now api_versions::handle;
    Metadata, MetadataRequest, 0..=12, now metadata::handle;
    Produce, ProduceRequest, 3..=11, now produce::handle;
    Fetch, FetchRequest, 4..=17, wait fetch::handle;
    ListOffsets, ListOffsetsRequest, 1..=8, now list_offsets::handle;
    OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, 2..=4, now list_offsets::for_leader_epoch;
    FindCoordinator, FindCoordinatorRequest, 0..=4, now coordinators::find;
    JoinGroup, JoinGroupRequest, 0..=9, wait membership::join;
    SyncGroup, SyncGroupRequest, 0..=5, wait membership::sync;
    Heartbeat, HeartbeatRequest, 0..=4, now membership::heartbeat;
    LeaveGroup, LeaveGroupRequest, 0..=5, now membership::leave;
    OffsetCommit, OffsetCommitRequest, 2..=9, now offsets::commit;
    OffsetFetch, OffsetFetchRequest, 1..=9, now offsets::fetch;
    OffsetDelete, OffsetDeleteRequest, 0..=0, now offsets::delete;
    DescribeGroups, DescribeGroupsRequest, 0..=6, now group_admin::describe;
    ListGroups, ListGroupsRequest, 0..=5, now group_admin::list;
    DeleteGroups, DeleteGroupsRequest, 0..=2, now group_admin::delete;
    InitProducerId, InitProducerIdRequest, 0..=4, now transactions::init_producer_id;
    AddPartitionsToTxn, AddPartitionsToTxnRequest, 0..=3, now transactions::add_partitions;
    AddOffsetsToTxn, AddOffsetsToTxnRequest, 0..=3, now transactions::add_offsets;
    TxnOffsetCommit, TxnOffsetCommitRequest, 0..=3, now transactions::commit_offsets;
    EndTxn, EndTxnRequest, 0..=3, now transactions::end;
    CreateTopics, CreateTopicsRequest, 2..=7, now topics::create;
    DeleteTopics, DeleteTopicsRequest, 1..=6, now topics::delete;
    CreatePartitions, CreatePartitionsRequest, 0..=3, now topics::create_partitions;
    DeleteRecords, DeleteRecordsRequest, 0..=2, now records::delete;
    DescribeConfigs, DescribeConfigsRequest, 1..=4, now configs::describe;
    AlterConfigs, AlterConfigsRequest, 0..=2, now configs::alter;
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, 0..=1, now configs::alter_incrementally;
    DescribeCluster, DescribeClusterRequest, 0..=1, now cluster::describe;
    DescribeLogDirs, DescribeLogDirsRequest, 1..=4, now log_dirs::describe;
}

/// A response being written behind the bytes already in the buffer.
struct Reply<'a> {
    out: &'a mut BytesMut,
    correlation_id: i32,
}

impl Reply<'_> {
    /// Writes length, header and body.
    fn encode<M: Encodable + HeaderVersion>(&mut self, response: &M, version: i16) -> Result<(), Undecodable> {
        let unencodable = |error: &dyn std::fmt::Display| Undecodable(format!("response cannot be encoded: {error}"));
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        header.encode(self.out, M::header_version(version)).map_err(|error| unencodable(&error))?;
        response.encode(self.out, version).map_err(|error| unencodable(&error))?;
        let length = self.out.len() - start - 4;
        let length = u32::try_from(length).map_err(|error| unencodable(&error))?;
        self.out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// Answers one request. `frame` is the request without its length; the response, when there is one, goes to `out`.
///
/// # Errors
/// For anything that cannot be decoded, or a version that is not offered; nobody can answer those.
pub(crate) async fn answer(
    shared: &Shared,
    client_host: &kafka_protocol::protocol::StrBytes,
    mut frame: Bytes,
    out: &mut BytesMut,
) -> Result<(), Undecodable> {
    let (key, version, correlation_id) = peek(&frame)?;
    let range = ROUTES.iter().find(|(known, _)| *known == key).map(|(_, range)| range);
    let range = range.ok_or_else(|| Undecodable(format!("{key:?} is not offered")))?;
    let mut reply = Reply { out, correlation_id };
    if version < range.min || version > range.max {
        if key == ApiKey::ApiVersions {
            // The one request that is answered in any version, in version 0, so that the client can come down to ours.
            return reply.encode(&api_versions::unsupported(), 0);
        }
        return Err(Undecodable(format!("{key:?} version {version} is not offered")));
    }
    let header = RequestHeader::decode(&mut frame, key.request_header_version(version))
        .map_err(|error| Undecodable(format!("request header: {error}")))?;
    let client_id = header.client_id.unwrap_or_default();
    let context = Context { shared, version, client_id, client_host: client_host.clone() };
    Box::pin(route(key, &context, frame, &mut reply)).await
}

/// Decodes a whole request as [`answer`] does, and drops it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn decode_frame(mut frame: Bytes) -> Result<(), Undecodable> {
    let (key, version, _) = peek(&frame)?;
    let offered = ROUTES.iter().any(|(known, range)| *known == key && (range.min..=range.max).contains(&version));
    if !offered {
        return Err(Undecodable(format!("{key:?} version {version} is not offered")));
    }
    RequestHeader::decode(&mut frame, key.request_header_version(version))
        .map_err(|error| Undecodable(format!("request header: {error}")))?;
    decode_only(key, frame, version)
}

fn peek(frame: &Bytes) -> Result<(ApiKey, i16, i32), Undecodable> {
    let Some((head, _)) = frame.split_first_chunk::<8>() else {
        return Err(Undecodable("request shorter than its header".to_owned()));
    };
    let code = i16::from_be_bytes([head[0], head[1]]);
    let key = ApiKey::try_from(code).map_err(|()| Undecodable(format!("unknown request {code}")))?;
    Ok((key, i16::from_be_bytes([head[2], head[3]]), i32::from_be_bytes([head[4], head[5], head[6], head[7]])))
}

fn decode<R: Decodable>(key: ApiKey, mut body: Bytes, version: i16) -> Result<R, Undecodable> {
    couplet_framing::check::<R>(&body, version)
        .map_err(|error| Undecodable(format!("{key:?} version {version}: {error}")))?;
    R::decode(&mut body, version).map_err(|error| Undecodable(format!("{key:?} version {version}: {error}")))
}
