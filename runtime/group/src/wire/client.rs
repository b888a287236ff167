use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use couplet_api::Error;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
use kafka_protocol::messages::{ApiKey, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::timeout;

use super::connection::Connection;
use super::pool::Pool;
use super::{ClientConfig, Node};
use crate::membership::{Failure, FoundAnswer};
use crate::observer::{Measured, Observer, Unobserved};

/// Kinds of coordinators.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// Sends requests to brokers. Cheap to share behind an `Arc`.
pub struct Client {
    config: ClientConfig,
    observer: Arc<dyn Observer>,
    pool: Mutex<Pool>,
    brokers: Mutex<Brokers>,
}

/// What is known of the cluster.
#[derive(Default)]
struct Brokers {
    nodes: Vec<Node>,
    asked: Option<Instant>,
}

impl Client {
    /// A client that has not connected yet.
    pub fn new(config: ClientConfig) -> Self {
        Self::observed(config, Arc::new(Unobserved))
    }

    /// As [`Client::new`]; `observer` hears of its connections and requests.
    pub fn observed(config: ClientConfig, observer: Arc<dyn Observer>) -> Self {
        Client { config, observer, pool: Mutex::default(), brokers: Mutex::default() }
    }

    /// Who hears of its connections and requests.
    pub fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Its settings.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Sends to `node` the request that `make` builds for the version both sides know, `version_max` at most, and waits for
    /// the answer within `request.timeout.ms`. Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the broker is not reached or does not answer in time; [`Failure::Fatal`] when it refuses
    /// our credentials or does not know the request.
    pub async fn send<R: Request>(
        &self,
        node: &Node,
        version_max: i16,
        make: impl FnOnce(i16) -> R,
    ) -> Result<(i16, R::Response), Failure> {
        self.send_within(self.config.request_timeout, node, version_max, make).await
    }

    /// As [`Client::send`], with another time limit.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn send_within<R: Request>(
        &self,
        limit: Duration,
        node: &Node,
        version_max: i16,
        make: impl FnOnce(i16) -> R,
    ) -> Result<(i16, R::Response), Failure> {
        let (mut connection, era) = self.connection(node).await?;
        let api = ApiKey::try_from(R::KEY).map_or_else(|()| R::KEY.to_string(), |key| format!("{key:?}"));
        let version = connection.versions.pick::<R>(version_max).ok_or_else(|| {
            Failure::Fatal(
                Error::fatal(format!("broker {node} is too old or too new: it knows no usable version of {api}"))
                    .into(),
            )
        })?;
        let request = make(version);
        let (began, before) = (Instant::now(), connection.traffic);
        let answer = timeout(limit, connection.call_as(version, &request)).await;
        let (sent, received) = connection.traffic.since(before);
        self.observer.note(Measured::Exchange { node: node.id, sent, received, took: began.elapsed() });
        match answer {
            Ok(Ok(response)) => {
                self.pool().give_back(node, connection, era);
                Ok((version, response))
            }
            Ok(Err(error)) => Err(Failure::Unavailable(format!("broker {node}, {api}: {error}"))),
            Err(_) => Err(Failure::Unavailable(format!("broker {node}, {api}: no answer within {limit:?}"))),
        }
    }

    async fn connection(&self, node: &Node) -> Result<(Connection, u64), Failure> {
        let era = loop {
            let (idle, era) = self.pool().take(node, self.config.idle_max);
            let Some(mut idle) = idle else { break era };
            if !idle.is_stale().await {
                return Ok((idle, era));
            }
        };
        let pause = self.pool().pause(node);
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let opened = Connection::open(&self.config, node, &self.observer).await;
        self.pool().attempted(node, &self.config, opened.is_ok());
        Ok((opened?, era))
    }

    /// Closes the connections to `node`; requests under way still get their answers.
    pub fn disconnect(&self, node: &Node) {
        self.pool().close(node);
    }

    /// Sends a request that any broker can answer: those known to be in the cluster first, then `bootstrap.servers`.
    ///
    /// # Errors
    /// What the last broker said, when all were asked.
    pub async fn send_any<R: Request>(
        &self,
        version_max: i16,
        make: impl Fn(i16) -> R,
    ) -> Result<(i16, R::Response), Failure> {
        let mut nodes = self.brokers().nodes.clone();
        nodes.extend(self.config.bootstrap.iter().cloned());
        let mut last = Failure::Unavailable("no broker is known".to_owned());
        for node in nodes {
            match self.send(&node, version_max, &make).await {
                Ok(answer) => return Ok(answer),
                Err(fatal @ Failure::Fatal(_)) => return Err(fatal),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// The coordinator of a group.
    ///
    /// # Errors
    /// As [`Client::send_any`]; what the brokers answer is in the answer.
    pub async fn group_coordinator(&self, group: &str) -> Result<FoundAnswer, Failure> {
        self.coordinator(GROUP, group).await
    }

    /// The coordinator of a transactional id.
    ///
    /// # Errors
    /// As [`Client::send_any`]; what the brokers answer is in the answer.
    pub async fn transaction_coordinator(&self, transactional_id: &str) -> Result<FoundAnswer, Failure> {
        self.coordinator(TRANSACTION, transactional_id).await
    }

    async fn coordinator(&self, kind: i8, key: &str) -> Result<FoundAnswer, Failure> {
        if let Err(failure) = self.learn_brokers().await {
            // The brokers to begin with may do.
            tracing::debug!(%failure, "the brokers of the cluster are not known");
        }
        let key = StrBytes::from_string(key.to_owned());
        // From version 4 on several keys are asked for at once (KIP-699).
        let make = |version| match version {
            0..4 => FindCoordinatorRequest::default().with_key_type(kind).with_key(key.clone()),
            _ => FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![key.clone()]),
        };
        let (_, response) = self.send_any(6, make).await?;
        Ok(found(response))
    }

    /// Learns which brokers there are, if that was long ago. Those known serve when the ones to begin with are gone.
    async fn learn_brokers(&self) -> Result<(), Failure> {
        let is_known = |brokers: &Brokers| brokers.asked.is_some_and(|at| at.elapsed() < self.config.metadata_age_max);
        if is_known(&self.brokers()) {
            return Ok(());
        }
        let (_, response) = self.send_any(12, |_| MetadataRequest::default().with_topics(Some(Vec::new()))).await?;
        let node = |broker: &MetadataResponseBroker| {
            Some(Node::new(broker.node_id.0, broker.host.to_string(), u16::try_from(broker.port).ok()?))
        };
        *self.brokers() =
            Brokers { nodes: response.brokers.iter().filter_map(node).collect(), asked: Some(Instant::now()) };
        Ok(())
    }

    /// All brokers of the cluster.
    ///
    /// # Errors
    /// As [`Client::send_any`].
    pub async fn nodes(&self) -> Result<Vec<Node>, Failure> {
        self.learn_brokers().await?;
        Ok(self.brokers().nodes.clone())
    }

    fn brokers(&self) -> std::sync::MutexGuard<'_, Brokers> {
        self.brokers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn found(response: FindCoordinatorResponse) -> FoundAnswer {
    let node = |id: i32, host: &StrBytes, port: i32| Node::new(id, host.to_string(), u16::try_from(port).unwrap_or(0));
    match response.coordinators.first() {
        Some(one) => FoundAnswer {
            error: ResponseError::try_from_code(one.error_code),
            node: node(one.node_id.0, &one.host, one.port),
        },
        None => FoundAnswer {
            error: ResponseError::try_from_code(response.error_code),
            node: node(response.node_id.0, &response.host, response.port),
        },
    }
}
