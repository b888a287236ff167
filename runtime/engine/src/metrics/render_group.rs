//! The figures of a membership as Prometheus reads them.

use std::time::Instant;

use super::group::{GroupFigures, GroupMetrics, Traffic};
use super::text::Exposition;

const HELP: &str = "Kafka Connect group membership metric";

/// What a JVM measures of its selector and of KIP-368's second authentication on one connection. There is neither here, but
/// dashboards that name them shall find them.
const WITHOUT_MEANING: [&str; 10] = [
    "io-ratio",
    "io-time-ns-avg",
    "io-time-ns-total",
    "io-wait-ratio",
    "io-wait-time-ns-avg",
    "io-wait-time-ns-total",
    "reauthentication-latency-avg",
    "reauthentication-latency-max",
    "select-rate",
    "select-total",
];

/// All groups of a membership; `client` is its client id.
pub(super) fn membership(out: &mut Exposition, metrics: &GroupMetrics, client: &str, now: Instant) {
    let mut figures = metrics.figures();
    rebalances(out, &mut figures, now);
    coordinator(out, &mut figures, client, now);
    connections(out, &mut figures, client, now);
    for (node, traffic) in &mut figures.nodes {
        let node = format!("node-{node}");
        let labels = [("clientid", client), ("nodeid", node.as_str())];
        rows(out, "node", &labels, &exchanged(traffic, now));
        let latency = [
            ("request-latency-avg", traffic.latency.value.avg(now)),
            ("request-latency-max", traffic.latency.value.max(now)),
        ];
        rows(out, "node", &labels, &latency);
    }
}

fn rows(out: &mut Exposition, group: &str, labels: &[(&str, &str)], rows: &[(&str, f64)]) {
    let group = if group.is_empty() { String::new() } else { format!("{group}_") };
    for (attribute, value) in rows {
        out.row(HELP, &format!("kafka_connect_{group}{attribute}"), labels, *value);
    }
}

/// `connect-worker-rebalance-metrics`.
fn rebalances(out: &mut Exposition, figures: &mut GroupFigures, now: Instant) {
    let since = figures.taken_up_at.map_or(f64::NAN, |at| now.saturating_duration_since(at).as_millis() as f64);
    let values = [
        ("completed-rebalances-total", figures.taken_up.times as f64),
        ("epoch", f64::from(figures.place.epoch)),
        ("rebalance-avg-time-ms", figures.taken_up.value.avg(now)),
        ("rebalance-max-time-ms", figures.taken_up.value.max(now)),
        ("rebalancing", f64::from(u8::from(figures.rebalancing))),
        ("time-since-last-rebalance-ms", since),
    ];
    rows(out, "worker_rebalance", &[], &values);
    let words = [("connect-protocol", &figures.place.protocol), ("leader-name", &figures.place.leader)];
    for (attribute, word) in words {
        let name = format!("kafka_connect_worker_rebalance_{attribute}_info");
        out.row(HELP, &name, &[(attribute, word)], 1.0);
    }
}

/// `connect-coordinator-metrics`.
fn coordinator(out: &mut Exposition, figures: &mut GroupFigures, client: &str, now: Instant) {
    const HOUR: f64 = 3600.0;
    // As the JVM says when it never was.
    let seconds_since = |at: Option<Instant>| at.map_or(-1.0, |at| now.saturating_duration_since(at).as_secs() as f64);
    let values = [
        ("assigned-connectors", figures.place.connectors as f64),
        ("assigned-tasks", figures.place.tasks as f64),
        ("failed-rebalance-rate-per-hour", figures.failed.rate.rate(now) * HOUR),
        ("failed-rebalance-total", figures.failed.times as f64),
        ("heartbeat-rate", figures.heartbeat.rate.rate(now)),
        ("heartbeat-response-time-max", figures.heartbeat.value.max(now)),
        ("heartbeat-total", figures.heartbeat.times as f64),
        ("join-rate", figures.joined.rate.rate(now)),
        ("join-time-avg", figures.joined.value.avg(now)),
        ("join-time-max", figures.joined.value.max(now)),
        ("join-total", figures.joined.times as f64),
        ("last-heartbeat-seconds-ago", seconds_since(figures.heartbeat_at)),
        ("last-rebalance-seconds-ago", seconds_since(figures.rebalanced_at)),
        ("rebalance-latency-avg", figures.rebalanced.value.avg(now)),
        ("rebalance-latency-max", figures.rebalanced.value.max(now)),
        ("rebalance-latency-total", figures.rebalanced.sum),
        ("rebalance-rate-per-hour", figures.rebalanced.rate.rate(now) * HOUR),
        ("rebalance-total", figures.rebalanced.times as f64),
        ("sync-rate", figures.synced.rate.rate(now)),
        ("sync-time-avg", figures.synced.value.avg(now)),
        ("sync-time-max", figures.synced.value.max(now)),
        ("sync-total", figures.synced.times as f64),
    ];
    rows(out, "coordinator", &[("clientid", client)], &values);
}

/// `connect-metrics`.
fn connections(out: &mut Exposition, figures: &mut GroupFigures, client: &str, now: Instant) {
    let labels = [("clientid", client)];
    let open = figures.connected.times.saturating_sub(figures.disconnected.times);
    let network_rate = figures.all.sent.rate.rate(now) + figures.all.received.rate.rate(now);
    let values = [
        ("connection-count", open as f64),
        ("connection-creation-rate", figures.connected.rate.rate(now)),
        ("connection-creation-total", figures.connected.times as f64),
        ("connection-close-rate", figures.disconnected.rate.rate(now)),
        ("connection-close-total", figures.disconnected.times as f64),
        ("successful-authentication-rate", figures.authenticated.rate.rate(now)),
        ("successful-authentication-total", figures.authenticated.times as f64),
        ("failed-authentication-rate", figures.refused.rate.rate(now)),
        ("failed-authentication-total", figures.refused.times as f64),
        // A connection whose credentials expire is replaced by a new one.
        ("failed-reauthentication-rate", 0.0),
        ("failed-reauthentication-total", 0.0),
        ("successful-reauthentication-rate", 0.0),
        ("successful-reauthentication-total", 0.0),
        ("successful-authentication-no-reauth-total", 0.0),
        ("network-io-rate", network_rate),
        ("network-io-total", (figures.all.sent.times + figures.all.received.times) as f64),
    ];
    rows(out, "", &labels, &values);
    rows(out, "", &labels, &exchanged(&mut figures.all, now));
    rows(out, "", &labels, &WITHOUT_MEANING.map(|attribute| (attribute, f64::NAN)));
}

/// Requests, responses and their bytes.
fn exchanged(traffic: &mut Traffic, now: Instant) -> [(&'static str, f64); 10] {
    [
        ("outgoing-byte-rate", traffic.sent.value.rate(now)),
        ("outgoing-byte-total", traffic.sent.sum),
        ("incoming-byte-rate", traffic.received.value.rate(now)),
        ("incoming-byte-total", traffic.received.sum),
        ("request-rate", traffic.sent.rate.rate(now)),
        ("request-total", traffic.sent.times as f64),
        ("request-size-avg", traffic.sent.value.avg(now)),
        ("request-size-max", traffic.sent.value.max(now)),
        ("response-rate", traffic.received.rate.rate(now)),
        ("response-total", traffic.received.times as f64),
    ]
}
