//! What a distributed worker measures about its membership of the group: `connect-worker-rebalance-metrics`,
//! `connect-coordinator-metrics`, `connect-metrics` and `connect-node-metrics`.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use couplet_group::membership::Assigned;
use couplet_group::observer::{Measured, Observer};

use super::sampled::{Sampling, Series};

/// Something that happens again and again, and a figure of each time.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) times: u64,
    pub(super) sum: f64,
    /// 1 for each time.
    pub(super) rate: Series,
    pub(super) value: Series,
}

impl Measure {
    fn new(sampling: Sampling) -> Self {
        Measure { times: 0, sum: 0.0, rate: Series::new(sampling), value: Series::new(sampling) }
    }

    fn note(&mut self, now: Instant, value: f64) {
        self.times += 1;
        self.sum += value;
        self.rate.note(now, 1.0);
        self.value.note(now, value);
    }
}

/// What goes to one broker and comes back.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Bytes of requests.
    pub(super) sent: Measure,
    /// Bytes of responses.
    pub(super) received: Measure,
    /// Milliseconds.
    pub(super) latency: Measure,
}

impl Traffic {
    fn new(sampling: Sampling) -> Self {
        let measure = || Measure::new(sampling);
        Traffic { sent: measure(), received: measure(), latency: measure() }
    }

    fn note(&mut self, now: Instant, sent: usize, received: usize, took: Duration) {
        if sent > 0 {
            self.sent.note(now, sent as f64);
        }
        if received > 0 {
            self.received.note(now, received as f64);
            self.latency.note(now, millis(took));
        }
    }
}

/// The last assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The generation; 0 before the first, as in the JVM.
    pub(super) epoch: i32,
    /// URL of the leader.
    pub(super) leader: String,
    /// `EAGER`, `COMPATIBLE` or `SESSIONED`.
    pub(super) protocol: String,
    pub(super) connectors: usize,
    pub(super) tasks: usize,
}

/// All figures of a membership.
#[derive(Debug)]
pub(super) struct GroupFigures {
    sampling: Sampling,
    pub(super) place: Place,
    /// Whether an assignment is being taken up.
    pub(super) rebalancing: bool,
    /// Milliseconds from an assignment to the moment when its work is begun.
    pub(super) taken_up: Measure,
    pub(super) taken_up_at: Option<Instant>,
    /// Milliseconds, as are the next three.
    pub(super) joined: Measure,
    pub(super) synced: Measure,
    pub(super) heartbeat: Measure,
    pub(super) rebalanced: Measure,
    pub(super) failed: Measure,
    pub(super) heartbeat_at: Option<Instant>,
    pub(super) rebalanced_at: Option<Instant>,
    pub(super) connected: Measure,
    pub(super) disconnected: Measure,
    pub(super) authenticated: Measure,
    pub(super) refused: Measure,
    pub(super) all: Traffic,
    pub(super) nodes: BTreeMap<i32, Traffic>,
}

/// The figures of a worker's membership. Noted per request and per rebalance.
#[derive(Debug)]
pub(crate) struct GroupMetrics(Mutex<GroupFigures>);

impl GroupMetrics {
    /// A worker that is in no group yet.
    pub(super) fn new(sampling: Sampling) -> Self {
        let measure = || Measure::new(sampling);
        GroupMetrics(Mutex::new(GroupFigures {
            sampling,
            place: Place::default(),
            rebalancing: false,
            taken_up: measure(),
            taken_up_at: None,
            joined: measure(),
            synced: measure(),
            heartbeat: measure(),
            rebalanced: measure(),
            failed: measure(),
            heartbeat_at: None,
            rebalanced_at: None,
            connected: measure(),
            disconnected: measure(),
            authenticated: measure(),
            refused: measure(),
            all: Traffic::new(sampling),
            nodes: BTreeMap::new(),
        }))
    }

    /// All figures, for reading.
    pub(super) fn figures(&self) -> MutexGuard<'_, GroupFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An assignment came in and is being taken up.
    pub(crate) fn assigned(&self, assigned: &Assigned) {
        let mut figures = self.figures();
        figures.rebalancing = true;
        figures.place = Place {
            epoch: assigned.generation,
            leader: assigned.assignment.leader_url.clone(),
            protocol: assigned.protocol.setting().to_uppercase(),
            connectors: assigned.assignment.connectors.len(),
            tasks: assigned.assignment.tasks.len(),
        };
    }

    /// Its work is begun.
    pub(crate) fn taken_up(&self, took: Duration) {
        let (mut figures, now) = (self.figures(), Instant::now());
        figures.rebalancing = false;
        figures.taken_up.note(now, millis(took));
        figures.taken_up_at = Some(now);
    }
}

impl Observer for GroupMetrics {
    fn note(&self, measured: Measured) {
        let (mut figures, now) = (self.figures(), Instant::now());
        match measured {
            Measured::Connected => figures.connected.note(now, 1.0),
            Measured::Disconnected => figures.disconnected.note(now, 1.0),
            Measured::Authenticated(true) => figures.authenticated.note(now, 1.0),
            Measured::Authenticated(false) => figures.refused.note(now, 1.0),
            Measured::Exchange { node, sent, received, took } => {
                let sampling = figures.sampling;
                figures.all.note(now, sent, received, took);
                figures.nodes.entry(node).or_insert_with(|| Traffic::new(sampling)).note(now, sent, received, took);
            }
            Measured::Joined(took) => figures.joined.note(now, millis(took)),
            Measured::Synced(took) => figures.synced.note(now, millis(took)),
            Measured::Heartbeat(took) => {
                figures.heartbeat.note(now, millis(took));
                figures.heartbeat_at = Some(now);
            }
            Measured::RebalanceFailed => figures.failed.note(now, 1.0),
            Measured::Rebalanced(took) => {
                figures.rebalanced.note(now, millis(took));
                figures.rebalanced_at = Some(now);
            }
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
