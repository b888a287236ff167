//! The Kafka channel of signals: a topic with one partition, whose records have the topic prefix as key and a JSON object as
//! value (`io.debezium.pipeline.signal.channels.KafkaSignalChannel`).

use std::sync::Arc;
use std::time::Duration;

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::error::Error;
use couplet_api::own_topic::{Follower, OwnRecord, OwnTopic, OwnTopics, TopicClients, TopicState};
use couplet_api::spawn::{TaskKind, spawn};
use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::field::invalid;
use crate::signal::Signal;

/// Signals that wait to be taken.
const WAITING_MAX: usize = 64;
/// Pause before a topic that is missing, or cannot be read, is tried again; doubled up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a position behind records that are no signals of ours may wait to be committed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Offset in front of all.
const NONE: i64 = -1;

/// Settings of the channel.
#[derive(Debug, Clone)]
pub struct SignalTopicConfig {
    topic: String,
    /// Of the records that count.
    key: String,
    clients: TopicClients,
}

impl SignalTopicConfig {
    /// Reads `signal.kafka.*` and `signal.consumer.*` for the connector with the topic prefix `prefix`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] in Debezium's words, which leave it to the log to name the setting.
    pub(crate) fn new(props: &Props, prefix: &str) -> Result<Self> {
        let refused = |key: &str, problem: &str| {
            tracing::error!("{}", invalid(key, problem));
            Error::config("Signal channel kafka configuration is invalid. See logs for details.")
                .with_class("io.debezium.DebeziumException")
        };
        let given = |key: &str| props.get(key).map(str::trim);
        let required = |key: &str, value: Option<String>| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| refused(key, "A value is required"))
        };
        let topic = given("signal.kafka.topic").map_or_else(|| format!("{prefix}-signal"), str::to_owned);
        let topic = required("signal.kafka.topic", Some(topic))?;
        let servers = "signal.kafka.bootstrap.servers";
        let servers = required(servers, given(servers).map(str::to_owned))?;
        let timeout = given("signal.kafka.poll.timeout.ms").unwrap_or("0");
        if timeout.parse::<i32>().map_or(true, |ms| ms < 0) {
            return Err(refused("signal.kafka.poll.timeout.ms", "An non-negative integer is expected"));
        }
        let group = given("signal.kafka.groupId").filter(|group| !group.is_empty()).unwrap_or("kafka-signal");
        let consumer = consumer(&servers, group, &props.with_prefix("signal.consumer."));
        // What asks uses the same settings of connections.
        Ok(SignalTopicConfig {
            topic,
            key: prefix.to_owned(),
            clients: TopicClients { producer: consumer.clone(), consumer },
        })
    }

    /// Says whether a client can be made with these settings.
    pub(crate) async fn check(&self, topics: &dyn OwnTopics) -> Result<()> {
        topics.open(&self.topic, &self.clients).await.map(drop)
    }

    /// The signal in `record`, if it is one for this connector.
    fn signal(&self, record: &OwnRecord) -> Option<Signal> {
        let (topic, offset) = (&self.topic, record.offset);
        if record.key.as_deref() != Some(self.key.as_bytes()) {
            tracing::info!(
                topic,
                offset,
                key = self.key,
                "a record of the signal topic has another key than topic.prefix"
            );
            return None;
        }
        let text = String::from_utf8_lossy(record.value.as_deref().filter(|value| !value.is_empty())?);
        match Signal::from_json(&text) {
            Ok(signal) => Some(signal),
            Err(problem) => {
                tracing::warn!(topic, offset, problem, "a record of the signal topic is skipped");
                None
            }
        }
    }
}

/// What Debezium gives its consumer, then what the user says. Positions are committed behind signals that are done, whatever
/// `enable.auto.commit` says.
fn consumer(servers: &str, group: &str, given: &Props) -> Props {
    let client = uuid::Uuid::new_v4().to_string();
    let mut props = Props::from_iter([
        ("bootstrap.servers", servers),
        ("client.id", &client),
        ("group.id", group),
        ("fetch.min.bytes", "1"),
        ("session.timeout.ms", "10000"),
        ("auto.offset.reset", "earliest"),
    ]);
    for (key, value) in given.iter() {
        props.set_nullable(key, value.map(str::to_owned));
    }
    props.set("enable.auto.commit", "false");
    props
}

/// Signals of a topic as they come. Read in the background, until it is dropped.
pub(crate) struct SignalTopic {
    signals: mpsc::Receiver<(i64, Signal)>,
    waiting: Vec<Signal>,
    /// Offset of the last one of `waiting`, or of those taken.
    last: i64,
    /// Offset of the last one that is done.
    done: watch::Sender<i64>,
}

impl SignalTopic {
    /// Begins to read behind what is done.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for settings of clients that cannot be used.
    pub(crate) async fn open(config: SignalTopicConfig, topics: &dyn OwnTopics) -> Result<Self> {
        let topic = topics.open(&config.topic, &config.clients).await?;
        let (sender, signals) = mpsc::channel(WAITING_MAX);
        let (done, is_done) = watch::channel(NONE);
        let reading = Reading { config, topic, signals: sender, done: is_done };
        spawn(TaskKind::Client, reading.run());
        Ok(SignalTopic { signals, waiting: Vec::new(), last: NONE, done })
    }

    /// Waits for signals. Cancel-safe.
    pub(crate) async fn ready(&mut self) {
        self.all_done();
        if self.waiting.is_empty() {
            match self.signals.recv().await {
                Some(signal) => self.keep(signal),
                // It ends only by a panic, which is in the log.
                None => std::future::pending().await,
            }
        }
    }

    /// Takes the signals that came. They count as done when this or [`SignalTopic::ready`] is called again.
    pub(crate) fn take(&mut self) -> Vec<Signal> {
        self.all_done();
        while let Ok(signal) = self.signals.try_recv() {
            self.keep(signal);
        }
        std::mem::take(&mut self.waiting)
    }

    fn keep(&mut self, (offset, signal): (i64, Signal)) {
        self.waiting.push(signal);
        self.last = offset;
    }

    fn all_done(&mut self) {
        if self.waiting.is_empty() && *self.done.borrow() != self.last {
            self.done.send_replace(self.last);
        }
    }
}

/// The background task.
struct Reading {
    config: SignalTopicConfig,
    topic: Arc<dyn OwnTopic>,
    signals: mpsc::Sender<(i64, Signal)>,
    done: watch::Receiver<i64>,
}

/// Where a follower stands.
struct Progress {
    /// Offset of the last record read.
    read: i64,
    /// Offset of the last signal handed over.
    given: i64,
    /// Offset of the last record behind which the group goes on.
    committed: i64,
    /// When to commit although nothing was done.
    due: Option<Instant>,
}

impl Progress {
    /// Up to where everything is done when `done` is the last signal that is.
    fn reached(&self, done: i64) -> i64 {
        if done >= self.given { self.read } else { done }
    }
}

impl Reading {
    /// Reads until nobody takes signals any more. What goes wrong is logged and tried again: a stream of changes does not
    /// end because nobody can ask anything of it.
    async fn run(mut self) {
        let topic = self.config.topic.clone();
        let mut pause = PAUSE;
        // Signals that were handed over come again with a new follower.
        let mut given = NONE;
        while !self.signals.is_closed() {
            if let Err(error) = self.follow(&mut given, &mut pause).await {
                tracing::error!(topic, %error, retry_in = ?pause, "the topic of signals cannot be read");
            }
            tokio::select! {
                () = self.signals.closed() => break,
                () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
            }
        }
        tracing::debug!(topic, "no more signals are read");
    }

    /// Reads until that fails, the topic is missing, or nobody takes signals any more.
    async fn follow(&mut self, given: &mut i64, pause: &mut Duration) -> Result<()> {
        if self.topic.state().await? == TopicState::Missing {
            tracing::warn!(
                topic = self.config.topic,
                "the topic of signals (signal.kafka.topic) does not exist; waiting for it"
            );
            *given = NONE;
            return Ok(());
        }
        let mut follower = self.topic.clone().follow().await?;
        tracing::info!(topic = self.config.topic, "reading signals");
        let mut at = Progress { read: NONE, given: *given, committed: NONE, due: None };
        loop {
            let due = at.due;
            tokio::select! {
                biased;
                changed = self.done.changed() => {
                    self.commit(&mut *follower, &mut at).await;
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.commit(&mut *follower, &mut at).await;
                }
                record = follower.next() => {
                    let record = record?;
                    *pause = PAUSE;
                    let taken = self.on_record(&record, &mut at).await;
                    *given = at.given;
                    if taken.is_err() {
                        self.commit(&mut *follower, &mut at).await;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Hands the signal of `record` over, if there is one; an error when nobody takes it.
    async fn on_record(&self, record: &OwnRecord, at: &mut Progress) -> Result<(), SendError<(i64, Signal)>> {
        if record.offset <= at.read {
            // The topic was deleted and made again: what is known of offsets is of another one.
            (at.given, at.committed) = (NONE, NONE);
        }
        at.read = record.offset;
        if record.offset > at.given
            && let Some(signal) = self.config.signal(record)
        {
            tracing::info!(id = signal.id, r#type = signal.kind, offset = record.offset, "a signal came through Kafka");
            self.signals.send((record.offset, signal)).await?;
            at.given = record.offset;
        }
        at.due.get_or_insert_with(|| Instant::now() + COMMIT_INTERVAL);
        Ok(())
    }

    /// Commits what is done. When that fails it is tried again with the next signal, or after the interval.
    async fn commit(&mut self, follower: &mut dyn Follower, at: &mut Progress) {
        let reached = at.reached(*self.done.borrow_and_update());
        at.due = (reached < at.read).then(|| Instant::now() + COMMIT_INTERVAL);
        if reached <= at.committed {
            return;
        }
        match follower.commit(reached + 1).await {
            Ok(()) => at.committed = reached,
            Err(error) => {
                let topic = &self.config.topic;
                tracing::warn!(topic, %error, "the position behind the last signal cannot be committed");
                at.due = Some(Instant::now() + COMMIT_INTERVAL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use couplet_api::own_topic::OnOwnRecord;
    use couplet_api::testing::{MemoryTopic, MemoryTopics};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn config(more: &[(&str, &str)]) -> Result<SignalTopicConfig> {
        let mut props = Props::from_iter([("signal.kafka.bootstrap.servers", "b:1")]);
        more.iter().for_each(|(key, value)| props.set(*key, *value));
        SignalTopicConfig::new(&props, "p")
    }

    fn signal(id: &str) -> String {
        format!(r#"{{"id": "{id}", "type": "log", "data": {{"message": "m"}}}}"#)
    }

    async fn append(topic: &dyn OwnTopic, key: Option<&str>, value: &str) {
        let key = key.map(|key| key.to_owned().into());
        topic.append(key, Some(value.to_owned().into())).await.expect("appended");
    }

    async fn take(signals: &mut SignalTopic) -> Vec<String> {
        tokio::time::timeout(PATIENCE, signals.ready()).await.expect("signals in time");
        signals.take().into_iter().map(|signal| signal.id).collect()
    }

    /// Waits until the group goes on at `next`.
    async fn committed(topic: &MemoryTopic, next: i64) {
        let reached = async {
            while topic.committed() != next {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await;
        assert!(in_time.is_ok(), "{} was committed", topic.committed());
    }

    #[test]
    fn the_consumer_is_debeziums_and_what_the_user_says() {
        let config = config(&[
            ("signal.consumer.security.protocol", "SSL"),
            ("signal.consumer.group.id", "mine"),
            ("signal.consumer.enable.auto.commit", "true"),
            ("signal.consumer.sasl.jaas.config", "s3cret"),
            ("signal.kafka.groupId", "other"),
        ]);
        let config = config.expect("valid");
        let rows = [
            ("bootstrap.servers", "b:1"),
            ("auto.offset.reset", "earliest"),
            ("fetch.min.bytes", "1"),
            ("session.timeout.ms", "10000"),
            ("group.id", "mine"),
            ("security.protocol", "SSL"),
            ("enable.auto.commit", "false"),
        ];
        for (key, want) in rows {
            assert_eq!(config.clients.consumer.get(key), Some(want), "{key}");
        }
        assert_eq!((config.topic.as_str(), config.key.as_str()), ("p-signal", "p"));
        assert!(!format!("{config:?}").contains("s3cret"));
    }

    #[test]
    fn settings_that_cannot_be_used_are_refused_as_debezium_does() {
        let rows = [
            ("signal.kafka.bootstrap.servers", " "),
            ("signal.kafka.topic", ""),
            ("signal.kafka.poll.timeout.ms", "-1"),
            ("signal.kafka.poll.timeout.ms", "soon"),
        ];
        let want =
            "io.debezium.DebeziumException: Signal channel kafka configuration is invalid. See logs for details.";
        for (key, value) in rows {
            assert_eq!(config(&[(key, value)]).expect_err(key).trace().trim_end(), want);
        }
        let missing = SignalTopicConfig::new(&Props::new(), "p").expect_err("no servers");
        assert_eq!(missing.trace().trim_end(), want);
    }

    #[tokio::test]
    async fn signals_come_once_and_are_committed_when_they_are_done() {
        let topics = MemoryTopics::default();
        let config = config(&[]).expect("valid");
        let mut signals = SignalTopic::open(config.clone(), &topics).await.expect("opens");
        let topic = topics.topic("p-signal");
        append(&*topic, Some("p"), &signal("1")).await;
        assert_eq!(take(&mut signals).await, ["1"], "a topic that is made later is found");
        append(&*topic, Some("p"), &signal("2")).await;
        append(&*topic, Some("another"), &signal("x")).await;
        append(&*topic, None, &signal("x")).await;
        append(&*topic, Some("p"), "not json").await;
        append(&*topic, Some("p"), "").await;
        append(&*topic, Some("p"), r#"{"id": "3", "type": "pause-snapshot"}"#).await;
        let mut taken = take(&mut signals).await;
        committed(&topic, 1).await;
        while taken.len() < 2 {
            taken.extend(take(&mut signals).await);
        }
        assert_eq!(taken, ["2", "3"], "no other record is a signal");
        // Asking for more says that the last ones are done.
        assert!(signals.take().is_empty());
        committed(&topic, 7).await;
        append(&*topic, Some("p"), &signal("4")).await;
        assert_eq!(take(&mut signals).await, ["4"]);
        drop(signals);
        let mut signals = SignalTopic::open(config, &topics).await.expect("opens");
        assert_eq!(take(&mut signals).await, ["4"], "what was not done comes again");
        append(&*topic, Some("another"), "").await;
        assert!(signals.take().is_empty());
        // Behind other records too, after a while, though no signal comes.
        committed(&topic, 9).await;
    }

    /// Fails as often as it is told.
    struct Faulty {
        inner: Arc<dyn OwnTopic>,
        faults: Mutex<Vec<&'static str>>,
    }

    impl Faulty {
        fn fail(&self, at: &str) -> Result<()> {
            let mut faults = self.faults.lock().expect("not poisoned");
            match faults.last() {
                Some(next) if *next == at => {
                    faults.pop();
                    Err(Error::remote(format!("no {at}")))
                }
                _ => Ok(()),
            }
        }
    }

    #[async_trait]
    impl OwnTopic for Faulty {
        async fn state(&self) -> Result<TopicState> {
            self.fail("state")?;
            self.inner.state().await
        }

        async fn create(&self, configs: &[(&str, &str)]) -> Result<()> {
            self.inner.create(configs).await
        }

        async fn read(&self, on_record: OnOwnRecord<'_>) -> Result<()> {
            self.inner.read(on_record).await
        }

        async fn append(&self, key: Option<bytes::Bytes>, value: Option<bytes::Bytes>) -> Result<()> {
            self.inner.append(key, value).await
        }

        async fn follow(self: Arc<Self>) -> Result<Box<dyn Follower>> {
            self.fail("follow")?;
            Ok(Box::new(FaultyFollower { inner: self.inner.clone().follow().await?, topic: self }))
        }
    }

    struct FaultyFollower {
        inner: Box<dyn Follower>,
        topic: Arc<Faulty>,
    }

    #[async_trait]
    impl Follower for FaultyFollower {
        async fn next(&mut self) -> Result<OwnRecord> {
            let record = self.inner.next().await?;
            self.topic.fail("next")?;
            Ok(record)
        }

        async fn commit(&mut self, next: i64) -> Result<()> {
            self.topic.fail("commit")?;
            self.inner.commit(next).await
        }
    }

    struct FaultyTopics(Arc<Faulty>);

    #[async_trait]
    impl OwnTopics for FaultyTopics {
        async fn open(&self, _name: &str, _clients: &TopicClients) -> Result<Arc<dyn OwnTopic>> {
            Ok(self.0.clone())
        }
    }

    #[tokio::test]
    async fn what_fails_is_tried_again_and_nothing_comes_twice() {
        let memory = Arc::new(MemoryTopic::default());
        let faults = Mutex::new(vec!["next", "commit", "next", "follow", "state"]);
        let topics = FaultyTopics(Arc::new(Faulty { inner: memory.clone(), faults }));
        for id in ["1", "2", "3"] {
            append(&*memory, Some("p"), &signal(id)).await;
        }
        let mut signals = SignalTopic::open(config(&[]).expect("valid"), &topics).await.expect("opens");
        let mut taken = Vec::new();
        while taken.len() < 3 {
            taken.extend(take(&mut signals).await);
        }
        append(&*memory, Some("p"), &signal("4")).await;
        while taken.len() < 4 {
            taken.extend(take(&mut signals).await);
        }
        assert_eq!(taken, ["1", "2", "3", "4"]);
        assert!(signals.take().is_empty());
        committed(&memory, 4).await;
        assert!(topics.0.faults.lock().expect("not poisoned").is_empty(), "all went wrong once");
    }
}
