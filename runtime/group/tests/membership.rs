//! Members of one group, on the embedded broker and on a real one.

mod support;

use std::time::Duration;

use couplet_devbroker::{Broker, BrokerConfig, Storage};
use couplet_group::admin;
use couplet_group::membership::MemberState;
use support::{PATIENCE, Worker, client, for_each_broker, settings, start, tasks_after, unique};

fn generation(seen: &support::Seen) -> i32 {
    seen.assigned.as_ref().map_or(-1, |assigned| assigned.generation)
}

#[tokio::test]
async fn members_share_the_work_and_take_it_over() {
    for_each_broker(async |bootstrap| {
        for protocol in ["sessioned", "compatible", "eager"] {
            let props = settings(&bootstrap, &unique("group"), &[("connect.protocol", protocol)]);
            let (one, two) = (Worker::new(4), Worker::new(4));
            let first = start(&props, &one);
            let seen = one.until("a group of one", |seen| tasks_after(seen, 0) == Some(4)).await;
            assert!(seen.assigned.as_ref().expect("assigned").is_leader());
            let second = start(&props, &two);
            one.until("the first gives two tasks up", |seen| tasks_after(seen, generation(seen) - 1) == Some(2)).await;
            two.until("the second has two tasks", |seen| tasks_after(seen, 0) == Some(2)).await;
            let status = first.handle().status();
            assert_eq!((status.protocol.setting(), status.state), (protocol, MemberState::Stable));

            // Who leaves hands over at once: the session alone would take six seconds.
            let before = generation(&two.until("assigned", |seen| seen.assigned.is_some()).await);
            first.leave("the test stops it").await;
            let seen = two.until("takeover", |seen| tasks_after(seen, before) == Some(4)).await;
            assert!(seen.assigned.expect("assigned").is_leader(), "{protocol}: the one that is left leads");
            second.leave("the test is over").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_leader_is_replaced_when_its_session_is_over() {
    for_each_broker(async |bootstrap| {
        let group = unique("group");
        let props = settings(&bootstrap, &group, &[]);
        let workers = [Worker::new(6), Worker::new(6), Worker::new(6)];
        let leader = start(&props, &workers[0]);
        workers[0].until("a leader", |seen| tasks_after(seen, 0) == Some(6)).await;
        let others = [start(&props, &workers[1]), start(&props, &workers[2])];
        for worker in &workers {
            worker.until("a third each", |seen| tasks_after(seen, 0) == Some(2)).await;
        }
        let described = admin::describe_group(&client(&props), &group, PATIENCE).await.expect("described");
        assert_eq!((described.protocol_type.as_str(), described.members.len()), ("connect", 3));
        let listed = admin::list_groups(&client(&props)).await.expect("listed");
        assert!(listed.contains(&(group.clone(), "connect".to_owned())), "{listed:?}");
        drop(leader);
        for worker in &workers[1..] {
            worker.until("half each", |seen| tasks_after(seen, 0) == Some(3)).await;
        }
        for member in others {
            member.leave("the test is over").await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_wished_rebalance_brings_new_metadata() {
    for_each_broker(async |bootstrap| {
        let props = settings(&bootstrap, &unique("group"), &[]);
        let worker = Worker::new(1);
        let member = start(&props, &worker);
        let before = generation(&worker.until("assigned", |seen| seen.assigned.is_some()).await);
        worker.offset.store(42, std::sync::atomic::Ordering::Relaxed);
        member.handle().rejoin("the config topic has grown").await;
        let seen = worker.until("a new generation", |seen| generation(seen) > before).await;
        let assignment = seen.assigned.expect("assigned").assignment;
        assert_eq!((assignment.config_offset, assignment.tasks.len()), (42, 1), "work is kept");

        member.handle().step_out("the test wants it", Duration::from_millis(300)).await;
        let seen = worker.until("it comes back", |seen| generation(seen) > before + 1).await;
        assert_eq!(seen.assigned.expect("assigned").assignment.tasks.len(), 1);
        member.leave("the test is over").await;
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_goes_and_comes_back_finds_its_members_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let on =
        |listen| BrokerConfig { listen, storage: Storage::Folder(folder.path().to_owned()), ..BrokerConfig::default() };
    let broker = Broker::start(on(BrokerConfig::default().listen)).await.expect("a broker");
    let address = broker.address();
    let props = settings(&address.to_string(), &unique("group"), &[]);
    let worker = Worker::new(2);
    let member = start(&props, &worker);
    worker.until("assigned", |seen| seen.assigned.is_some()).await;
    broker.stop().await;
    let seen = worker.until("work is given up while nobody coordinates", |seen| !seen.revoked.is_empty()).await;
    assert_eq!(seen.revoked[0].tasks.len(), 2);
    let broker = Broker::start(on(address)).await.expect("the broker is back");
    let mut status = member.handle().watch();
    let stable = status.wait_for(|status| status.state == MemberState::Stable && !status.rebalancing);
    tokio::time::timeout(PATIENCE, stable).await.expect("it joins again").expect("the member lives");
    worker.until("the work is back", |seen| tasks_after(seen, -1) == Some(2)).await;
    member.leave("the test is over").await;
    broker.stop().await;
}

#[tokio::test]
async fn a_session_that_the_broker_does_not_allow_is_an_error_that_names_the_key() {
    for_each_broker(async |bootstrap| {
        let props = settings(&bootstrap, &unique("group"), &[("session.timeout.ms", "1000000000")]);
        let mut member = start(&props, &Worker::new(1));
        let ended = tokio::time::timeout(PATIENCE, member.ended()).await.expect("it ends");
        let error = ended.expect_err("the broker refuses such a session");
        assert!(error.message().contains("session.timeout.ms"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn producers_are_fenced_by_their_ids() {
    for_each_broker(async |bootstrap| {
        let client = client(&settings(&bootstrap, "unused", &[]));
        let ids: Vec<String> = (0..3).map(|n| format!("{}-{n}", unique("fenced"))).collect();
        admin::fence_producers(&client, &ids, PATIENCE).await.expect("fenced");
        admin::fence_producers(&client, &ids, PATIENCE).await.expect("fenced again");
        admin::delete_offsets(&client, &unique("nobody"), &[("nothing".to_owned(), 0)], PATIENCE)
            .await
            .expect("nothing to delete is fine");
    })
    .await;
}
