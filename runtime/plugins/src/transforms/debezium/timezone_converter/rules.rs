use couplet_api::{Error, Result};

use crate::java::JavaRegex;
use crate::transforms::debezium::checks::debezium_error;
use crate::transforms::debezium::event::{AFTER, BEFORE, SOURCE};

/// What a list of rules, written as Java prints lists, must look like.
const LIST: &str = r#"^\[(source|topic|[".\w\s_]+):([".\w\s_]+(?::[".\w\s_]+)?(?:,|]$))+$"#;

/// Which fields of which events are converted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rules {
    mode: Mode,
    /// Fields by topic, by table, and by either.
    topics: Vec<Named>,
    tables: Vec<Named>,
    either: Vec<Named>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    All,
    Include,
    Exclude,
}

/// A topic or table, and the fields named for it.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    name: String,
    fields: Vec<String>,
}

impl Rules {
    /// Reads both lists, of which one may have rules.
    ///
    /// # Errors
    /// When a list is not written as it should be.
    pub(super) fn new(include: Option<&[String]>, exclude: Option<&[String]>) -> Result<Self> {
        let list = JavaRegex::new(LIST).map_err(Error::bug)?;
        let checked = |items: &[String], what: &str| match list.matches(&format!("[{}]", items.join(", ")))? {
            true => Ok(()),
            false => Err(debezium_error(format!(
                "Invalid {what} list format. Please specify a list of rules in the format of \
                 \"source:<tablename>:<fieldnames>\", \"topic:<topicname>:<fieldnames>\", \"<matchname>:<fieldnames>\""
            ))),
        };
        // A list that is given must have rules.
        let mode = match (include, exclude) {
            (None, None) => Mode::All,
            (Some(include), _) => checked(include, "include").map(|()| Mode::Include)?,
            (None, Some(exclude)) => checked(exclude, "exclude").map(|()| Mode::Exclude)?,
        };
        let mut rules = Rules { mode, topics: Vec::new(), tables: Vec::new(), either: Vec::new() };
        rules.collect(exclude.or(include).unwrap_or_default());
        Ok(rules)
    }

    /// Sorts rules by what they apply to. As in the original, a prefix holds for the rules behind it too.
    fn collect(&mut self, items: &[String]) {
        let mut prefix = None;
        for item in items {
            let parts: Vec<&str> = item.trim_end_matches(':').split(':').collect();
            let prefixed = ["source", "topic"].iter().any(|known| known.eq_ignore_ascii_case(parts[0]));
            let (name, field) = match parts[..] {
                [_, name, ref field @ ..] if prefixed && parts.len() <= 3 => {
                    prefix = Some(parts[0]);
                    (name, field.first())
                }
                [name, ref field] => (name, Some(field)),
                [name, ..] => (name, None),
                [] => continue,
            };
            let list = match prefix {
                Some("topic") => &mut self.topics,
                Some("source") => &mut self.tables,
                _ => &mut self.either,
            };
            let at = list.iter().position(|known| known.name == name).unwrap_or_else(|| {
                list.push(Named { name: name.to_owned(), fields: Vec::new() });
                list.len() - 1
            });
            list[at].fields.extend(field.map(|field| (*field).to_owned()));
        }
    }

    /// The fields to convert of an event; `None` when it is left alone.
    pub(super) fn fields<'a>(&'a self, table: Option<&str>, topic: &str) -> Option<EventFields<'a>> {
        let find = |list: &'a [Named], name: Option<&str>| list.iter().find(|known| Some(&*known.name) == name);
        let named = find(&self.topics, Some(topic))
            .or_else(|| find(&self.tables, table))
            .or_else(|| find(&self.either, Some(topic)))
            .or_else(|| find(&self.either, table))
            .map(|named| named.fields.as_slice());
        match (self.mode, named) {
            (Mode::All, _) | (Mode::Include, Some([])) | (Mode::Exclude, None) => {
                Some(EventFields { mode: Mode::All, named: &[] })
            }
            (Mode::Include, None) | (Mode::Exclude, Some([])) => None,
            (mode, Some(named)) => Some(EventFields { mode, named }),
        }
    }
}

/// The fields of an event that rules name.
pub(super) struct EventFields<'a> {
    mode: Mode,
    named: &'a [String],
}

impl<'a> EventFields<'a> {
    /// The named fields that belong to `part` of the event; those without a prefix belong to both rows.
    pub(super) fn of(&self, part: &str) -> Fields<'a> {
        let named = self.named.iter().filter_map(|name| {
            let prefixed = name.split_once('.').filter(|(prefix, _)| [SOURCE, BEFORE, AFTER].contains(prefix));
            match prefixed {
                Some((prefix, field)) => (prefix == part).then_some(field),
                None => (part != SOURCE).then_some(name.as_str()),
            }
        });
        Fields { mode: self.mode, named: named.collect() }
    }
}

/// The fields of a row that rules name.
pub(super) struct Fields<'a> {
    mode: Mode,
    named: Vec<&'a str>,
}

impl Fields<'_> {
    /// Whether no rule names a field of this row.
    pub(super) const fn is_unnamed(&self) -> bool {
        self.named.is_empty()
    }

    /// Whether the field is to be converted.
    pub(super) fn includes(&self, field: &str) -> bool {
        match self.mode {
            Mode::All => true,
            Mode::Include => self.named.contains(&field),
            Mode::Exclude => !self.named.contains(&field),
        }
    }
}
