//! Brokers to be a member on, and a worker's handler that writes down what happens.
#![allow(dead_code)] // each test binary uses its own part of this

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use couplet_api::config::Props;
use couplet_devbroker::{Broker, BrokerConfig};
use couplet_group::membership::{Assigned, GroupHandler, GroupMembers, Member, MemberConfig, Revoked};
use couplet_group::protocol::{Assignment, TaskId};
use couplet_group::wire::{Client, ClientConfig};
use tokio::sync::watch;

/// Nothing here takes longer on a working broker, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(50);

/// Runs `test` on the embedded broker, and on the one of `COUPLET_TEST_BOOTSTRAP` where that is set.
#[allow(clippy::print_stdout, reason = "a skipped test says why")]
pub async fn for_each_broker(test: impl AsyncFn(String)) {
    let embedded = Broker::start(BrokerConfig::default()).await.expect("the embedded broker starts");
    test(embedded.address().to_string()).await;
    embedded.stop().await;
    match std::env::var("COUPLET_TEST_BOOTSTRAP") {
        Ok(bootstrap) => test(bootstrap).await,
        Err(_) => {
            assert!(std::env::var("COUPLET_REQUIRE_SERVICES").is_err(), "COUPLET_TEST_BOOTSTRAP is not set");
            println!("skipped on a real broker: COUPLET_TEST_BOOTSTRAP is not set");
        }
    }
}

/// A name nobody else uses.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let started = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("couplet-{name}-{started}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub fn settings(bootstrap: &str, group: &str, more: &[(&str, &str)]) -> Props {
    let mut props = Props::from_iter([
        ("bootstrap.servers", bootstrap),
        ("group.id", group),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "300"),
        ("rebalance.timeout.ms", "20000"),
    ]);
    for (key, value) in more {
        props.set(*key, *value);
    }
    props
}

pub fn client(props: &Props) -> Arc<Client> {
    Arc::new(Client::new(ClientConfig::from_props(props).expect("valid settings")))
}

/// What a worker has been told.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub assigned: Option<Assigned>,
    pub revoked: Vec<Revoked>,
    pub led: u32,
}

/// A herder that shares `tasks` tasks of connector `c` out evenly when it leads, revoking nothing.
pub struct Worker {
    pub offset: AtomicI64,
    pub tasks: i32,
    led: Mutex<u32>,
    seen: watch::Sender<Seen>,
}

impl Worker {
    pub fn new(tasks: i32) -> Arc<Self> {
        Arc::new(Worker { offset: AtomicI64::new(1), tasks, led: Mutex::new(0), seen: watch::Sender::default() })
    }

    /// Waits until what was seen is as wished.
    pub async fn until(&self, what: &str, wish: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(wish)).await;
        let last = self.seen.borrow().clone();
        waited.unwrap_or_else(|_| panic!("{what} did not happen; seen: {last:?}")).expect("the worker lives").clone()
    }
}

#[async_trait]
impl GroupHandler for Worker {
    fn config_offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    async fn assign(&self, group: GroupMembers) -> couplet_api::Result<Vec<(String, Assignment)>> {
        self.seen.send_modify(|seen| seen.led += 1);
        let url = &group.members.iter().find(|(id, _)| *id == group.leader).expect("the leader is a member").1.url;
        let mut members = group.members.clone();
        members.sort_by(|a, b| a.0.cmp(&b.0));
        let count = members.len();
        let share = |(at, (id, state)): (usize, &(String, couplet_group::protocol::WorkerState))| {
            let mut assignment = Assignment::new(group.protocol, &group.leader, url, state.config_offset);
            let mine = (0..self.tasks).filter(|task| *task as usize % count == at);
            let wanted: Vec<TaskId> = mine.map(|task| TaskId::new("c", task)).collect();
            let held = state.allocation.as_ref().map(|held| held.tasks.clone()).unwrap_or_default();
            if group.protocol.is_cooperative() {
                assignment.tasks = wanted.iter().filter(|task| !held.contains(task)).cloned().collect();
                assignment.revoked_tasks = held.into_iter().filter(|task| !wanted.contains(task)).collect();
            } else {
                assignment.tasks = wanted;
            }
            (id.clone(), assignment)
        };
        Ok(members.iter().enumerate().map(share).collect())
    }

    async fn revoked(&self, revoked: Revoked) {
        self.seen.send_modify(|seen| seen.revoked.push(revoked));
    }

    async fn assigned(&self, assigned: Assigned) {
        self.seen.send_modify(|seen| seen.assigned = Some(assigned));
    }
}

pub fn start(props: &Props, worker: &Arc<Worker>) -> Member {
    let config = MemberConfig::from_props(props, format!("http://{}:8083/", unique("host"))).expect("valid settings");
    Member::start(config, client(props), worker.clone())
}

/// Number of tasks of the last assignment in a generation later than `after`.
pub fn tasks_after(seen: &Seen, after: i32) -> Option<usize> {
    let assigned = seen.assigned.as_ref().filter(|assigned| assigned.generation > after)?;
    Some(assigned.assignment.tasks.len())
}
