//! The protocol itself: every offered version, group membership of any type, refusals, nonsense.

mod support;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use support::wire::Wire;
use support::*;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// One record of producer `id`, numbered `sequence`; without producer for -1.
fn batch(producer_id: i64, producer_epoch: i16, sequence: i32, transactional: bool) -> Bytes {
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

fn produce(topic: &str, records: Bytes) -> ProduceRequest {
    let partition = produce_request::PartitionProduceData::default().with_records(Some(records));
    let topic =
        produce_request::TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1_000).with_topic_data(vec![topic])
}

async fn produced(wire: &mut Wire, version: i16, request: &ProduceRequest) -> Result<i64, ResponseError> {
    let response = wire.call(version, request).await;
    let partition = &response.responses[0].partition_responses[0];
    ResponseError::try_from_code(partition.error_code).map_or(Ok(partition.base_offset), Err)
}

/// Versions of a request that the broker offers.
async fn versions(wire: &mut Wire, key: ApiKey) -> std::ops::RangeInclusive<i16> {
    let offered = wire.call(3, &ApiVersionsRequest::default()).await;
    let found = offered.api_keys.iter().find(|offered| offered.api_key == key as i16).unwrap();
    found.min_version..=found.max_version
}

/// A broker in memory with the topic "t", and a connection to it.
async fn started() -> (couplet_devbroker::Broker, Wire) {
    let broker = couplet_devbroker::Broker::start(couplet_devbroker::BrokerConfig::default()).await.unwrap();
    let bootstrap = broker.address().to_string();
    create_topic(&bootstrap, "t", 1, &[]).await;
    let wire = Wire::connect(&bootstrap).await;
    (broker, wire)
}

#[tokio::test]
async fn unknown_versions_and_nonsense() {
    let (broker, mut wire) = started().await;
    let address = broker.address().to_string();
    let answer = wire.call_as(99, 0, &ApiVersionsRequest::default()).await.unwrap();
    assert_eq!(answer.error_code, ResponseError::UnsupportedVersion.code());
    assert!(answer.api_keys.iter().any(|offered| offered.api_key == ApiKey::ApiVersions as i16));
    assert!(wire.call_as(99, 0, &MetadataRequest::default()).await.is_none(), "other requests are hung up on");
    for nonsense in [&[][..], &[0, 3], &[0x7f, 0x7f, 0, 0, 0, 0, 0, 1, 0xff, 0xff], &[0, 3, 0, 9, 0, 0, 0, 1, 0, 50, 1]]
    {
        let mut wire = Wire::connect(&address).await;
        wire.send_frame(nonsense).await;
        assert!(wire.receive_frame().await.is_none(), "{nonsense:?}");
    }
    let mut wire = Wire::connect(&address).await;
    wire.call(0, &ApiVersionsRequest::default()).await;
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_reading_and_writing() {
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::Metadata).await {
        let by_name = metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("t")));
        let unknown = metadata_request::MetadataRequestTopic::default().with_name(Some(topic_name("not there")));
        let mut request = MetadataRequest::default().with_topics(Some(vec![by_name, unknown]));
        request.allow_auto_topic_creation = true;
        let answer = wire.call(version, &request).await;
        let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, ResponseError::InvalidTopicException.code()], "{version}");
        assert_eq!(answer.brokers[0].port, i32::from(broker.address().port()));
    }
    let mut offset = 0;
    for version in versions(&mut wire, ApiKey::Produce).await {
        assert_eq!(
            produced(&mut wire, version, &produce("t", batch(-1, -1, -1, false))).await,
            Ok(offset),
            "{version}"
        );
        let unknown = produce("nowhere", batch(-1, -1, -1, false));
        assert_eq!(produced(&mut wire, version, &unknown).await, Err(ResponseError::UnknownTopicOrPartition));
        offset += 1;
    }
    let id = wire.call(12, &MetadataRequest::default().with_topics(None)).await.topics[0].topic_id;
    for version in versions(&mut wire, ApiKey::Fetch).await {
        let partition = fetch_request::FetchPartition::default().with_partition_max_bytes(1 << 20);
        let missing = fetch_request::FetchPartition::default().with_partition(9).with_partition_max_bytes(1 << 20);
        let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition, missing]);
        let topic = if version >= 13 { topic.with_topic_id(id) } else { topic.with_topic(topic_name("t")) };
        let mut request =
            FetchRequest::default().with_max_bytes(1 << 20).with_isolation_level(1).with_topics(vec![topic]);
        request.session_epoch = -1;
        let answer = wire.call(version, &request).await;
        let partitions = &answer.responses[0].partitions;
        assert_eq!(partitions[0].high_watermark, offset, "{version}");
        assert!(!partitions[0].records.as_ref().unwrap().is_empty());
        assert_eq!(partitions[1].error_code, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(&mut wire, ApiKey::ListOffsets).await {
        for (timestamp, want) in [(-2, 0), (-1, offset), (0, 0), (1_800_000_000_000, -1)] {
            let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(timestamp);
            let topic = list_offsets_request::ListOffsetsTopic::default()
                .with_name(topic_name("t"))
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
            let answer = wire.call(version, &request).await;
            assert_eq!(answer.topics[0].partitions[0].offset, want, "{version}: {timestamp}");
        }
    }
    for version in versions(&mut wire, ApiKey::OffsetForLeaderEpoch).await {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default().with_leader_epoch(0);
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(topic_name("t"))
            .with_partitions(vec![partition]);
        let answer = wire.call(version, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.topics[0].partitions[0].end_offset, offset, "{version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn bad_batches() {
    let (broker, mut wire) = started().await;
    let good = batch(-1, -1, -1, false);
    let mut flipped = BytesMut::from(&good[..]);
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let mut old = BytesMut::from(&good[..]);
    old[16] = 1;
    let mut twice = BytesMut::from(&good[..]);
    twice.extend_from_slice(&good);
    for (claim, bytes, want) in [
        ("a flipped byte", flipped.freeze(), ResponseError::CorruptMessage),
        ("an old format", old.freeze(), ResponseError::UnsupportedForMessageFormat),
        ("two batches", twice.freeze(), ResponseError::InvalidRecord),
        ("nothing", Bytes::new(), ResponseError::CorruptMessage),
        ("too much", Bytes::from(vec![0; 2 << 20]), ResponseError::MessageTooLarge),
        ("no announced transaction", batch(5, 0, 0, true), ResponseError::InvalidTxnState),
    ] {
        assert_eq!(produced(&mut wire, 9, &produce("t", bytes)).await, Err(want), "{claim}");
    }
    let no_answer = produce("t", good.clone()).with_acks(0);
    let response = tokio::time::timeout(std::time::Duration::from_millis(200), wire.call_as(9, 9, &no_answer)).await;
    assert!(response.is_err(), "acks=0 is not answered");
    let mut wire = Wire::connect(&broker.address().to_string()).await;
    assert_eq!(produced(&mut wire, 9, &produce("t", good)).await, Ok(1), "but appended");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_and_missing_batches_of_idempotent_producers() {
    everywhere(async |bootstrap| {
        let topic = unique("sequences");
        create_topic(bootstrap, &topic, 1, &[]).await;
        let mut wire = Wire::connect(bootstrap).await;
        let init = InitProducerIdRequest::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
        let init = init.with_transactional_id(None).with_transaction_timeout_ms(i32::MAX);
        let id = wire.call(4, &init).await.producer_id.0;
        assert!(id >= 0);
        let mut send = async |sequence| produced(&mut wire, 9, &produce(&topic, batch(id, 0, sequence, false))).await;
        assert_eq!(send(0).await, Ok(0));
        assert_eq!(send(1).await, Ok(1));
        assert_eq!(send(0).await, Ok(0), "the first batch again");
        assert_eq!(send(3).await, Err(ResponseError::OutOfOrderSequenceNumber));
        assert_eq!(send(2).await, Ok(2));
        assert_eq!(watermarks(bootstrap, &topic, 0), (0, 3));
    })
    .await;
}

fn join(group: &str, member_id: &StrBytes, protocol_type: &'static str) -> JoinGroupRequest {
    let protocol = |name: &'static str| {
        let name = StrBytes::from_static_str(name);
        JoinGroupRequestProtocol::default().with_name(name).with_metadata(Bytes::from_static(b"\0\x01state"))
    };
    JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(6_000)
        .with_rebalance_timeout_ms(20_000)
        .with_member_id(member_id.clone())
        .with_protocol_type(StrBytes::from_static_str(protocol_type))
        .with_protocols(vec![protocol("sessioned"), protocol("compatible"), protocol("default")])
}

fn sync(group: &str, joined: &JoinGroupResponse, assignments: &[(&StrBytes, &'static str)]) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member, assignment)| {
        SyncGroupRequestAssignment::default()
            .with_member_id((*member).clone())
            .with_assignment(Bytes::from_static(assignment.as_bytes()))
    });
    SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_protocol_type(joined.protocol_type.clone())
        .with_protocol_name(joined.protocol_name.clone())
        .with_assignments(assignments.collect())
}

async fn heartbeat(wire: &mut Wire, group: &str, joined: &JoinGroupResponse) -> Option<ResponseError> {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone());
    ResponseError::try_from_code(wire.call(4, &request).await.error_code)
}

/// Joins under a fresh id, as clients do since JoinGroup v4.
async fn first_join(wire: &mut Wire, group: &str) -> StrBytes {
    let refused = wire.call(9, &join(group, &StrBytes::new(), "connect")).await;
    assert_eq!(refused.error_code, ResponseError::MemberIdRequired.code());
    refused.member_id
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_workers_form_a_group() {
    everywhere(async |bootstrap| {
        let group = unique("connect-cluster");
        let (mut one, mut two) = (Wire::connect(bootstrap).await, Wire::connect(bootstrap).await);
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(&group)]);
        let coordinator = until("a coordinator", async || {
            let found = one.call(4, &find).await.coordinators.remove(0);
            (found.error_code == 0).then_some(found)
        })
        .await;
        assert!(bootstrap.ends_with(&coordinator.port.to_string()));

        let first_id = first_join(&mut one, &group).await;
        let leader = one.call(9, &join(&group, &first_id, "connect")).await;
        assert_eq!((leader.error_code, leader.generation_id), (0, 1));
        assert_eq!((leader.protocol_name.as_deref(), &leader.leader), (Some("sessioned"), &first_id));
        assert_eq!(leader.members[0].metadata, Bytes::from_static(b"\0\x01state"));
        let synced = one.call(5, &sync(&group, &leader, &[(&first_id, "all")])).await;
        assert_eq!(synced.assignment, Bytes::from_static(b"all"));

        let stranger = two.call(3, &join(&group, &StrBytes::new(), "consumer")).await;
        assert_eq!(stranger.error_code, ResponseError::InconsistentGroupProtocol.code());
        let second_id = first_join(&mut two, &group).await;
        let second_join = join(&group, &second_id, "connect");
        let (follower, leader) = tokio::join!(two.call(9, &second_join), async {
            until("the rebalance", async || {
                let told = heartbeat(&mut one, &group, &leader).await;
                (told == Some(ResponseError::RebalanceInProgress)).then_some(())
            })
            .await;
            one.call(9, &join(&group, &first_id, "connect")).await
        });
        assert_eq!((follower.generation_id, leader.generation_id), (2, 2));
        assert_eq!((follower.members.len(), leader.members.len()), (0, 2));
        let follower_sync = sync(&group, &follower, &[]);
        let leader_sync = sync(&group, &leader, &[(&first_id, "one"), (&second_id, "two")]);
        let (theirs, ours) = tokio::join!(two.call(5, &follower_sync), one.call(5, &leader_sync));
        assert_eq!((&ours.assignment[..], &theirs.assignment[..]), (&b"one"[..], &b"two"[..]));
        assert_eq!(heartbeat(&mut two, &group, &follower).await, None);

        let described = one.call(5, &DescribeGroupsRequest::default().with_groups(vec![GroupId(text(&group))])).await;
        let described = &described.groups[0];
        assert_eq!((&*described.group_state, &*described.protocol_type), ("Stable", "connect"));
        assert_eq!(described.members.len(), 2);

        let leaving = LeaveGroupRequest::default()
            .with_group_id(GroupId(text(&group)))
            .with_members(vec![MemberIdentity::default().with_member_id(first_id.clone())]);
        assert_eq!(one.call(5, &leaving).await.members[0].error_code, 0);
        assert_eq!(heartbeat(&mut two, &group, &follower).await, Some(ResponseError::RebalanceInProgress));
        assert_eq!(heartbeat(&mut one, &group, &leader).await, Some(ResponseError::UnknownMemberId));
        let alone = two.call(9, &join(&group, &second_id, "connect")).await;
        assert_eq!((alone.generation_id, &alone.leader), (3, &second_id));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_member_is_removed_and_its_group_goes_on() {
    everywhere(async |bootstrap| {
        let group = unique("silent");
        let (mut one, mut two) = (Wire::connect(bootstrap).await, Wire::connect(bootstrap).await);
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(&group)]);
        until("a coordinator", async || (one.call(4, &find).await.coordinators[0].error_code == 0).then_some(())).await;
        let first_id = first_join(&mut one, &group).await;
        let first = one.call(9, &join(&group, &first_id, "connect")).await;
        one.call(5, &sync(&group, &first, &[])).await;
        // The first member never comes back; the second waits in its join until the other's session is over.
        let second_id = first_join(&mut two, &group).await;
        let second = two.call(9, &join(&group, &second_id, "connect")).await;
        assert_eq!((second.error_code, second.generation_id, second.members.len()), (0, 2, 1));
        assert_eq!(heartbeat(&mut one, &group, &first).await, Some(ResponseError::UnknownMemberId));
    })
    .await;
}

#[tokio::test]
async fn every_version_of_group_requests() {
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::JoinGroup).await {
        let group = format!("group-{version}");
        let mut request = join(&group, &StrBytes::new(), "connect");
        if version == 0 {
            request.rebalance_timeout_ms = -1;
        }
        let mut joined = wire.call(version, &request).await;
        if version >= 4 {
            assert_eq!(joined.error_code, ResponseError::MemberIdRequired.code());
            joined = wire.call(version, &request.with_member_id(joined.member_id)).await;
        }
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "{version}");
        let mut request = sync(&group, &joined, &[(&joined.member_id, "mine")]);
        let sync_version = version.min(5);
        if sync_version < 5 {
            request = request.with_protocol_type(None).with_protocol_name(None);
        }
        let synced = wire.call(sync_version, &request).await;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"mine"[..]), "{version}");
        let heartbeat = HeartbeatRequest::default()
            .with_group_id(GroupId(text(&group)))
            .with_generation_id(1)
            .with_member_id(joined.member_id.clone());
        assert_eq!(wire.call(version.min(4), &heartbeat).await.error_code, 0);
        let described =
            DescribeGroupsRequest::default().with_groups(vec![GroupId(text(&group)), GroupId(text("none"))]);
        let described = wire.call(version.min(6), &described).await;
        assert_eq!((&*described.groups[0].group_state, &*described.groups[1].group_state), ("Stable", "Dead"));
        let leave_version = version.min(5);
        let leaving = LeaveGroupRequest::default().with_group_id(GroupId(text(&group)));
        let leaving = if leave_version < 3 {
            leaving.with_member_id(joined.member_id)
        } else {
            leaving.with_members(vec![MemberIdentity::default().with_member_id(joined.member_id)])
        };
        assert_eq!(wire.call(leave_version, &leaving).await.error_code, 0);
        let listed = wire.call(version.min(5), &ListGroupsRequest::default()).await;
        assert!(listed.groups.iter().any(|listed| *listed.group_id.0 == *group));
        let deleting = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(&group))]);
        assert_eq!(wire.call(version.min(2), &deleting).await.results[0].error_code, 0, "{version}");
    }
    for version in versions(&mut wire, ApiKey::FindCoordinator).await {
        let request = FindCoordinatorRequest::default();
        let request =
            if version < 4 { request.with_key(text("g")) } else { request.with_coordinator_keys(vec![text("g")]) };
        wire.call(version, &request).await;
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_offset_requests() {
    use offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
    use offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics};
    let (broker, mut wire) = started().await;
    let group = GroupId(text("offsets"));
    for version in versions(&mut wire, ApiKey::OffsetCommit).await {
        let commit = |topic: &str| {
            let partition = OffsetCommitRequestPartition::default()
                .with_committed_offset(i64::from(version))
                .with_committed_metadata(Some(text("note")));
            let topic =
                OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
            OffsetCommitRequest::default()
                .with_group_id(group.clone())
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![topic])
        };
        assert_eq!(wire.call(version, &commit("t")).await.topics[0].partitions[0].error_code, 0, "{version}");
        let unknown = wire.call(version, &commit("nowhere")).await.topics[0].partitions[0].error_code;
        assert_eq!(unknown, ResponseError::UnknownTopicOrPartition.code());
    }
    for version in versions(&mut wire, ApiKey::OffsetFetch).await {
        for all in [false, true] {
            if all && version < 2 {
                continue; // version 1 cannot ask for all
            }
            let offsets: Vec<i64> = if version < 8 {
                let topic =
                    OffsetFetchRequestTopic::default().with_name(topic_name("t")).with_partition_indexes(vec![0, 7]);
                let topics = (!all).then(|| vec![topic]);
                let request = OffsetFetchRequest::default().with_group_id(group.clone()).with_topics(topics);
                let answer = wire.call(version, &request).await;
                answer.topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
            } else {
                let topic =
                    OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0, 7]);
                let topics = (!all).then(|| vec![topic]);
                let asked = OffsetFetchRequestGroup::default().with_group_id(group.clone()).with_topics(topics);
                let answer = wire.call(version, &OffsetFetchRequest::default().with_groups(vec![asked])).await;
                answer.groups[0].topics[0].partitions.iter().map(|partition| partition.committed_offset).collect()
            };
            assert_eq!(offsets, if all { vec![9] } else { vec![9, -1] }, "{version}");
        }
    }
    let partition = offset_delete_request::OffsetDeleteRequestPartition::default();
    let topic = offset_delete_request::OffsetDeleteRequestTopic::default()
        .with_name(topic_name("t"))
        .with_partitions(vec![partition]);
    let delete =
        |group: &GroupId| OffsetDeleteRequest::default().with_group_id(group.clone()).with_topics(vec![topic.clone()]);
    assert_eq!(wire.call(0, &delete(&group)).await.topics[0].partitions[0].error_code, 0);
    let unknown = wire.call(0, &delete(&GroupId(text("none")))).await.error_code;
    assert_eq!(unknown, ResponseError::GroupIdNotFound.code());
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_transactional_requests() {
    use txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic};
    let (broker, mut wire) = started().await;
    for version in versions(&mut wire, ApiKey::AddPartitionsToTxn).await {
        let id = TransactionalId(text(&format!("id-{version}")));
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(id.clone()))
            .with_transaction_timeout_ms(10_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let producer = wire.call(version.min(4), &init).await;
        assert_eq!((producer.error_code, producer.producer_epoch), (0, 0));
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![0]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(id.clone())
            .with_v3_and_below_producer_id(producer.producer_id)
            .with_v3_and_below_topics(vec![topic]);
        let added = wire.call(version, &add).await;
        assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
        let records = batch(producer.producer_id.0, 0, 0, true);
        let request = produce("t", records).with_transactional_id(Some(id.clone()));
        assert!(produced(&mut wire, 9, &request).await.is_ok());
        let group = GroupId(text("g"));
        let offsets = AddOffsetsToTxnRequest::default()
            .with_transactional_id(id.clone())
            .with_producer_id(producer.producer_id)
            .with_group_id(group.clone());
        assert_eq!(wire.call(version, &offsets).await.error_code, 0);
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(5);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
        let commit = TxnOffsetCommitRequest::default()
            .with_transactional_id(id.clone())
            .with_group_id(group)
            .with_producer_id(producer.producer_id)
            .with_topics(vec![topic]);
        assert_eq!(wire.call(version, &commit).await.topics[0].partitions[0].error_code, 0, "{version}");
        let end = EndTxnRequest::default()
            .with_transactional_id(id)
            .with_producer_id(producer.producer_id)
            .with_committed(true);
        assert_eq!(wire.call(version, &end).await.error_code, 0);
        let stranger = wire.call(version, &end.with_producer_epoch(7)).await.error_code;
        let fenced = if version >= 2 { ResponseError::ProducerFenced } else { ResponseError::InvalidProducerEpoch };
        assert_eq!(stranger, fenced.code(), "{version}");
    }
    broker.stop().await;
}

#[tokio::test]
async fn every_version_of_administration() {
    use create_topics_request::CreatableTopic;
    let (broker, mut wire) = started().await;
    let created = |name: &str| {
        CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(1).with_replication_factor(1)
    };
    for version in versions(&mut wire, ApiKey::CreateTopics).await {
        let name = format!("made-{version}");
        let request = CreateTopicsRequest::default().with_topics(vec![created(&name), created("t")]);
        let answer = wire.call(version, &request).await;
        let codes: Vec<i16> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [0, ResponseError::TopicAlreadyExists.code()], "{version}");
    }
    for version in versions(&mut wire, ApiKey::DeleteTopics).await {
        let name = topic_name(&format!("made-{}", version + 1));
        let state = delete_topics_request::DeleteTopicState::default();
        let unknown = state.clone().with_topic_id(uuid::Uuid::new_v4());
        let request = match version {
            6.. => DeleteTopicsRequest::default().with_topics(vec![state.with_name(Some(name)), unknown]),
            _ => DeleteTopicsRequest::default().with_topic_names(vec![name, topic_name("nowhere")]),
        };
        let answer = wire.call(version, &request).await;
        assert_eq!(answer.responses[0].error_code, 0, "{version}");
        assert_ne!(answer.responses[1].error_code, 0, "{version}");
    }
    for (count, version) in (2..).zip(versions(&mut wire, ApiKey::CreatePartitions).await) {
        let topic = create_partitions_request::CreatePartitionsTopic::default()
            .with_name(topic_name("t"))
            .with_count(count)
            .with_assignments(None);
        let answer = wire.call(version, &CreatePartitionsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.results[0].error_code, 0, "{version}");
    }
    for version in versions(&mut wire, ApiKey::DescribeConfigs).await {
        let resource = |resource_type, name: &str| {
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(resource_type)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        };
        let resources = vec![resource(2, "t"), resource(4, "1"), resource(2, "nowhere"), resource(8, "1")];
        let answer = wire.call(version, &DescribeConfigsRequest::default().with_resources(resources)).await;
        let ok: Vec<bool> = answer.results.iter().map(|result| result.error_code == 0).collect();
        assert_eq!(ok, [true, true, false, false], "{version}");
        assert!(answer.results[0].configs.len() > 20 && !answer.results[1].configs.is_empty());
    }
    for version in versions(&mut wire, ApiKey::IncrementalAlterConfigs).await {
        use incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
        let alter = |name: &str, operation, value: &str| {
            let config = AlterableConfig::default().with_name(text(name)).with_config_operation(operation);
            let config = config.with_value(Some(text(value)));
            let resource = AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text("t"))
                .with_configs(vec![config]);
            IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
        };
        assert_eq!(wire.call(version, &alter("cleanup.policy", 2, "compact")).await.responses[0].error_code, 0);
        let unknown = wire.call(version, &alter("no.such.key", 0, "1")).await.responses[0].error_code;
        assert_eq!(unknown, ResponseError::InvalidConfig.code());
    }
    for version in versions(&mut wire, ApiKey::DescribeCluster).await {
        let answer = wire.call(version, &DescribeClusterRequest::default()).await;
        assert_eq!((&*answer.cluster_id, answer.brokers.len()), (broker.cluster_id(), 1));
    }
    for version in versions(&mut wire, ApiKey::DescribeLogDirs).await {
        let answer = wire.call(version, &DescribeLogDirsRequest::default().with_topics(None)).await;
        assert!(answer.results[0].topics.iter().any(|topic| *topic.name.0 == *"t"), "{version}");
    }
    for version in versions(&mut wire, ApiKey::DeleteRecords).await {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(-1);
        let topic = delete_records_request::DeleteRecordsTopic::default()
            .with_name(topic_name("t"))
            .with_partitions(vec![partition]);
        let answer = wire.call(version, &DeleteRecordsRequest::default().with_topics(vec![topic])).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 0, "{version}");
    }
    broker.stop().await;
}
