//! Java client settings to librdkafka's: one table, same meaning or an error that names the key.

use couplet_api::config::Props;
use couplet_api::{Error, Result};

use super::native_config::NativeConfig;
use super::security;

/// What a client is for; decides which keys count and what the defaults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Writes.
    Producer,
    /// Reads.
    Consumer,
    /// Asks and changes.
    Admin,
}

/// Settings of Kafka clients as Java knows them, not yet translated.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    java: Props,
}

impl ClientSettings {
    /// Java client settings as they are, for tools and tests.
    pub fn new(java: Props) -> Self {
        ClientSettings { java }
    }

    /// The worker's own clients: its settings without a prefix (`DistributedConfig.originals`).
    pub fn of_worker(worker: &Props) -> Self {
        let mut java = worker.clone();
        // The worker's group is no consumer group, and its client id is that of its group member.
        for key in ["group.id", "client.id", "session.timeout.ms", "heartbeat.interval.ms"] {
            java.remove(key);
        }
        ClientSettings::of_prefix(&java, "", None, &[("acks", "all")])
    }

    /// Producers of a connector's tasks: `producer.` of the worker, then `producer.override.` of the connector.
    pub fn task_producer(worker: &Props, connector: &Props) -> Self {
        let defaults = [
            ("client.id", "connector-producer"),
            ("acks", "all"),
            ("enable.idempotence", "false"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", "2147483647"),
        ];
        ClientSettings::of_prefix(worker, "producer.", Some(connector), &defaults)
    }

    /// The producer of an exactly-once source task (KIP-618): as [`ClientSettings::task_producer`], but idempotent, and
    /// fenced by whoever uses `transactional_id` next.
    pub fn transactional_task_producer(
        worker: &Props,
        connector: &Props,
        name: &str,
        task: u32,
        transactional_id: &str,
    ) -> Self {
        let client = format!("connector-producer-{name}-{task}");
        let defaults = [
            ("client.id", client.as_str()),
            ("acks", "all"),
            ("max.in.flight.requests.per.connection", "1"),
            ("delivery.timeout.ms", "2147483647"),
        ];
        ClientSettings::of_prefix(worker, "producer.", Some(connector), &defaults)
            .transactional(transactional_id, "for connectors when exactly-once source support is enabled")
    }

    /// Consumers of a connector's own offsets topic. `client_id` is what they are called unless overridden.
    pub fn offsets_consumer(worker: &Props, connector: &Props, client_id: &str) -> Self {
        let defaults = [("client.id", client_id), ("isolation.level", "read_committed")];
        ClientSettings::of_prefix(worker, "consumer.", Some(connector), &defaults)
    }

    /// The same settings for transactions under `id`. What contradicts them is replaced, with a warning that says `why`.
    #[must_use]
    pub fn transactional(self, id: &str, why: &str) -> Self {
        self.ensure("enable.idempotence", "true", why).ensure("transactional.id", id, why)
    }

    /// Sets `key` whatever a user says; another value is named in a warning that says `why`, in the words of the JVM.
    #[must_use]
    pub fn ensure(self, key: &str, value: &str, why: &str) -> Self {
        if let Some(given) = self.get(key).filter(|given| !given.eq_ignore_ascii_case(value)) {
            tracing::warn!(
                "The value '{given}' for the '{key}' property will be ignored as it cannot be overridden {why}. The value \
                 '{value}' will be used instead."
            );
        }
        self.with(key, value)
    }

    /// Consumer of the sink task `connector-task`: `consumer.` of the worker, then `consumer.override.` of the
    /// connector. The group is `connect-<connector>` unless overridden.
    pub fn task_consumer(worker: &Props, connector: &Props, name: &str, task: u32) -> Self {
        let (client, group) = (format!("connector-consumer-{name}-{task}"), format!("connect-{name}"));
        let defaults = [
            ("client.id", client.as_str()),
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
        ];
        ClientSettings::of_prefix(worker, "consumer.", Some(connector), &defaults)
    }

    /// Admin clients of a connector: `admin.` of the worker, then `admin.override.` of the connector.
    pub fn task_admin(worker: &Props, connector: &Props, name: &str) -> Self {
        let client = format!("connector-adminclient-{name}");
        ClientSettings::of_prefix(worker, "admin.", Some(connector), &[("client.id", client.as_str())])
    }

    fn of_prefix(worker: &Props, prefix: &str, connector: Option<&Props>, defaults: &[(&str, &str)]) -> Self {
        let mut java: Props = defaults.iter().map(|(k, v)| (*k, *v)).collect();
        java.set("bootstrap.servers", worker.get("bootstrap.servers").unwrap_or("localhost:9092"));
        let mut merge = |props: &Props| {
            for (key, value) in props.iter() {
                java.set_nullable(key, value.map(str::to_owned));
            }
        };
        merge(&worker.with_prefix(prefix));
        if let Some(connector) = connector {
            merge(&connector.with_prefix(&format!("{prefix}override.")));
        }
        ClientSettings { java }
    }

    /// The Java setting called `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.java.get(key)
    }

    /// The same settings with one more.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.java.set(key, value);
        self
    }

    /// Translates the settings that concern `role`.
    ///
    /// # Errors
    /// `Kind::Config` that names every key whose meaning cannot be kept.
    pub fn native(&self, role: Role) -> Result<NativeConfig> {
        let mut native = NativeConfig::default();
        let mut problems = Vec::new();
        for (key, value) in self.java.iter() {
            let (Some(value), Some(row)) = (value, row_of(key, role)) else {
                // Java clients warn about keys they do not know and go on.
                tracing::debug!(key, ?role, "not a setting of this kind of Kafka client");
                continue;
            };
            if let Err(problem) = row.rule.apply(key, value.trim(), &mut native) {
                problems.push(format!("Invalid value {value} for configuration {key}: {problem}"));
            }
        }
        if let Err(problem) = security::translate(&self.java, &mut native) {
            problems.push(problem.message().to_owned());
        }
        if !problems.is_empty() {
            return Err(Error::config(problems.join("\n")));
        }
        add_defaults(role, &mut native);
        if native.get("transactional.id").is_some() {
            keep_within_transaction(&mut native);
        }
        Ok(native)
    }
}

/// What Java's defaults and our limits need where librdkafka's defaults differ.
fn add_defaults(role: Role, native: &mut NativeConfig) {
    native.set_default("client.id", "couplet");
    native.set_default("metadata.max.age.ms", "300000");
    // Connections that idle are closed by brokers; reconnecting is not worth a line on the console.
    native.set_default("log.connection.close", "false");
    match role {
        Role::Producer => {
            native.set_default("partitioner", "murmur2_random");
            // Zero when idle; under load, records gather while the previous request is on its way.
            native.set_default("queue.buffering.max.ms", "0");
            native.set_default("message.max.bytes", "1048576");
            native.set_default("queue.buffering.max.kbytes", "32768");
            native.set_default("queue.buffering.max.messages", "100000");
        }
        Role::Consumer => {
            native.set_default("enable.auto.commit", "false");
            native.set_default("enable.auto.offset.store", "false");
            native.set_default("isolation.level", "read_uncommitted");
            native.set_default("partition.assignment.strategy", "range");
            native.set_default("allow.auto.create.topics", "true");
            native.set_default("check.crcs", "true");
            native.set_default("session.timeout.ms", "45000");
            // What is fetched ahead of the task; the next fetch waits this long for room.
            native.set_default("queued.max.messages.kbytes", "16384");
            native.set_default("fetch.queue.backoff.ms", "10");
        }
        Role::Admin => {}
    }
}

/// Java's `transaction.timeout.ms` where it is not set.
const TRANSACTION_TIMEOUT_MS: i64 = 60_000;

/// librdkafka wants no record and no request to outlive its transaction; in Java they may, to no effect.
fn keep_within_transaction(native: &mut NativeConfig) {
    let number = |native: &NativeConfig, key: &str| native.get(key).and_then(|text| text.parse::<i64>().ok());
    let limit = number(native, "transaction.timeout.ms").unwrap_or(TRANSACTION_TIMEOUT_MS);
    for key in ["message.timeout.ms", "socket.timeout.ms"] {
        if number(native, key).is_some_and(|given| given > limit) {
            native.set(key, limit.to_string(), "transaction.timeout.ms");
        }
    }
}

/// How one Java key is kept.
enum Rule {
    /// Same name and meaning.
    Same,
    /// Another name, same meaning.
    Renamed(&'static str),
    /// Needs more than a new name.
    Mapped(fn(&str, &mut NativeConfig, &str) -> Result<(), String>),
    /// Read elsewhere (`security.rs`, or by the caller).
    Elsewhere,
    /// Cannot matter here, for this reason.
    Ignored(&'static str),
    /// Cannot be kept, for this reason; an empty value or the one given (Java's default) is accepted.
    Refused(&'static str, &'static str),
}

impl Rule {
    fn apply(&self, key: &str, value: &str, native: &mut NativeConfig) -> Result<(), String> {
        match self {
            Rule::Same => native.set(key, value, key),
            Rule::Renamed(name) => native.set(name, value, key),
            Rule::Mapped(map) => map(value, native, key)?,
            Rule::Elsewhere => {}
            Rule::Ignored(reason) => tracing::debug!(key, reason, "client setting without effect"),
            Rule::Refused(default, _) if value.is_empty() || value == *default => {}
            Rule::Refused(_, reason) => return Err((*reason).to_owned()),
        }
        Ok(())
    }
}

struct Row {
    key: &'static str,
    roles: u8,
    rule: Rule,
}

const PRODUCER: u8 = 1;
const CONSUMER: u8 = 2;
const ADMIN: u8 = 4;
const ALL: u8 = 7;

fn row_of(key: &str, role: Role) -> Option<&'static Row> {
    let bit = match role {
        Role::Producer => PRODUCER,
        Role::Consumer => CONSUMER,
        Role::Admin => ADMIN,
    };
    ROWS.iter().find(|row| row.roles & bit != 0 && row.matches(key))
}

impl Row {
    const fn new(key: &'static str, roles: u8, rule: Rule) -> Row {
        Row { key, roles, rule }
    }

    /// A key that ends in a dot stands for all keys it begins.
    fn matches(&self, key: &str) -> bool {
        self.key == key || (self.key.ends_with('.') && key.starts_with(self.key))
    }
}

const NO_JMX: &str = "metrics have one registry for the whole worker";
const KERBEROS_OAUTH: &str = "belongs to a SASL mechanism that is refused by its own key";

/// Every key of Kafka's producer, consumer and admin clients (4.1), in groups.
static ROWS: &[Row] = &[
    // All clients.
    Row::new("bootstrap.servers", ALL, Rule::Same),
    Row::new("client.dns.lookup", ALL, Rule::Same),
    Row::new("client.id", ALL, Rule::Same),
    Row::new("client.rack", CONSUMER, Rule::Same),
    Row::new("connections.max.idle.ms", ALL, Rule::Mapped(minus_one_is_zero)),
    Row::new("metadata.max.age.ms", ALL, Rule::Same),
    Row::new("receive.buffer.bytes", ALL, Rule::Mapped(receive_buffer)),
    Row::new("send.buffer.bytes", ALL, Rule::Mapped(send_buffer)),
    Row::new("reconnect.backoff.ms", ALL, Rule::Same),
    Row::new("reconnect.backoff.max.ms", ALL, Rule::Same),
    Row::new("retry.backoff.ms", ALL, Rule::Mapped(at_least_one)),
    Row::new("retry.backoff.max.ms", ALL, Rule::Mapped(at_least_one)),
    Row::new("request.timeout.ms", PRODUCER, Rule::Mapped(producer_request_timeout)),
    Row::new("request.timeout.ms", CONSUMER | ADMIN, Rule::Mapped(request_timeout)),
    Row::new("default.api.timeout.ms", CONSUMER | ADMIN, Rule::Ignored("every call has its own limit")),
    Row::new("socket.connection.setup.timeout.ms", ALL, Rule::Mapped(setup_timeout)),
    Row::new("socket.connection.setup.timeout.max.ms", ALL, Rule::Ignored("the setup timeout does not grow")),
    Row::new("metadata.recovery.strategy", ALL, Rule::Same),
    Row::new("metadata.recovery.rebootstrap.trigger.ms", ALL, Rule::Same),
    Row::new("enable.metrics.push", ALL, Rule::Same),
    Row::new("interceptor.classes", PRODUCER | CONSUMER, Rule::Refused("", "interceptors are Java classes")),
    Row::new("metric.reporters", ALL, Rule::Ignored(NO_JMX)),
    Row::new("metrics.", ALL, Rule::Ignored(NO_JMX)),
    Row::new("auto.include.jmx.reporter", ALL, Rule::Ignored(NO_JMX)),
    Row::new("config.providers", ALL, Rule::Ignored("the worker resolves placeholders")),
    // Security: see security.rs.
    Row::new("security.protocol", ALL, Rule::Elsewhere),
    Row::new("security.providers", ALL, Rule::Refused("", "security providers are Java classes")),
    Row::new("sasl.mechanism", ALL, Rule::Elsewhere),
    Row::new("sasl.jaas.config", ALL, Rule::Elsewhere),
    Row::new("sasl.kerberos.", ALL, Rule::Ignored(KERBEROS_OAUTH)),
    Row::new("sasl.oauthbearer.", ALL, Rule::Ignored(KERBEROS_OAUTH)),
    Row::new("sasl.login.callback.handler.class", ALL, Rule::Elsewhere),
    Row::new("sasl.client.callback.handler.class", ALL, Rule::Elsewhere),
    Row::new("sasl.login.class", ALL, Rule::Elsewhere),
    Row::new("sasl.login.", ALL, Rule::Ignored(KERBEROS_OAUTH)),
    Row::new("ssl.", ALL, Rule::Elsewhere),
    // Producer.
    Row::new("acks", PRODUCER, Rule::Same),
    Row::new("batch.size", PRODUCER, Rule::Mapped(at_least_one)),
    Row::new("buffer.memory", PRODUCER, Rule::Mapped(buffer_memory)),
    Row::new("compression.type", PRODUCER, Rule::Same),
    Row::new("compression.gzip.level", PRODUCER, Rule::Renamed("compression.level")),
    Row::new("compression.lz4.level", PRODUCER, Rule::Renamed("compression.level")),
    Row::new("compression.zstd.level", PRODUCER, Rule::Renamed("compression.level")),
    Row::new("delivery.timeout.ms", PRODUCER, Rule::Renamed("message.timeout.ms")),
    Row::new("enable.idempotence", PRODUCER, Rule::Same),
    Row::new("key.serializer", PRODUCER, Rule::Ignored("converters make bytes")),
    Row::new("value.serializer", PRODUCER, Rule::Ignored("converters make bytes")),
    Row::new("linger.ms", PRODUCER, Rule::Renamed("queue.buffering.max.ms")),
    Row::new("max.block.ms", PRODUCER, Rule::Ignored("a task waits for room for as long as it lives")),
    Row::new("max.in.flight.requests.per.connection", PRODUCER, Rule::Same),
    Row::new("max.request.size", PRODUCER, Rule::Renamed("message.max.bytes")),
    Row::new("metadata.max.idle.ms", PRODUCER, Rule::Ignored("metadata is kept per topic in use")),
    Row::new("partitioner.class", PRODUCER, Rule::Mapped(partitioner)),
    Row::new("partitioner.ignore.keys", PRODUCER, Rule::Mapped(ignore_keys)),
    Row::new("partitioner.adaptive.partitioning.enable", PRODUCER, Rule::Ignored("records without key go round")),
    Row::new("partitioner.availability.timeout.ms", PRODUCER, Rule::Ignored("records without key go round")),
    Row::new("retries", PRODUCER, Rule::Renamed("message.send.max.retries")),
    Row::new("transaction.timeout.ms", PRODUCER, Rule::Same),
    Row::new("transactional.id", PRODUCER, Rule::Same),
    Row::new("transaction.two.phase.commit.enable", PRODUCER, Rule::Refused("false", "not offered by the client")),
    // Consumer.
    Row::new("allow.auto.create.topics", CONSUMER, Rule::Same),
    Row::new("auto.commit.interval.ms", CONSUMER, Rule::Ignored("the task commits")),
    Row::new("auto.offset.reset", CONSUMER, Rule::Mapped(offset_reset)),
    Row::new("check.crcs", CONSUMER, Rule::Same),
    Row::new("enable.auto.commit", CONSUMER, Rule::Refused("false", "the task commits: must be false")),
    Row::new("exclude.internal.topics", CONSUMER, Rule::Ignored("topics.regex never matches internal topics")),
    Row::new("fetch.max.bytes", CONSUMER, Rule::Mapped(fetch_max_bytes)),
    Row::new("fetch.max.wait.ms", CONSUMER, Rule::Renamed("fetch.wait.max.ms")),
    Row::new("fetch.min.bytes", CONSUMER, Rule::Same),
    Row::new("group.id", CONSUMER, Rule::Same),
    Row::new("group.instance.id", CONSUMER, Rule::Same),
    Row::new("group.protocol", CONSUMER, Rule::Same),
    Row::new("group.remote.assignor", CONSUMER, Rule::Same),
    Row::new("heartbeat.interval.ms", CONSUMER, Rule::Same),
    Row::new("isolation.level", CONSUMER, Rule::Same),
    Row::new("key.deserializer", CONSUMER, Rule::Ignored("converters read bytes")),
    Row::new("value.deserializer", CONSUMER, Rule::Ignored("converters read bytes")),
    Row::new("max.partition.fetch.bytes", CONSUMER, Rule::Same),
    Row::new("max.poll.interval.ms", CONSUMER, Rule::Same),
    Row::new("max.poll.records", CONSUMER, Rule::Elsewhere),
    Row::new("partition.assignment.strategy", CONSUMER, Rule::Mapped(assignment_strategy)),
    Row::new("session.timeout.ms", CONSUMER, Rule::Same),
    Row::new("share.", CONSUMER, Rule::Ignored("sinks are no share consumers")),
    // Admin.
    Row::new("bootstrap.controllers", ADMIN, Rule::Refused("", "not offered by the client")),
];

fn number(value: &str) -> Result<i64, String> {
    value.parse().map_err(|_| "Not a number of type LONG".to_owned())
}

fn at_least_one(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set(key, number(value)?.max(1).to_string(), key);
    Ok(())
}

fn minus_one_is_zero(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set(key, number(value)?.max(0).to_string(), key);
    Ok(())
}

fn receive_buffer(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set("socket.receive.buffer.bytes", number(value)?.max(0).to_string(), key);
    Ok(())
}

fn send_buffer(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set("socket.send.buffer.bytes", number(value)?.max(0).to_string(), key);
    Ok(())
}

/// librdkafka takes 10 to 300000 ms here.
fn request_timeout(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set("socket.timeout.ms", number(value)?.clamp(10, 300_000).to_string(), key);
    Ok(())
}

/// For a producer Java's one key is also the time the broker may wait for its followers.
fn producer_request_timeout(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set("request.timeout.ms", number(value)?.clamp(1, 900_000).to_string(), key);
    request_timeout(value, native, key)
}

fn setup_timeout(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set(key, number(value)?.max(1000).to_string(), key);
    Ok(())
}

fn buffer_memory(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    native.set("queue.buffering.max.kbytes", (number(value)? / 1024).max(1).to_string(), key);
    Ok(())
}

/// A response may be larger than what was asked for by its own frame.
fn fetch_max_bytes(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    let bytes = number(value)?.clamp(1, 1_900_000_000);
    native.set("fetch.max.bytes", bytes.to_string(), key);
    if bytes + 512 > 100_000_000 {
        native.set("receive.message.max.bytes", (bytes + 512).to_string(), key);
    }
    Ok(())
}

fn offset_reset(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    let reset = match value {
        "earliest" | "latest" => value,
        "none" => "error",
        _ => return Err("must be earliest, latest or none".to_owned()),
    };
    native.set(key, reset, key);
    Ok(())
}

fn partitioner(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    let name = match value.rsplit('.').next().unwrap_or_default() {
        "" | "DefaultPartitioner" => "murmur2_random",
        "UniformStickyPartitioner" => "random",
        _ => return Err("partitioners of one's own are Java classes".to_owned()),
    };
    native.set("partitioner", name, key);
    Ok(())
}

fn ignore_keys(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    if value.eq_ignore_ascii_case("true") {
        native.set("partitioner", "random", key);
    }
    Ok(())
}

/// Java's default lists a cooperative assignor behind `range`; as long as `range` is listed, groups use it.
fn assignment_strategy(value: &str, native: &mut NativeConfig, key: &str) -> Result<(), String> {
    let mut names = Vec::new();
    for class in value.split(',').map(str::trim) {
        names.push(match class.rsplit('.').next().unwrap_or_default() {
            "RangeAssignor" => "range",
            "RoundRobinAssignor" => "roundrobin",
            "CooperativeStickyAssignor" => "cooperative-sticky",
            "StickyAssignor" => return Err("StickyAssignor is not offered, use CooperativeStickyAssignor".to_owned()),
            _ => return Err(format!("{class} is not one of Kafka's own assignors")),
        });
    }
    if names.iter().any(|n| *n != "cooperative-sticky") {
        names.retain(|n| *n != "cooperative-sticky");
    }
    native.set(key, names.join(","), key);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(role: Role, java: &[(&str, &str)]) -> Result<NativeConfig> {
        ClientSettings::new(java.iter().map(|(k, v)| (*k, *v)).collect()).native(role)
    }

    #[test]
    fn java_keys_keep_their_meaning() {
        use Role::{Admin, Consumer, Producer};
        let rows: &[(Role, &str, &str, &str, &str)] = &[
            (Producer, "linger.ms", "5", "queue.buffering.max.ms", "5"),
            (Producer, "acks", "all", "acks", "all"),
            (Producer, "max.request.size", "2000000", "message.max.bytes", "2000000"),
            (Producer, "buffer.memory", "67108864", "queue.buffering.max.kbytes", "65536"),
            (Producer, "delivery.timeout.ms", "2147483647", "message.timeout.ms", "2147483647"),
            (Producer, "request.timeout.ms", "400000", "socket.timeout.ms", "300000"),
            (Producer, "request.timeout.ms", "400000", "request.timeout.ms", "400000"),
            (Producer, "partitioner.ignore.keys", "true", "partitioner", "random"),
            (Consumer, "auto.offset.reset", "none", "auto.offset.reset", "error"),
            (Consumer, "fetch.max.wait.ms", "10", "fetch.wait.max.ms", "10"),
            (Consumer, "fetch.max.bytes", "200000000", "receive.message.max.bytes", "200000512"),
            (
                Consumer,
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor, org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
                "partition.assignment.strategy",
                "range",
            ),
            (Consumer, "client.id", "a", "isolation.level", "read_uncommitted"),
            (Producer, "client.id", "a", "partitioner", "murmur2_random"),
            (Admin, "connections.max.idle.ms", "-1", "connections.max.idle.ms", "0"),
            (Admin, "request.timeout.ms", "5", "socket.timeout.ms", "10"),
        ];
        for (role, key, value, want_key, want) in rows {
            let native = native(*role, &[(key, value)]).expect("valid");
            assert_eq!(native.get(want_key), Some(*want), "{key}={value}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_by_name() {
        let rows: &[(Role, &str, &str)] = &[
            (Role::Producer, "interceptor.classes", "com.acme.Audit"),
            (Role::Producer, "partitioner.class", "com.acme.Partitioner"),
            (Role::Consumer, "auto.offset.reset", "by_duration:PT1H"),
            (Role::Consumer, "enable.auto.commit", "true"),
            (Role::Consumer, "partition.assignment.strategy", "com.acme.Assignor"),
            (Role::Admin, "request.timeout.ms", "soon"),
            (Role::Admin, "security.protocol", "TELNET"),
        ];
        for (role, key, value) in rows {
            let error = native(*role, &[(key, value)]).expect_err(key);
            assert!(error.message().contains(key), "{key}: {error}");
        }
    }

    #[test]
    fn transactional_producers_cannot_be_talked_out_of_it() {
        let worker = Props::from_iter([("bootstrap.servers", "b:1"), ("producer.enable.idempotence", "false")]);
        let overrides = [
            ("producer.override.transactional.id", "mine"),
            ("producer.override.transaction.timeout.ms", "9000"),
            ("producer.override.request.timeout.ms", "20000"),
        ];
        let settings =
            ClientSettings::transactional_task_producer(&worker, &Props::from_iter(overrides), "c", 2, "cluster-c-2");
        let native = settings.native(Role::Producer).expect("valid");
        let rows = [
            ("transactional.id", "cluster-c-2"),
            ("enable.idempotence", "true"),
            ("client.id", "connector-producer-c-2"),
            ("transaction.timeout.ms", "9000"),
            ("message.timeout.ms", "9000"),
            ("socket.timeout.ms", "9000"),
        ];
        for (key, want) in rows {
            assert_eq!(native.get(key), Some(want), "{key}");
        }
    }

    #[test]
    fn keys_of_other_roles_and_unknown_keys_have_no_effect() {
        let plain = native(Role::Producer, &[]).expect("valid");
        let noisy = native(Role::Producer, &[("fetch.min.bytes", "7"), ("acme.key", "x"), ("key.serializer", "S")]);
        assert_eq!(noisy.expect("valid"), plain);
    }

    #[test]
    fn prefixes_and_overrides_stack_up() {
        let worker = Props::from_iter([
            ("bootstrap.servers", "b:1"),
            ("group.id", "connect-cluster"),
            ("producer.linger.ms", "5"),
            ("producer.acks", "1"),
            ("consumer.max.poll.records", "7"),
        ]);
        let connector = Props::from_iter([("producer.override.acks", "0"), ("consumer.override.group.id", "g")]);
        let producer = ClientSettings::task_producer(&worker, &connector).native(Role::Producer).expect("valid");
        assert_eq!((producer.get("acks"), producer.get("queue.buffering.max.ms")), (Some("0"), Some("5")));
        assert_eq!(producer.get("max.in.flight.requests.per.connection"), Some("1"));
        let consumer = ClientSettings::task_consumer(&worker, &connector, "c", 3);
        assert_eq!(consumer.get("max.poll.records"), Some("7"));
        let consumer = consumer.native(Role::Consumer).expect("valid");
        assert_eq!((consumer.get("group.id"), consumer.get("client.id")), (Some("g"), Some("connector-consumer-c-3")));
        assert_eq!(consumer.bootstrap_servers(), "b:1");
        let own = ClientSettings::of_worker(&worker).native(Role::Consumer).expect("valid");
        assert_eq!(own.get("group.id"), None);
    }
}
