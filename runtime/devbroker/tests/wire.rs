//! The protocol itself: group membership of any type, refusals, nonsense.

mod support;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use support::wire::*;
use support::*;

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

async fn heartbeat(wire: &mut Wire, group: &str, joined: &JoinGroupResponse) -> Option<ResponseError> {
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(named(group)))
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
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![named(&group)]);
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

        let described = one.call(5, &DescribeGroupsRequest::default().with_groups(vec![GroupId(named(&group))])).await;
        let described = &described.groups[0];
        assert_eq!((&*described.group_state, &*described.protocol_type), ("Stable", "connect"));
        assert_eq!(described.members.len(), 2);

        let leaving = LeaveGroupRequest::default()
            .with_group_id(GroupId(named(&group)))
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
        let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![named(&group)]);
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
