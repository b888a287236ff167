//! All groups: requests become events, actions become answers and records.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use tokio::sync::oneshot;

use super::owned_topic::{Entry, KeyValue, OwnedTopic};
use crate::clock;
use crate::group::event::{Action, Caller, Event, Join, JoinRefused, Joined, RequestId, Sync, Synced};
use crate::group::offset_records::{GroupSummary, Key};
use crate::group::offsets::{Committed, GroupOffsets, TopicPartition};
use crate::group::state::{Group, Phase};
use crate::log::producers::Marker;
use crate::topics::{OFFSETS_TOPIC, Topics};

/// Groups held at once; a new one is refused.
const GROUPS_MAX: usize = 10_000;

/// Offsets of one request.
pub(crate) type OffsetsToCommit = Vec<(TopicPartition, Committed)>;
type JoinAnswer = Result<Joined, JoinRefused>;
type SyncAnswer = Result<Synced, ResponseError>;

/// A group with its offsets.
#[derive(Debug, Default)]
struct Entity {
    group: Group,
    offsets: GroupOffsets,
}

/// A group as it is described to others.
#[derive(Debug)]
pub(crate) struct GroupView<'a> {
    pub(crate) group: &'a Group,
    pub(crate) offsets: &'a GroupOffsets,
}

/// Every group of the broker.
#[derive(Debug)]
pub(crate) struct Groups {
    entities: BTreeMap<StrBytes, Entity>,
    joins: HashMap<RequestId, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<RequestId, oneshot::Sender<SyncAnswer>>,
    last_request: RequestId,
    store: OwnedTopic,
}

impl Groups {
    /// Reads offsets and generations out of the offsets topic.
    ///
    /// # Errors
    /// When the topic cannot be read.
    pub(crate) fn load(topics: Arc<Topics>) -> io::Result<Groups> {
        let store = OwnedTopic::new(topics, OFFSETS_TOPIC);
        let mut entities: BTreeMap<StrBytes, Entity> = BTreeMap::new();
        store.load(|entry| match entry {
            Entry::Record { producer_id, key, value } => {
                if let Some(key) = Key::decode(key) {
                    replay(&mut entities, producer_id, key, value);
                }
            }
            Entry::End { producer_id, marker } => {
                let commit = marker == Marker::Commit;
                entities.values_mut().for_each(|entity| entity.offsets.end_transaction(producer_id, commit));
            }
        })?;
        Ok(Groups { entities, joins: HashMap::new(), syncs: HashMap::new(), last_request: 0, store })
    }

    /// Starts a join. The answer comes when the group has rebalanced.
    pub(crate) fn join(&mut self, group_id: &StrBytes, mut join: Join, now_ms: u64) -> oneshot::Receiver<JoinAnswer> {
        let (answer, answered) = oneshot::channel();
        join.request = self.next_request();
        let exists = self.entities.contains_key(group_id);
        let refusal = match (exists, join.member_id.is_empty()) {
            (false, false) => Some(ResponseError::UnknownMemberId),
            (false, true) if self.entities.len() >= GROUPS_MAX => Some(ResponseError::GroupMaxSizeReached),
            _ => None,
        };
        if let Some(error) = refusal {
            // A closed channel on the other side is fine here and below: the connection is gone.
            let _ = answer.send(Err(JoinRefused { error, member_id: join.member_id }));
            return answered;
        }
        self.joins.insert(join.request, answer);
        self.apply(group_id, Event::Join(join), now_ms);
        answered
    }

    /// Asks for the caller's assignment. The answer comes when the leader has brought it.
    pub(crate) fn sync(&mut self, group_id: &StrBytes, mut sync: Sync, now_ms: u64) -> oneshot::Receiver<SyncAnswer> {
        let (answer, answered) = oneshot::channel();
        sync.request = self.next_request();
        if !self.entities.contains_key(group_id) {
            let _ = answer.send(Err(ResponseError::UnknownMemberId));
            return answered;
        }
        self.syncs.insert(sync.request, answer);
        self.apply(group_id, Event::Sync(sync), now_ms);
        answered
    }

    /// # Errors
    /// What the member has to know: that it is unknown, or that a rebalance is under way.
    pub(crate) fn heartbeat(&mut self, group_id: &StrBytes, caller: Caller, now_ms: u64) -> Result<(), ResponseError> {
        let request = self.next_request();
        self.apply_known(group_id, Event::Heartbeat { request, caller }, now_ms)
    }

    /// # Errors
    /// `UnknownMemberId`, `FencedInstanceId`.
    pub(crate) fn leave(
        &mut self,
        group_id: &StrBytes,
        member_id: StrBytes,
        instance_id: Option<StrBytes>,
        now_ms: u64,
    ) -> Result<(), ResponseError> {
        let request = self.next_request();
        self.apply_known(group_id, Event::Leave { request, member_id, instance_id }, now_ms)
    }

    fn apply_known(&mut self, group_id: &StrBytes, event: Event, now_ms: u64) -> Result<(), ResponseError> {
        if !self.entities.contains_key(group_id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.apply(group_id, event, now_ms).unwrap_or(Err(ResponseError::UnknownServerError))
    }

    fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        self.last_request
    }

    /// Applies an event and carries out its actions. Returns the direct answer, for events that have one.
    fn apply(&mut self, group_id: &StrBytes, event: Event, now_ms: u64) -> Option<Result<(), ResponseError>> {
        let entity = self.entities.entry(group_id.clone()).or_default();
        let mut direct = None;
        for action in entity.group.on(event, now_ms) {
            match action {
                Action::AnswerJoin(request, answer) => {
                    if let Some(waiting) = self.joins.remove(&request) {
                        let _ = waiting.send(answer);
                    }
                }
                Action::AnswerSync(request, answer) => {
                    if let Some(waiting) = self.syncs.remove(&request) {
                        let _ = waiting.send(answer);
                    }
                }
                Action::Answer(_, answer) => direct = Some(answer),
                Action::Persist => persist(&self.store, group_id, &entity.group),
            }
        }
        let untouched = entity.group.generation == 0 && entity.group.deadline_ms().is_none();
        if untouched && entity.offsets.is_empty() {
            self.entities.remove(group_id); // made for a join that was refused
        }
        direct
    }

    /// Lets time pass in every group.
    pub(crate) fn tick(&mut self, now_ms: u64) {
        let due = |entity: &Entity| entity.group.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms);
        let ids: Vec<StrBytes> =
            self.entities.iter().filter(|(_, entity)| due(entity)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.apply(&id, Event::Tick, now_ms);
        }
    }

    /// When the next tick is due.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.entities.values().filter_map(|entity| entity.group.deadline_ms()).min()
    }

    /// Whether the caller may commit offsets of a group, which need not exist for outsiders.
    ///
    /// # Errors
    /// Of [`Group::check_commit`].
    pub(crate) fn check_commit(&self, group_id: &StrBytes, caller: &Caller) -> Result<(), ResponseError> {
        match self.entities.get(group_id) {
            Some(entity) => entity.group.check_commit(caller),
            None => Group::default().check_commit(caller),
        }
    }

    /// The same for offsets in a transaction.
    ///
    /// # Errors
    /// Of [`Group::check_transactional_commit`].
    pub(crate) fn check_transactional_commit(&self, group_id: &StrBytes, caller: &Caller) -> Result<(), ResponseError> {
        match self.entities.get(group_id) {
            Some(entity) => entity.group.check_transactional_commit(caller),
            None => Group::default().check_transactional_commit(caller),
        }
    }

    /// Commits offsets, durably.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn commit(&mut self, group_id: &StrBytes, offsets: OffsetsToCommit) -> Result<(), ResponseError> {
        self.store.append(&offset_records(group_id, &offsets))?;
        let entity = self.entities.entry(group_id.clone()).or_default();
        offsets.into_iter().for_each(|(partition, committed)| entity.offsets.commit(partition, committed));
        Ok(())
    }

    /// Commits offsets when the producer's transaction does.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn commit_in_transaction(
        &mut self,
        group_id: &StrBytes,
        producer_id: i64,
        epoch: i16,
        offsets: OffsetsToCommit,
    ) -> Result<(), ResponseError> {
        self.store.append_transactional(producer_id, epoch, &offset_records(group_id, &offsets))?;
        let entity = self.entities.entry(group_id.clone()).or_default();
        for (partition, committed) in offsets {
            entity.offsets.commit_later(producer_id, partition, committed);
        }
        Ok(())
    }

    /// Ends a producer's transaction in all groups.
    ///
    /// # Errors
    /// When the marker cannot be written.
    pub(crate) fn end_transaction(
        &mut self,
        marker: Marker,
        producer_id: i64,
        epoch: i16,
    ) -> Result<(), ResponseError> {
        self.store.end_transaction(marker, producer_id, epoch)?;
        let commit = marker == Marker::Commit;
        self.entities.values_mut().for_each(|entity| entity.offsets.end_transaction(producer_id, commit));
        Ok(())
    }

    /// The group, when it exists.
    pub(crate) fn get(&self, group_id: &StrBytes) -> Option<GroupView<'_>> {
        self.entities.get(group_id).map(|Entity { group, offsets }| GroupView { group, offsets })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&StrBytes, GroupView<'_>)> {
        self.entities.iter().map(|(id, Entity { group, offsets })| (id, GroupView { group, offsets }))
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// `GroupIdNotFound`, `NonEmptyGroup`.
    pub(crate) fn delete(&mut self, group_id: &StrBytes) -> Result<(), ResponseError> {
        let entity = self.entities.get(group_id).ok_or(ResponseError::GroupIdNotFound)?;
        if entity.group.phase != Phase::Empty {
            return Err(ResponseError::NonEmptyGroup);
        }
        let group = group_id.clone();
        let keys = entity.offsets.all().keys();
        let mut records: Vec<KeyValue> = keys.map(|partition| (offset_key(&group, partition), None)).collect();
        records.push((Key::Group { group }.encode(), None));
        self.store.append(&records)?;
        self.entities.remove(group_id);
        Ok(())
    }

    /// Deletes committed offsets of one group. Answers for each partition, in order.
    ///
    /// # Errors
    /// `GroupIdNotFound`; `NonEmptyGroup` when members do not say which topics they consume.
    pub(crate) fn delete_offsets(
        &mut self,
        group_id: &StrBytes,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<ResponseError>>, ResponseError> {
        let entity = self.entities.get_mut(group_id).ok_or(ResponseError::GroupIdNotFound)?;
        let mut answers = Vec::with_capacity(partitions.len());
        let mut records = Vec::new();
        for partition in partitions {
            let in_use = entity.group.subscribes_to(&partition.0)?;
            answers.push(in_use.then_some(ResponseError::GroupSubscribedToTopic));
            if !in_use && entity.offsets.get(partition).is_some() {
                records.push((offset_key(group_id, partition), None));
            }
        }
        self.store.append(&records)?;
        for (partition, _) in partitions.iter().zip(&answers).filter(|(_, refused)| refused.is_none()) {
            entity.offsets.remove(partition);
        }
        Ok(answers)
    }

    /// Forgets the offsets of a deleted topic.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) fn forget_topic(&mut self, topic: &StrBytes) -> Result<(), ResponseError> {
        let mut records = Vec::new();
        for (group_id, entity) in &mut self.entities {
            let gone: Vec<_> = entity.offsets.all().keys().filter(|(name, _)| name == topic).cloned().collect();
            for partition in gone {
                entity.offsets.remove(&partition);
                records.push((offset_key(group_id, &partition), None));
            }
        }
        self.store.append(&records)
    }
}

fn offset_key(group: &StrBytes, partition: &TopicPartition) -> bytes::Bytes {
    Key::Offset { group: group.clone(), partition: partition.clone() }.encode()
}

fn offset_records(group_id: &StrBytes, offsets: &OffsetsToCommit) -> Vec<KeyValue> {
    let now_ms = clock::now_ms();
    offsets
        .iter()
        .map(|(partition, committed)| (offset_key(group_id, partition), Some(committed.encode(now_ms))))
        .collect()
}

fn persist(store: &OwnedTopic, group_id: &StrBytes, group: &Group) {
    let summary = GroupSummary { protocol_type: group.protocol_type.clone(), generation: group.generation };
    let key = Key::Group { group: group_id.clone() }.encode();
    if let Err(error) = store.append(&[(key, Some(summary.encode(clock::now_ms())))]) {
        // Membership itself is not stored, so the group works on; only its generation may repeat after a restart.
        tracing::warn!(%error, group = &**group_id, "cannot write down the state of a group");
    }
}

fn replay(entities: &mut BTreeMap<StrBytes, Entity>, producer_id: Option<i64>, key: Key, value: Option<bytes::Bytes>) {
    match (key, value) {
        (Key::Offset { group, partition }, Some(value)) => {
            let Some(committed) = Committed::decode(value) else { return };
            let offsets = &mut entities.entry(group).or_default().offsets;
            match producer_id {
                Some(producer_id) => offsets.commit_later(producer_id, partition, committed),
                None => offsets.commit(partition, committed),
            }
        }
        (Key::Offset { group, partition }, None) => {
            if let Some(entity) = entities.get_mut(&group) {
                entity.offsets.remove(&partition);
            }
        }
        (Key::Group { group }, Some(value)) => {
            let Some(summary) = GroupSummary::decode(value) else { return };
            let state = &mut entities.entry(group).or_default().group;
            state.protocol_type = summary.protocol_type;
            state.generation = summary.generation;
        }
        (Key::Group { group }, None) => {
            entities.remove(&group);
        }
    }
}
