//! A client that says exactly what it is told to, for requests and versions that librdkafka does not send.

use bytes::{Bytes, BytesMut};
use couplet_devbroker::{Broker, BrokerConfig};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Wire {
    stream: TcpStream,
    correlation_id: i32,
}

impl Wire {
    pub async fn connect(bootstrap: &str) -> Wire {
        Wire { stream: TcpStream::connect(bootstrap).await.unwrap(), correlation_id: 0 }
    }

    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let key = ApiKey::try_from(R::KEY).unwrap();
        self.call_as(version, version, request).await.unwrap_or_else(|| panic!("{key:?} version {version}: no answer"))
    }

    /// Sends a request under a version that need not exist, and reads the answer as `answer_version`.
    /// `None` when the broker hangs up instead.
    pub async fn call_as<R: Request>(&mut self, named: i16, answer_version: i16, request: &R) -> Option<R::Response> {
        self.correlation_id += 1;
        let mut frame = Vec::new();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(named)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("wire")));
        header.encode(&mut frame, R::header_version(answer_version)).unwrap();
        let key = ApiKey::try_from(R::KEY).unwrap();
        request.encode(&mut frame, answer_version).unwrap_or_else(|error| panic!("{key:?} {answer_version}: {error}"));
        self.send_frame(&frame).await;
        let mut answer = self.receive_frame().await?;
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(answer_version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        let response = R::Response::decode(&mut answer, answer_version).unwrap();
        assert!(answer.is_empty(), "{key:?} version {answer_version}: {} bytes too many", answer.len());
        Some(response)
    }

    pub async fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next answer without its length; `None` when the broker hung up.
    pub async fn receive_frame(&mut self) -> Option<Bytes> {
        let length = self.stream.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }
}

pub fn named(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn topic_name(name: &str) -> TopicName {
    TopicName(named(name))
}

/// One record of producer `id`, numbered `sequence`; without producer for -1.
pub fn batch(producer_id: i64, producer_epoch: i16, sequence: i32, transactional: bool) -> Bytes {
    let record = Record {
        transactional,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id,
        producer_epoch,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence,
        timestamp: 1_700_000_000_000,
        key: Some(Bytes::from_static(b"k")),
        value: Some(Bytes::from_static(b"v")),
        headers: Default::default(),
    };
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, &[record], &options).unwrap();
    bytes.freeze()
}

pub fn produce(topic: &str, records: Bytes) -> ProduceRequest {
    let partition = produce_request::PartitionProduceData::default().with_records(Some(records));
    let topic =
        produce_request::TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

pub async fn produced(wire: &mut Wire, version: i16, request: &ProduceRequest) -> Result<i64, ResponseError> {
    let response = wire.call(version, request).await;
    let partition = &response.responses[0].partition_responses[0];
    ResponseError::try_from_code(partition.error_code).map_or(Ok(partition.base_offset), Err)
}

/// A broker in memory with the topic "t", and a connection to it.
pub async fn started() -> (Broker, Wire) {
    let broker = Broker::start(BrokerConfig::default()).await.unwrap();
    let bootstrap = broker.address().to_string();
    super::create_topic(&bootstrap, "t", 1, &[]).await;
    let wire = Wire::connect(&bootstrap).await;
    (broker, wire)
}

pub fn join(group: &str, member_id: &StrBytes, protocol_type: &'static str) -> JoinGroupRequest {
    let protocol = |name: &'static str| {
        let name = StrBytes::from_static_str(name);
        JoinGroupRequestProtocol::default().with_name(name).with_metadata(Bytes::from_static(b"\0\x01state"))
    };
    JoinGroupRequest::default()
        .with_group_id(GroupId(named(group)))
        .with_session_timeout_ms(6_000)
        .with_rebalance_timeout_ms(20_000)
        .with_member_id(member_id.clone())
        .with_protocol_type(StrBytes::from_static_str(protocol_type))
        .with_protocols(vec![protocol("sessioned"), protocol("compatible"), protocol("default")])
}

pub fn sync(group: &str, joined: &JoinGroupResponse, assignments: &[(&StrBytes, &'static str)]) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member, assignment)| {
        SyncGroupRequestAssignment::default()
            .with_member_id((*member).clone())
            .with_assignment(Bytes::from_static(assignment.as_bytes()))
    });
    SyncGroupRequest::default()
        .with_group_id(GroupId(named(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_protocol_type(joined.protocol_type.clone())
        .with_protocol_name(joined.protocol_name.clone())
        .with_assignments(assignments.collect())
}
