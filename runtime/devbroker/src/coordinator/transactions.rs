//! Transactional ids: who holds them, which partitions their transaction touches, and how it ends.
//!
//! A transaction ends in three steps: the decision is written down, markers go to every partition, the end is written
//! down. After a crash between them the markers are written (again) at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};

use super::groups::Groups;
use super::owned_topic::{Entry, OwnedTopic};
use super::producer_ids::ProducerIds;
use crate::clock;
use crate::log::producers::Marker;
use crate::topics::{TRANSACTIONS_TOPIC, Topics};

/// Kafka's `transaction.max.timeout.ms`.
const TIMEOUT_MS_MAX: i64 = 900_000;
/// Transactional ids held at once.
const IDS_MAX: usize = 10_000;

/// A producer as it names itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProducerIdentity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// Where a transactional id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Status {
    /// No transaction since the producer was initialized.
    Empty,
    Ongoing,
    /// The decision is made; markers are being written.
    Committing,
    Aborting,
    Committed,
    Aborted,
}

/// One transactional id, as it is stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Transaction {
    producer: ProducerIdentity,
    timeout_ms: i64,
    status: Status,
    /// Topic and partition.
    partitions: BTreeSet<(String, i32)>,
    /// Offsets of groups are part of it.
    has_offsets: bool,
    started_ms: i64,
}

/// Every transactional id of the broker.
#[derive(Debug)]
pub(crate) struct Transactions {
    by_id: BTreeMap<StrBytes, Transaction>,
    producer_ids: ProducerIds,
    topics: Arc<Topics>,
    store: OwnedTopic,
}

impl Transactions {
    /// Reads the state of the last run and finishes transactions that were ending.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub(crate) fn load(
        topics: Arc<Topics>,
        producer_ids: ProducerIds,
        groups: &mut Groups,
    ) -> io::Result<Transactions> {
        let store = OwnedTopic::new(topics.clone(), TRANSACTIONS_TOPIC);
        let mut by_id = BTreeMap::new();
        store.load(|entry| {
            let Entry::Record { key, value: Some(value), .. } = entry else { return };
            if let (Ok(id), Ok(transaction)) = (StrBytes::from_utf8(key), serde_json::from_slice(&value)) {
                by_id.insert(id, transaction);
            }
        })?;
        let mut transactions = Transactions { by_id, producer_ids, topics, store };
        let ids: Vec<StrBytes> = transactions.by_id.keys().cloned().collect();
        for id in ids {
            transactions.finish(&id, groups).map_err(|error| io::Error::other(error.to_string()))?;
        }
        Ok(transactions)
    }

    /// An id for an idempotent producer.
    ///
    /// # Errors
    /// `KafkaStorageError`.
    pub(crate) fn new_producer(&mut self) -> Result<ProducerIdentity, ResponseError> {
        Ok(ProducerIdentity { id: self.producer_ids.next()?, epoch: 0 })
    }

    /// Gives a transactional id to the caller, fencing whoever had it, and aborts what that one left open.
    ///
    /// `claimed`: what the caller believes to be, when it only wants a new epoch.
    ///
    /// # Errors
    /// `InvalidTransactionTimeout`; `ProducerFenced` when the claim is out of date; storage errors.
    pub(crate) fn init(
        &mut self,
        id: &StrBytes,
        timeout_ms: i64,
        claimed: Option<ProducerIdentity>,
        groups: &mut Groups,
    ) -> Result<ProducerIdentity, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if !(1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        self.finish(id, groups)?;
        let Some(known) = self.by_id.get(id).cloned() else {
            if self.by_id.len() >= IDS_MAX {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
            let producer = self.new_producer()?;
            self.put(id, Transaction::empty(producer, timeout_ms))?;
            return Ok(producer);
        };
        if claimed.is_some_and(|claimed| claimed != known.producer) {
            return Err(ResponseError::ProducerFenced);
        }
        let producer = match known.producer.epoch.checked_add(1) {
            Some(epoch) if epoch < i16::MAX => ProducerIdentity { id: known.producer.id, epoch },
            _ => self.new_producer()?,
        };
        if known.status == Status::Ongoing {
            // The marker carries the new epoch, so that partitions refuse the old producer from here on.
            let epoch = known.producer.epoch.saturating_add(1);
            let fenced = ProducerIdentity { id: known.producer.id, epoch };
            self.put(id, Transaction { producer: fenced, status: Status::Aborting, ..known })?;
            self.finish(id, groups)?;
        }
        self.put(id, Transaction::empty(producer, timeout_ms))?;
        Ok(producer)
    }

    /// Makes partitions part of the caller's transaction, which starts with the first one.
    ///
    /// # Errors
    /// `InvalidProducerIdMapping`, `ProducerFenced`; storage errors.
    pub(crate) fn add_partitions(
        &mut self,
        id: &StrBytes,
        producer: ProducerIdentity,
        partitions: impl IntoIterator<Item = (String, i32)>,
        groups: &mut Groups,
    ) -> Result<(), ResponseError> {
        let mut transaction = self.begin(id, producer, groups)?;
        let before = transaction.partitions.len();
        transaction.partitions.extend(partitions);
        let unchanged = transaction.partitions.len() == before;
        self.put_unless(unchanged, id, transaction)
    }

    /// Makes group offsets part of the caller's transaction.
    ///
    /// # Errors
    /// As [`Transactions::add_partitions`].
    pub(crate) fn add_offsets(
        &mut self,
        id: &StrBytes,
        producer: ProducerIdentity,
        groups: &mut Groups,
    ) -> Result<(), ResponseError> {
        let mut transaction = self.begin(id, producer, groups)?;
        let unchanged = std::mem::replace(&mut transaction.has_offsets, true);
        self.put_unless(unchanged, id, transaction)
    }

    fn put_unless(&mut self, unchanged: bool, id: &StrBytes, transaction: Transaction) -> Result<(), ResponseError> {
        if unchanged { Ok(()) } else { self.put(id, transaction) }
    }

    fn begin(
        &mut self,
        id: &StrBytes,
        producer: ProducerIdentity,
        groups: &mut Groups,
    ) -> Result<Transaction, ResponseError> {
        self.finish(id, groups)?;
        let mut transaction = self.checked(id, producer)?.clone();
        if transaction.status != Status::Ongoing {
            transaction.status = Status::Ongoing;
            transaction.started_ms = clock::now_ms();
        }
        Ok(transaction)
    }

    fn checked(&self, id: &StrBytes, producer: ProducerIdentity) -> Result<&Transaction, ResponseError> {
        let transaction = self.by_id.get(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        match transaction.producer {
            known if known.id != producer.id => Err(ResponseError::InvalidProducerIdMapping),
            known if known.epoch != producer.epoch => Err(ResponseError::ProducerFenced),
            _ => Ok(transaction),
        }
    }

    /// Whether the producer may write to a partition, or (`None`) commit offsets, in its transaction.
    ///
    /// # Errors
    /// `InvalidTxnState` when the partition was not added; as [`Transactions::add_partitions`].
    pub(crate) fn check_member(
        &self,
        id: &StrBytes,
        producer: ProducerIdentity,
        partition: Option<(&str, i32)>,
    ) -> Result<(), ResponseError> {
        let transaction = self.checked(id, producer)?;
        let added = match partition {
            None => transaction.has_offsets,
            Some((topic, partition)) => transaction.partitions.contains(&(topic.to_owned(), partition)),
        };
        if transaction.status == Status::Ongoing && added { Ok(()) } else { Err(ResponseError::InvalidTxnState) }
    }

    /// Ends the caller's transaction. Ending it the same way again is fine.
    ///
    /// # Errors
    /// `InvalidTxnState` when there is none; as [`Transactions::add_partitions`].
    pub(crate) fn end(
        &mut self,
        id: &StrBytes,
        producer: ProducerIdentity,
        commit: bool,
        groups: &mut Groups,
    ) -> Result<(), ResponseError> {
        self.finish(id, groups)?;
        let transaction = self.checked(id, producer)?.clone();
        match (transaction.status, commit) {
            (Status::Ongoing, _) => {
                let status = if commit { Status::Committing } else { Status::Aborting };
                self.put(id, Transaction { status, ..transaction })?;
                self.finish(id, groups)
            }
            (Status::Committed, true) | (Status::Aborted, false) => Ok(()),
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Writes the markers of a transaction whose end is decided. Does nothing for others.
    fn finish(&mut self, id: &StrBytes, groups: &mut Groups) -> Result<(), ResponseError> {
        let Some(transaction) = self.by_id.get(id) else { return Ok(()) };
        let (marker, ended) = match transaction.status {
            Status::Committing => (Marker::Commit, Status::Committed),
            Status::Aborting => (Marker::Abort, Status::Aborted),
            _ => return Ok(()),
        };
        let transaction = transaction.clone();
        let ProducerIdentity { id: producer_id, epoch } = transaction.producer;
        for (topic, partition) in &transaction.partitions {
            // A topic that was deleted meanwhile needs no marker.
            let Some(topic) = self.topics.get(topic) else { continue };
            let Some(partition) = topic.partition(*partition) else { continue };
            match partition.append_marker(marker, producer_id, epoch, &topic.config(), clock::now_ms()) {
                Ok(()) | Err(ResponseError::UnknownTopicOrPartition) => {}
                Err(error) => return Err(error),
            }
        }
        if transaction.has_offsets {
            groups.end_transaction(marker, producer_id, epoch)?;
        }
        let over = Transaction { status: ended, ..Transaction::empty(transaction.producer, transaction.timeout_ms) };
        self.put(id, over)
    }

    fn put(&mut self, id: &StrBytes, transaction: Transaction) -> Result<(), ResponseError> {
        let json = serde_json::to_vec(&transaction).map_err(|_| ResponseError::UnknownServerError)?;
        self.store.append(&[(Bytes::copy_from_slice(id.as_bytes()), Some(json.into()))])?;
        self.by_id.insert(id.clone(), transaction);
        Ok(())
    }

    /// Aborts transactions that are over their time and fences their producers.
    pub(crate) fn tick(&mut self, groups: &mut Groups) {
        let now_ms = clock::now_ms();
        let overdue: Vec<StrBytes> = self
            .by_id
            .iter()
            .filter(|(_, transaction)| transaction.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms))
            .map(|(id, _)| id.clone())
            .collect();
        for id in overdue {
            let Some(transaction) = self.by_id.get(&id).cloned() else { continue };
            let epoch = transaction.producer.epoch.saturating_add(1);
            let producer = ProducerIdentity { id: transaction.producer.id, epoch };
            let aborting = Transaction { producer, status: Status::Aborting, ..transaction };
            let aborted = self.put(&id, aborting).and_then(|()| self.finish(&id, groups));
            if let Err(error) = aborted {
                tracing::warn!(%error, transactional_id = &*id, "cannot abort a transaction that timed out");
            }
        }
    }

    /// Wall-clock time of the next [`Transactions::tick`].
    pub(crate) fn deadline_ms(&self) -> Option<i64> {
        self.by_id.values().filter_map(Transaction::deadline_ms).min()
    }
}

impl Transaction {
    fn empty(producer: ProducerIdentity, timeout_ms: i64) -> Transaction {
        let partitions = BTreeSet::new();
        Transaction { producer, timeout_ms, status: Status::Empty, partitions, has_offsets: false, started_ms: 0 }
    }

    fn deadline_ms(&self) -> Option<i64> {
        (self.status == Status::Ongoing).then(|| self.started_ms.saturating_add(self.timeout_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::batch;
    use crate::log::record::{BatchBuilder, NewRecord};
    use crate::topic_config::TopicConfig;

    struct Fixture {
        transactions: Transactions,
        groups: Groups,
        topics: Arc<Topics>,
        id: StrBytes,
    }

    fn fixture() -> Fixture {
        let topics = Arc::new(Topics::open(None).unwrap());
        topics.create(&StrBytes::from_static_str("t"), 1, TopicConfig::default(), false).unwrap();
        let mut groups = Groups::load(topics.clone()).unwrap();
        let ids = ProducerIds::open(None).unwrap();
        let transactions = Transactions::load(topics.clone(), ids, &mut groups).unwrap();
        Fixture { transactions, groups, topics, id: StrBytes::from_static_str("tx") }
    }

    impl Fixture {
        fn init(&mut self) -> ProducerIdentity {
            self.transactions.init(&self.id, 60_000, None, &mut self.groups).unwrap()
        }

        fn add(&mut self, producer: ProducerIdentity) -> Result<(), ResponseError> {
            self.transactions.add_partitions(&self.id, producer, [("t".to_owned(), 0)], &mut self.groups)
        }

        fn end(&mut self, producer: ProducerIdentity, commit: bool) -> Result<(), ResponseError> {
            self.transactions.end(&self.id, producer, commit, &mut self.groups)
        }

        fn write(&self, producer: ProducerIdentity) {
            let mut builder =
                BatchBuilder::new(clock::now_ms()).producer(producer.id, producer.epoch, batch::TRANSACTIONAL);
            builder.push(NewRecord { key: None, value: Some(b"v") });
            let topic = self.topics.get("t").unwrap();
            topic.partition(0).unwrap().append_own(&builder.build(), &topic.config(), clock::now_ms()).unwrap();
        }

        fn stable_and_end(&self) -> (i64, i64) {
            let partition = self.topics.get("t").unwrap().partition(0).unwrap();
            let log = partition.log();
            (log.last_stable_offset(), log.end_offset())
        }
    }

    #[test]
    fn a_transaction_becomes_stable_when_it_ends() {
        for commit in [true, false] {
            let mut fixture = fixture();
            let producer = fixture.init();
            assert_eq!(fixture.end(producer, commit), Err(ResponseError::InvalidTxnState), "none was begun");
            fixture.add(producer).unwrap();
            fixture.write(producer);
            assert_eq!(fixture.stable_and_end(), (0, 1));
            fixture.end(producer, commit).unwrap();
            assert_eq!(fixture.stable_and_end(), (2, 2), "record and marker");
            assert_eq!(fixture.end(producer, commit), Ok(()), "asked again");
            assert_eq!(fixture.end(producer, !commit), Err(ResponseError::InvalidTxnState));
        }
    }

    #[test]
    fn a_new_holder_fences_the_old_one_and_aborts_its_transaction() {
        let mut fixture = fixture();
        let old = fixture.init();
        fixture.add(old).unwrap();
        fixture.write(old);
        let new = fixture.init();
        assert_eq!((new.id, new.epoch), (old.id, old.epoch + 1));
        assert_eq!(fixture.stable_and_end(), (2, 2));
        assert_eq!(fixture.add(old), Err(ResponseError::ProducerFenced));
        assert_eq!(fixture.end(old, true), Err(ResponseError::ProducerFenced));
        fixture.add(new).unwrap();
        fixture.write(new);
        fixture.end(new, true).unwrap();
        let claimed = fixture.transactions.init(&fixture.id, 60_000, Some(old), &mut fixture.groups);
        assert_eq!(claimed, Err(ResponseError::ProducerFenced));
    }

    #[test]
    fn strangers_and_strange_timeouts() {
        let mut fixture = fixture();
        let producer = fixture.init();
        let stranger = ProducerIdentity { id: producer.id + 99, epoch: 0 };
        assert_eq!(fixture.add(stranger), Err(ResponseError::InvalidProducerIdMapping));
        assert_eq!(
            fixture.transactions.check_member(&fixture.id, producer, Some(("t", 0))),
            Err(ResponseError::InvalidTxnState)
        );
        for timeout_ms in [0, -1, TIMEOUT_MS_MAX + 1] {
            let got = fixture.transactions.init(&fixture.id, timeout_ms, None, &mut fixture.groups);
            assert_eq!(got, Err(ResponseError::InvalidTransactionTimeout), "{timeout_ms}");
        }
    }

    #[test]
    fn a_restart_finishes_what_was_decided_and_remembers_what_is_open() {
        let mut fixture = fixture();
        let producer = fixture.init();
        fixture.add(producer).unwrap();
        fixture.write(producer);
        let ids = || ProducerIds::open(None).unwrap();
        let id = fixture.id.clone();
        let mut reloaded = Transactions::load(fixture.topics.clone(), ids(), &mut fixture.groups).unwrap();
        assert_eq!(reloaded.check_member(&id, producer, Some(("t", 0))), Ok(()));
        assert_eq!(fixture.stable_and_end(), (0, 1));
        let decided = Transaction { status: Status::Committing, ..reloaded.by_id[&id].clone() };
        reloaded.put(&id, decided).unwrap();
        let mut again = Transactions::load(fixture.topics.clone(), ids(), &mut fixture.groups).unwrap();
        assert_eq!(fixture.stable_and_end(), (2, 2));
        assert_eq!(again.end(&id, producer, true, &mut fixture.groups), Ok(()));
    }
}
