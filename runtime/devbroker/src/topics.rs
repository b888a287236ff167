//! The topics: created, found, altered, deleted, and written down in the data folder.
//!
//! Folder layout: `<topics>/<topic>/topic.json` and `<topics>/<topic>/<partition>/<base offset>.log`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::ApiError;
use crate::log::Partition;
use crate::topic_config::TopicConfig;

/// Topic of committed offsets; clients may read it but not write to it.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// Topic of transactional ids.
pub(crate) const TRANSACTIONS_TOPIC: &str = "__transaction_state";

const TOPIC_FILE: &str = "topic.json";
/// Start of a folder's name that marks a deleted topic; no topic name may contain a tilde.
const DELETED_PREFIX: &str = "~deleted-";
/// Partitions of all topics together, as each keeps files open.
const PARTITIONS_MAX: usize = 4_000;

/// A topic. Names and ids never change; partitions are only ever added.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: StrBytes,
    pub(crate) id: Uuid,
    folder: Option<PathBuf>,
    state: RwLock<TopicState>,
}

#[derive(Debug)]
struct TopicState {
    config: Arc<TopicConfig>,
    partitions: Vec<Arc<Partition>>,
}

/// Content of `topic.json`.
#[derive(Serialize, Deserialize)]
struct TopicFile {
    id: String,
    partitions: usize,
    configs: BTreeMap<String, String>,
}

impl Topic {
    fn open(
        name: StrBytes,
        id: Uuid,
        folder: Option<PathBuf>,
        partitions: usize,
        config: TopicConfig,
    ) -> io::Result<Topic> {
        let partitions = open_partitions(folder.as_deref(), 0..partitions)?;
        let state = TopicState { config: Arc::new(config), partitions };
        Ok(Topic { name, id, folder, state: RwLock::new(state) })
    }

    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).partitions.clone()
    }

    pub(crate) fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        usize::try_from(index).ok().and_then(|index| state.partitions.get(index).cloned())
    }

    pub(crate) fn partition_count(&self) -> usize {
        self.state.read().unwrap_or_else(PoisonError::into_inner).partitions.len()
    }

    /// Kafka calls topics that it writes itself internal.
    pub(crate) fn is_internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// Replaces the topic's settings.
    ///
    /// # Errors
    /// `KafkaStorageError` when they cannot be written down.
    pub(crate) fn set_config(&self, config: TopicConfig) -> Result<(), ApiError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.write_file(state.partitions.len(), &config)?;
        state.config = Arc::new(config);
        Ok(())
    }

    fn add_partitions(&self, count: usize) -> Result<(), ApiError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let added = open_partitions(self.folder.as_deref(), state.partitions.len()..count).map_err(storage_error)?;
        self.write_file(count, &state.config)?;
        state.partitions.extend(added);
        Ok(())
    }

    fn write_file(&self, partitions: usize, config: &TopicConfig) -> Result<(), ApiError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        write_topic_file(folder, self.id, partitions, config).map_err(storage_error)
    }
}

fn open_partitions(folder: Option<&Path>, indexes: std::ops::Range<usize>) -> io::Result<Vec<Arc<Partition>>> {
    indexes
        .map(|index| Partition::open(folder.map(|folder| folder.join(index.to_string())).as_deref()).map(Arc::new))
        .collect()
}

fn write_topic_file(folder: &Path, id: Uuid, partitions: usize, config: &TopicConfig) -> io::Result<()> {
    let file = TopicFile { id: id.to_string(), partitions, configs: config.overrides.clone() };
    let json = serde_json::to_vec_pretty(&file)?;
    crate::files::write_atomically(&folder.join(TOPIC_FILE), &json)
}

fn storage_error(error: io::Error) -> ApiError {
    tracing::error!(%error, "the embedded broker cannot write its folder");
    ApiError::new(ResponseError::KafkaStorageError, error.to_string())
}

/// Whether a name is kept for a topic of the broker itself.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(name, OFFSETS_TOPIC | TRANSACTIONS_TOPIC)
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Topics {
    folder: Option<PathBuf>,
    maps: RwLock<Maps>,
}

#[derive(Debug, Default)]
struct Maps {
    by_name: BTreeMap<StrBytes, Arc<Topic>>,
    by_id: HashMap<Uuid, Arc<Topic>>,
}

impl Maps {
    fn insert(&mut self, topic: Arc<Topic>) {
        self.by_id.insert(topic.id, topic.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }
}

impl Topics {
    /// Opens every topic of the data folder, or starts without any in memory.
    ///
    /// # Errors
    /// When the folder or a topic in it cannot be read.
    pub(crate) fn open(folder: Option<PathBuf>) -> io::Result<Topics> {
        let mut maps = Maps::default();
        if let Some(folder) = &folder {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                if let Some(topic) = open_topic(&path)? {
                    maps.insert(Arc::new(topic));
                }
            }
        }
        Ok(Topics { folder, maps: RwLock::new(maps) })
    }

    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.read().by_name.values().cloned().collect()
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Topic>> {
        self.read().by_name.get(name.as_bytes()).cloned()
    }

    pub(crate) fn get_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.read().by_id.get(&id).cloned()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Maps> {
        self.maps.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a topic; with `validate_only` checks whether that would work.
    ///
    /// # Errors
    /// `InvalidTopicException`, `TopicAlreadyExists`, `InvalidPartitions`, `KafkaStorageError`, with Kafka's messages.
    pub(crate) fn create(
        &self,
        name: &StrBytes,
        partitions: i32,
        config: TopicConfig,
        validate_only: bool,
    ) -> Result<Arc<Topic>, ApiError> {
        check_name(name)?;
        let count = usize::try_from(partitions).ok().filter(|count| *count > 0).ok_or_else(|| {
            let message = "Number of partitions was set to an invalid non-positive value.";
            ApiError::new(ResponseError::InvalidPartitions, message)
        })?;
        let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
        if maps.by_name.contains_key(name.as_bytes()) {
            let message = format!("Topic '{}' already exists.", &**name);
            return Err(ApiError::new(ResponseError::TopicAlreadyExists, message));
        }
        check_partition_limit(&maps, count)?;
        let id = Uuid::new_v4();
        let topic = if validate_only {
            Topic::open(name.clone(), id, None, 0, config)
        } else {
            self.create_stored(name, id, count, config)
        };
        let topic = Arc::new(topic.map_err(storage_error)?);
        if !validate_only {
            maps.insert(topic.clone());
        }
        Ok(topic)
    }

    fn create_stored(&self, name: &StrBytes, id: Uuid, partitions: usize, config: TopicConfig) -> io::Result<Topic> {
        let folder = self.folder.as_ref().map(|data| data.join(&**name));
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
            write_topic_file(folder, id, partitions, &config)?;
        }
        Topic::open(name.clone(), id, folder, partitions, config)
    }

    /// Raises the number of partitions of a topic to `count`.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition`; `InvalidPartitions` for a number that is not larger; `KafkaStorageError`.
    pub(crate) fn add_partitions(&self, name: &str, count: i32, validate_only: bool) -> Result<(), ApiError> {
        let topic = self.get(name).ok_or_else(ApiError::unknown_topic)?;
        let before = topic.partition_count();
        let invalid = |message: String| Err(ApiError::new(ResponseError::InvalidPartitions, message));
        let count = match usize::try_from(count) {
            Ok(count) if count > before => count,
            Ok(count) if count == before => return invalid(format!("Topic already has {count} partition(s).")),
            _ => {
                return invalid(format!(
                    "The topic {name} currently has {before} partition(s); {count} would not be an increase."
                ));
            }
        };
        check_partition_limit(&self.read(), count - before)?;
        if validate_only { Ok(()) } else { topic.add_partitions(count) }
    }

    /// Deletes a topic and its files.
    ///
    /// # Errors
    /// `UnknownTopicOrPartition` when there is none of that name, `KafkaStorageError` when its folder stays.
    pub(crate) fn delete(&self, name: &str) -> Result<Arc<Topic>, ApiError> {
        let mut maps = self.maps.write().unwrap_or_else(PoisonError::into_inner);
        let topic = maps.by_name.get(name.as_bytes()).cloned().ok_or_else(ApiError::unknown_topic)?;
        if let (Some(data), Some(folder)) = (&self.folder, &topic.folder) {
            let doomed = data.join(format!("{DELETED_PREFIX}{}", topic.id));
            fs::rename(folder, &doomed).map_err(storage_error)?;
            // What cannot be removed now is removed at the next start.
            if let Err(error) = fs::remove_dir_all(&doomed) {
                tracing::warn!(%error, folder = %doomed.display(), "cannot remove a deleted topic's files yet");
            }
        }
        maps.by_name.remove(name.as_bytes());
        maps.by_id.remove(&topic.id);
        drop(maps);
        topic.partitions().iter().for_each(|partition| partition.mark_deleted());
        Ok(topic)
    }

    /// Writes everything down to the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.all().iter().flat_map(|topic| topic.partitions()).try_for_each(|partition| partition.log().sync())
    }
}

/// The topic in a folder; `None` when the folder is no topic, or one that was deleted.
fn open_topic(path: &Path) -> io::Result<Option<Topic>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    if name.starts_with(DELETED_PREFIX) {
        fs::remove_dir_all(path)?;
        return Ok(None);
    }
    if !path.is_dir() || check_name(name).is_err() {
        return Ok(None);
    }
    let json = match fs::read(path.join(TOPIC_FILE)) {
        Ok(json) => json,
        // Stopped between making the folder and writing the file: nobody was told that the topic exists.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return fs::remove_dir_all(path).map(|()| None),
        Err(error) => return Err(error),
    };
    let TopicFile { id, partitions, configs } = serde_json::from_slice(&json)?;
    let id = Uuid::parse_str(&id).map_err(io::Error::other)?;
    let config = TopicConfig::new(configs).map_err(io::Error::other)?;
    Topic::open(StrBytes::from_string(name.to_owned()), id, Some(path.to_owned()), partitions, config).map(Some)
}

fn check_partition_limit(maps: &Maps, more: usize) -> Result<(), ApiError> {
    let have: usize = maps.by_name.values().map(|topic| topic.partition_count()).sum();
    if have + more <= PARTITIONS_MAX {
        return Ok(());
    }
    let message = format!("The embedded broker holds at most {PARTITIONS_MAX} partitions, and has {have}.");
    Err(ApiError::new(ResponseError::InvalidPartitions, message))
}

/// Source: Kafka's `Topic.validate`, whose messages these are.
fn check_name(name: &str) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::new(ResponseError::InvalidTopicException, message));
    if name.is_empty() {
        return invalid("Topic name is invalid: the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return invalid("Topic name is invalid: '.' or '..' is not allowed".to_owned());
    }
    if name.len() > 249 {
        return invalid(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length 249"
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return invalid(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StrBytes {
        StrBytes::from_string(text.to_owned())
    }

    fn code<T>(result: Result<T, ApiError>) -> i16 {
        result.err().map_or(0, |error| error.code())
    }

    #[test]
    fn names() {
        let long = "x".repeat(250);
        let rows =
            [("orders", 0), ("a.b_c-D9", 0), ("", 17), (".", 17), ("..", 17), ("a b", 17), ("~x", 17), ("é", 17)];
        for (text, want) in rows.into_iter().chain([(&*long, 17), (&long[1..], 0)]) {
            assert_eq!(code(check_name(text)), want, "{text}");
        }
    }

    #[test]
    fn topics_outlive_a_restart() {
        let data = tempfile::tempdir().unwrap();
        let folder = Some(data.path().to_owned());
        let topics = Topics::open(folder.clone()).unwrap();
        let config = TopicConfig::new(BTreeMap::from([("cleanup.policy".into(), "compact".into())])).unwrap();
        let id = topics.create(&name("kept"), 2, config, false).unwrap().id;
        topics.create(&name("gone"), 1, TopicConfig::default(), false).unwrap();
        topics.create(&name("never"), 1, TopicConfig::default(), true).unwrap();
        topics.add_partitions("kept", 3, false).unwrap();
        topics.delete("gone").unwrap();
        fs::create_dir(data.path().join("half-made")).unwrap();
        drop(topics);
        let topics = Topics::open(folder).unwrap();
        let names: Vec<_> = topics.all().iter().map(|topic| topic.name.to_string()).collect();
        assert_eq!(names, ["kept"]);
        let kept = topics.get_by_id(id).unwrap();
        assert_eq!((kept.partition_count(), kept.config().compact), (3, true));
    }

    #[test]
    fn refusals() {
        let topics = Topics::open(None).unwrap();
        topics.create(&name("t"), 2, TopicConfig::default(), false).unwrap();
        let create =
            |text: &str, partitions| code(topics.create(&name(text), partitions, TopicConfig::default(), false));
        assert_eq!(create("t", 1), ResponseError::TopicAlreadyExists.code());
        assert_eq!(create("u", 0), ResponseError::InvalidPartitions.code());
        assert_eq!(create("u", 1_000_000), ResponseError::InvalidPartitions.code());
        assert_eq!(code(topics.add_partitions("t", 2, false)), ResponseError::InvalidPartitions.code());
        assert_eq!(code(topics.add_partitions("none", 2, false)), ResponseError::UnknownTopicOrPartition.code());
        assert_eq!(code(topics.delete("none")), ResponseError::UnknownTopicOrPartition.code());
    }
}
