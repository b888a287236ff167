//! The state of an incremental snapshot: which tables, how far, which window is open. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use couplet_api::data::{OffsetMap, Value};
use serde_json::{Value as Json, json};

use crate::java_object::{RowKey, key_from_hex, key_to_hex};
use crate::signal::SnapshotRequest;

const PRIMARY_KEY: &str = "incremental_snapshot_primary_key";
const MAXIMUM_KEY: &str = "incremental_snapshot_maximum_key";
const COLLECTIONS: &str = "incremental_snapshot_collections";
const CORRELATION_ID: &str = "incremental_snapshot_correlation_id";
const ID: &str = "incremental_snapshot_collections_id";
const CONDITION: &str = "incremental_snapshot_collections_additional_condition";
const SURROGATE_KEY: &str = "incremental_snapshot_collections_surrogate_key";

/// A table to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataCollection {
    /// Its name.
    pub id: String,
    /// Condition on its rows, in parentheses.
    pub condition: Option<String>,
    /// The column that orders its rows instead of the primary key.
    pub surrogate_key: Option<String>,
}

/// Progress as it is part of a position: compact, and made into text only when it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct IncrementalOffset {
    sent: Option<Arc<RowKey>>,
    maximum: Option<Arc<RowKey>>,
    collections: Arc<str>,
    correlation_id: Option<Arc<str>>,
}

impl IncrementalOffset {
    /// The progress in a stored offset; `None`: no snapshot was running.
    ///
    /// A key that cannot be read is logged, and the table begins again.
    pub fn from_map(map: &OffsetMap) -> Option<Self> {
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        let collections = text(COLLECTIONS).filter(|list| !collections_of(list).is_empty())?;
        let key = |key: &str| text(key).map_or(Ok(None), key_from_hex);
        let (sent, maximum) = match (key(PRIMARY_KEY), key(MAXIMUM_KEY)) {
            (Ok(sent), Ok(maximum)) => (sent, maximum),
            (Err(problem), _) | (_, Err(problem)) => {
                tracing::warn!(
                    problem,
                    "the stored key of an incremental snapshot is of no use; its table begins again"
                );
                (None, None)
            }
        };
        Some(IncrementalOffset {
            // Without its end a table begins again.
            sent: maximum.as_ref().and(sent).map(Arc::new),
            maximum: maximum.map(Arc::new),
            collections: collections.into(),
            correlation_id: text(CORRELATION_ID).map(Into::into),
        })
    }

    /// The members it adds to a stored offset.
    pub fn entries(&self) -> Vec<(&'static str, Value)> {
        let key = |key: &Option<Arc<RowKey>>| Value::str(key_to_hex(key.as_deref().map(Vec::as_slice)));
        vec![
            (PRIMARY_KEY, key(&self.sent)),
            (MAXIMUM_KEY, key(&self.maximum)),
            (COLLECTIONS, Value::str(&*self.collections)),
            (CORRELATION_ID, self.correlation_id.as_deref().map_or(Value::Null, Value::str)),
        ]
    }
}

fn collections_of(list: &str) -> Vec<DataCollection> {
    let list: Json = serde_json::from_str(list).unwrap_or_default();
    let collection = |entry: &Json| {
        let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(DataCollection { id: text(ID)?, condition: text(CONDITION), surrogate_key: text(SURROGATE_KEY) })
    };
    list.as_array().into_iter().flatten().filter_map(collection).collect()
}

/// The state.
#[derive(Debug, Default)]
pub(super) struct IncrementalState {
    queue: VecDeque<DataCollection>,
    /// The queue as it is stored.
    list: Arc<str>,
    window_open: bool,
    /// Key of the last row read.
    read: Option<Arc<RowKey>>,
    /// Key of the last row sent.
    sent: Option<Arc<RowKey>>,
    /// Largest key of the table when its snapshot began.
    maximum: Option<Arc<RowKey>>,
    chunk: Option<String>,
    paused: bool,
    stops: Vec<String>,
    correlation_id: Option<Arc<str>>,
}

impl IncrementalState {
    /// Takes up where `stored` stands.
    pub(super) fn load(stored: Option<&IncrementalOffset>) -> Self {
        let mut state = IncrementalState::default();
        if let Some(stored) = stored {
            state.queue = collections_of(&stored.collections).into();
            state.read.clone_from(&stored.sent);
            state.sent.clone_from(&stored.sent);
            state.maximum.clone_from(&stored.maximum);
            state.correlation_id.clone_from(&stored.correlation_id);
        }
        state.write_list();
        state
    }

    fn write_list(&mut self) {
        let entry = |c: &DataCollection| json!({ ID: c.id, CONDITION: c.condition, SURROGATE_KEY: c.surrogate_key });
        self.list = Json::Array(self.queue.iter().map(entry).collect()).to_string().into();
    }

    /// What positions say from here on; `None` when nothing is running.
    pub(super) fn offset(&self) -> Option<Arc<IncrementalOffset>> {
        self.running().then(|| {
            Arc::new(IncrementalOffset {
                sent: self.sent.clone(),
                maximum: self.maximum.clone(),
                collections: self.list.clone(),
                correlation_id: self.correlation_id.clone(),
            })
        })
    }

    /// Whether any table is still to be read.
    pub(super) fn running(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether reading is paused.
    pub(super) const fn paused(&self) -> bool {
        self.paused
    }

    /// Pauses or resumes; `false`: it was so already, or nothing is running.
    pub(super) fn set_paused(&mut self, paused: bool) -> bool {
        let changed = self.running() && self.paused != paused;
        if changed {
            self.paused = paused;
        }
        changed
    }

    /// The table that is being read.
    pub(super) fn current(&self) -> Option<&DataCollection> {
        self.queue.front()
    }

    /// Names of all tables still to be read, the current one first, separated by commas.
    pub(super) fn names(&self) -> String {
        self.queue.iter().map(|c| c.id.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Name of the signal that asked for it.
    pub(super) fn correlation_id(&self) -> Option<&str> {
        self.correlation_id.as_deref()
    }

    /// Forgets the name of the signal.
    pub(super) fn unset_correlation_id(&mut self) {
        self.correlation_id = None;
    }

    /// Adds the tables called `names`, on the signal `id`.
    pub(super) fn add(&mut self, id: &str, names: Vec<String>, request: &SnapshotRequest) {
        for name in names {
            let condition = request.condition(&name).map(|condition| format!("({condition})"));
            self.queue.push_back(DataCollection { id: name, condition, surrogate_key: request.surrogate_key.clone() });
        }
        self.correlation_id = Some(id.into());
        self.write_list();
    }

    /// Takes `name` off the list; `false`: it is not on it.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let before = self.queue.len();
        self.queue.retain(|collection| collection.id != name);
        self.write_list();
        before > self.queue.len()
    }

    /// Notes that these tables (regular expressions; none: all) are to be stopped before the next chunk.
    pub(super) fn request_stop(&mut self, names: Vec<String>) {
        match (self.running(), names.is_empty()) {
            (false, _) => {}
            (true, true) => self.stops.push(".*".to_owned()),
            (true, false) => self.stops.extend(names),
        }
    }

    /// Takes what [`IncrementalState::request_stop`] noted.
    pub(super) fn take_stops(&mut self) -> Vec<String> {
        std::mem::take(&mut self.stops)
    }

    /// Goes on with the next table.
    pub(super) fn next(&mut self) {
        self.queue.pop_front();
        (self.read, self.sent, self.maximum) = (None, None, None);
        self.write_list();
    }

    /// Begins a chunk and returns its id.
    pub(super) fn start_chunk(&mut self) -> &str {
        self.chunk.insert(uuid::Uuid::new_v4().to_string())
    }

    /// Opens the window of the chunk whose mark is called `id`. A mark of another chunk, seen again after a restart, is
    /// ignored.
    pub(super) fn open_window(&mut self, id: &str) {
        if self.expects(id) {
            self.window_open = true;
        }
    }

    /// Closes the window; `false`: the mark is not the current chunk's.
    pub(super) fn close_window(&mut self, id: &str) -> bool {
        let expected = self.expects(id);
        if expected {
            self.window_open = false;
        }
        expected
    }

    fn expects(&self, id: &str) -> bool {
        self.chunk.as_ref().is_some_and(|chunk| id.starts_with(chunk))
    }

    /// Whether keys met in the stream are to be left out of the window.
    pub(super) const fn window_is_open(&self) -> bool {
        self.window_open
    }

    /// Key of the last row read; `None` before the first chunk of a table.
    pub(super) fn read_up_to(&self) -> Option<&RowKey> {
        self.read.as_deref()
    }

    /// Notes the key of the last row of a chunk; `None`: none is read yet.
    pub(super) fn set_read(&mut self, key: Option<RowKey>) {
        self.read = key.map(Arc::new);
    }

    /// Notes that the row with this key was sent.
    pub(super) fn set_sent(&mut self, key: RowKey) {
        self.sent = Some(Arc::new(key));
    }

    /// Largest key of the table.
    pub(super) fn maximum(&self) -> Option<&RowKey> {
        self.maximum.as_deref()
    }

    /// Notes the largest key of the table.
    pub(super) fn set_maximum(&mut self, key: RowKey) {
        self.maximum = Some(Arc::new(key));
    }
}

/// The names among `tables` that the regular expressions `wanted` match as a whole, each once; an expression that matches
/// none stands for itself.
///
/// # Errors
/// The expression that is none.
pub(super) fn expanded(wanted: &[String], tables: &[String]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for expression in wanted {
        let regex = regex::Regex::new(&format!("^(?:{expression})$"))
            .map_err(|_| format!("{expression} is no regular expression"))?;
        let mut matching: Vec<&String> = tables.iter().filter(|table| regex.is_match(table)).collect();
        if matching.is_empty() {
            matching.push(expression);
        }
        for name in matching {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::java_object::JavaObject;
    use crate::signal::{Action, Signal};

    fn request(data: &str) -> SnapshotRequest {
        let signal = Signal { id: "s".to_owned(), kind: "execute-snapshot".to_owned(), data: data.to_owned() };
        match signal.action() {
            Some(Action::Execute(request)) => request,
            other => panic!("a request, not {other:?}"),
        }
    }

    fn running() -> IncrementalState {
        let mut state = IncrementalState::default();
        let data =
            r#"{"data-collections": ["x"], "additional-conditions": [{"data-collection": "s.b", "filter": "i > 7"}]}"#;
        state.add("sig-1", vec!["s.a".to_owned(), "s.b".to_owned()], &request(data));
        state
    }

    #[test]
    fn progress_survives_a_restart_in_debeziums_form() {
        let mut state = running();
        state.set_maximum(vec![JavaObject::Integer(10)]);
        state.set_read(Some(vec![JavaObject::Integer(8)]));
        state.set_sent(vec![JavaObject::Integer(4)]);
        let offset = state.offset().expect("running");
        let map = OffsetMap::new(offset.entries());
        let list = map.get(COLLECTIONS).and_then(Value::as_str).expect("a list");
        assert_eq!(
            list,
            "[{\"incremental_snapshot_collections_id\":\"s.a\",\
             \"incremental_snapshot_collections_additional_condition\":null,\
             \"incremental_snapshot_collections_surrogate_key\":null},\
             {\"incremental_snapshot_collections_id\":\"s.b\",\
             \"incremental_snapshot_collections_additional_condition\":\"(i > 7)\",\
             \"incremental_snapshot_collections_surrogate_key\":null}]"
        );
        assert_eq!(IncrementalOffset::from_map(&map).as_ref(), Some(&*offset));
        let again = IncrementalState::load(Some(&offset));
        // What was read and not sent is read again.
        assert_eq!(again.read_up_to(), Some(&vec![JavaObject::Integer(4)]));
        assert_eq!((again.names().as_str(), again.correlation_id()), ("s.a,s.b", Some("sig-1")));
        assert_eq!(again.offset(), Some(offset));
    }

    #[test]
    fn a_table_whose_stored_key_cannot_be_read_begins_again() {
        let list = "[{\"incremental_snapshot_collections_id\":\"s.a\"}]";
        let map = OffsetMap::new([
            (COLLECTIONS, Value::str(list)),
            (PRIMARY_KEY, Value::str("aced000574000161")),
            (MAXIMUM_KEY, Value::str("aced000570")),
        ]);
        let state = IncrementalState::load(IncrementalOffset::from_map(&map).as_ref());
        assert!(state.running() && state.read_up_to().is_none() && state.maximum().is_none());
        assert_eq!(IncrementalOffset::from_map(&OffsetMap::new([(COLLECTIONS, Value::str("[]"))])), None);
    }

    #[test]
    fn only_the_marks_of_the_current_chunk_count() {
        let mut state = running();
        assert!(!state.close_window("x-close"), "no chunk was begun");
        let chunk = state.start_chunk().to_owned();
        state.open_window("other-open");
        assert!(!state.window_is_open());
        state.open_window(&format!("{chunk}-open"));
        assert!(state.window_is_open());
        assert!(!state.close_window("other-close") && state.close_window(&format!("{chunk}-close")));
        assert!(!state.window_is_open());
    }

    #[test]
    fn tables_are_paused_stopped_and_left_behind() {
        let mut state = running();
        assert!(state.set_paused(true) && !state.set_paused(true) && state.set_paused(false));
        state.request_stop(Vec::new());
        state.request_stop(vec!["s.a".to_owned()]);
        assert_eq!(state.take_stops(), [".*", "s.a"]);
        assert!(state.remove("s.b") && !state.remove("s.b"));
        state.next();
        assert!(!state.running() && state.offset().is_none() && !state.set_paused(true));
        state.request_stop(Vec::new());
        assert!(state.take_stops().is_empty());
    }

    #[test]
    fn expressions_become_names() {
        let tables = ["s.a", "s.b", "t.a"].map(str::to_owned);
        let names = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|&w| w.to_owned()).collect();
            expanded(&wanted, &tables).map(|names| names.join(" "))
        };
        assert_eq!(names(&["s\\..", "s.a", "none"]).as_deref(), Ok("s.a s.b none"));
        assert!(names(&["("]).is_err());
    }
}
