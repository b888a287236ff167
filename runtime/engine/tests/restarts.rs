//! Automatic restarts, and a connector whose start hangs: what a standalone worker on brokers shows of them.

#[path = "support/broker.rs"]
mod broker;
#[path = "support/moody.rs"]
mod moody;

use std::sync::Arc;
use std::time::Duration;

use couplet_api::config::Props;
use couplet_engine::herder::{
    ConnectorSnapshot, ConnectorState, Herder, HerderHandle, HerderSetup, NewConnector, StartedHerder, standalone,
};
use couplet_engine::metrics::{Metrics, Sources, render};
use couplet_engine::plugins::Plugins;
use couplet_engine::worker::TargetState;
use couplet_engine::worker_config::{Mode, WorkerConfig};

use broker::{for_each_broker, unique};

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    started: StartedHerder,
    metrics: Arc<Metrics>,
    plugins: Plugins,
    run: String,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start(bootstrap: &str, more: &[(&str, &str)]) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let mut props = Props::from_iter([
            ("bootstrap.servers", bootstrap),
            ("key.converter", string),
            ("value.converter", string),
            ("offset.storage.file.filename", &folder.path().join("offsets").to_string_lossy()),
        ]);
        for (key, value) in more {
            props.set(*key, *value);
        }
        let plugins = Plugins::new([couplet_plugins::plugins(), vec![moody::plugin()]].concat());
        let metrics = Arc::new(Metrics::new("w:1".to_owned(), &props));
        let setup = HerderSetup {
            config: Arc::new(WorkerConfig::parse(Mode::Standalone, props).expect("valid settings")),
            plugins: plugins.clone(),
            worker_id: "w:1".to_owned(),
            url: "http://w:1/".to_owned(),
            metrics: metrics.clone(),
            set_logger_level: Arc::new(|_, _| {}),
        };
        Bench {
            started: standalone::start(setup).expect("starts"),
            metrics,
            plugins,
            run: unique("moody"),
            _folder: folder,
        }
    }

    fn herder(&self) -> &HerderHandle {
        &self.started.handle
    }

    async fn create(&self, name: &str, more: &[(&str, &str)]) {
        let mut config = Props::from_iter([("connector.class", "test.MoodySourceConnector"), ("name", name)]);
        // The same connectors are made on each broker.
        config.set("run", self.run.as_str());
        for (key, value) in more {
            config.set(*key, *value);
        }
        let new = NewConnector { name: name.to_owned(), config, initial_state: None, replace: false };
        // A connector that cannot start is created all the same.
        let _ = self.herder().put_connector(new).await;
    }

    async fn until(&self, name: &str, what: &str, is: impl Fn(&ConnectorSnapshot) -> bool) -> Arc<ConnectorSnapshot> {
        let wait = async {
            loop {
                let found = self.herder().snapshot().connectors.get(name).filter(|c| is(c)).cloned();
                if let Some(connector) = found {
                    return connector;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(connector) => connector,
            Err(_) => panic!("{name} is not {what}: {:?}", self.herder().snapshot().connectors.get(name)),
        }
    }

    async fn stop(self) {
        self.started.stop.cancel();
        self.started.done.await.expect("no panic").expect("a clean end");
    }
}

fn connector_is(connector: &ConnectorSnapshot, state: ConnectorState) -> bool {
    connector.status.as_ref().is_some_and(|status| status.state == state)
}

fn task_is(connector: &ConnectorSnapshot, state: ConnectorState) -> bool {
    connector.task_status.get(&0).is_some_and(|status| status.state == state)
}

const POLICY: [(&str, &str); 3] = [
    ("couplet.restart.policy", "on-retriable-failure"),
    ("couplet.restart.backoff.ms", "10"),
    ("couplet.restart.max.attempts", "4"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_restarted_until_it_runs() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::start(&bootstrap, &POLICY);
        bench.create("moody", &[("connector.failures", "2"), ("task.failures", "3")]).await;
        let runs = |c: &ConnectorSnapshot| {
            connector_is(c, ConnectorState::Running) && task_is(c, ConnectorState::Running) && c.restarts.len() == 2
        };
        let connector = bench.until("moody", "running again", runs).await;
        let counts: Vec<_> = connector.restarts.iter().map(|r| (r.task, r.attempts, r.total)).collect();
        assert_eq!(counts, [(None, 2, 2), (Some(0), 3, 3)]);
        let (metrics, plugins, snapshot) = (&*bench.metrics, &bench.plugins, bench.herder().snapshot());
        let text = render(&Sources { metrics, snapshot: &snapshot, plugins, version: "4.1.0", commit: "c0ffee" });
        for row in [
            "couplet_connector_automatic_restarts_total{connector=\"moody\"} 2",
            "couplet_task_automatic_restarts_in_a_row{connector=\"moody\",task=\"0\"} 3",
        ] {
            assert!(text.contains(row), "{row} is missing:\n{text}");
        }

        bench.create("gives-up", &[("task.failures", "99")]).await;
        let over = |c: &ConnectorSnapshot| {
            let trace = c.task_status.get(&0).and_then(|status| status.trace.clone()).unwrap_or_default();
            trace.contains("Not restarted automatically any more: attempt 4 of 4 has failed")
        };
        bench.until("gives-up", "given up", over).await;

        // A user's restart begins anew.
        let id = couplet_engine::worker::TaskId { connector: "gives-up".into(), task: 0 };
        bench.herder().restart_task(&id).await.expect("restarts");
        bench.until("gives-up", "given up again", |c| c.restarts.iter().any(|r| r.total == 8) && over(c)).await;
        bench.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_stays_failed() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::start(&bootstrap, &POLICY);
        bench.create("fatal", &[("task.failures", "1"), ("fatal", "yes")]).await;
        let connector = bench.until("fatal", "failed", |c| task_is(c, ConnectorState::Failed)).await;
        let trace = connector.task_status[&0].trace.clone().expect("a trace");
        assert!(trace.ends_with("Not restarted automatically: the error does not pass by waiting\n"), "{trace}");
        bench.create("own", &[("task.failures", "1"), ("couplet.restart.policy", "never")]).await;
        let connector = bench.until("own", "failed", |c| task_is(c, ConnectorState::Failed)).await;
        let trace = connector.task_status[&0].trace.clone().expect("a trace");
        assert!(!trace.contains("automatically"), "its own policy counts: {trace}");
        bench.create("fatal-connector", &[("connector.failures", "1"), ("fatal", "yes")]).await;
        bench.until("fatal-connector", "failed", |c| connector_is(c, ConnectorState::Failed)).await;
        for name in ["fatal", "own", "fatal-connector"] {
            assert_eq!(bench.herder().snapshot().connectors[name].restarts, [], "{name}");
        }
        bench.stop().await;
    })
    .await;
}

/// Reads come from a snapshot and commands for others are answered while one connector's start never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hangs_holds_nobody_up() {
    for_each_broker(async |bootstrap| {
        let bench = Bench::start(&bootstrap, &[]);
        let others = async {
            bench.until("hangs", "created", |_| true).await;
            bench.create("other", &[]).await;
            bench.until("other", "running", |c| task_is(c, ConnectorState::Running)).await;
            bench.herder().ping().await.expect("answers");
            bench.herder().set_target_state("other", TargetState::Paused).await.expect("pauses");
            bench.until("other", "paused", |c| connector_is(c, ConnectorState::Paused)).await;
            assert!(bench.herder().snapshot().connectors["hangs"].status.is_none(), "its start has not ended");
            bench.herder().delete_connector("hangs").await.expect("can be deleted");
        };
        // Its creator is answered when it is deleted.
        let both = async { tokio::join!(bench.create("hangs", &[("hang", "yes")]), others) };
        tokio::time::timeout(PATIENCE, both).await.expect("nobody waits");
        bench.stop().await;
    })
    .await;
}
