//! Names of topics, schemas and fields.

use regex::Regex;

use crate::filter::TableId;

/// `schema.name.adjustment.mode` and `field.name.adjustment.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameAdjustment {
    /// Names are left as they are.
    None,
    /// Characters that Avro does not allow become underscores.
    Avro,
    /// Characters that Avro does not allow become `_uXXXX`, the underscore too.
    AvroUnicode,
}

impl NameAdjustment {
    /// The mode users call `name`.
    pub fn named(name: &str) -> Self {
        match name {
            "avro" => NameAdjustment::Avro,
            "avro_unicode" => NameAdjustment::AvroUnicode,
            _ => NameAdjustment::None,
        }
    }

    /// A schema name; dots stay.
    pub fn schema_name(self, name: &str) -> String {
        self.adjust(name, true)
    }

    /// A field name; dots are replaced like other characters.
    pub fn field_name(self, name: &str) -> String {
        self.adjust(name, false)
    }

    fn adjust(self, name: &str, dots: bool) -> String {
        let unicode = match self {
            NameAdjustment::None => return name.to_owned(),
            NameAdjustment::Avro => false,
            NameAdjustment::AvroUnicode => true,
        };
        let mut out = String::with_capacity(name.len());
        // Java works on UTF-16 units: a character outside the basic plane is replaced twice.
        for (i, unit) in name.encode_utf16().enumerate() {
            let c = char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}');
            let letter = c.is_ascii_alphabetic() || (!unicode && c == '_');
            let later = i > 0 && (c.is_ascii_digit() || (dots && c == '.'));
            if letter || later {
                out.push(c);
                continue;
            }
            out.push_str(&replacement(unit, unicode));
            if i == 0 && !unicode && c.is_ascii_digit() {
                out.push(c);
            }
        }
        out
    }
}

fn replacement(unit: u16, unicode: bool) -> String {
    match unicode {
        true if unit <= 0xff => format!("_u00{unit:x}"),
        true => format!("_u{unit:x}"),
        false => "_".to_owned(),
    }
}

/// How topics are called: prefix, then schema and table, joined and made valid for Kafka.
#[derive(Debug, Clone)]
pub struct TopicNaming {
    /// `topic.prefix`.
    pub prefix: String,
    /// `topic.delimiter`.
    pub delimiter: String,
    /// `topic.heartbeat.prefix`.
    pub heartbeat_prefix: String,
    /// `topic.transaction`.
    pub transaction: String,
    /// Whether the table's schema is part of the name.
    pub with_schema: bool,
    /// Whether characters Kafka does not allow become `_uXXXX` instead of an underscore.
    pub unicode: bool,
    /// Sends several tables to one topic.
    pub routing: Option<Routing>,
}

/// Topic names made from others by a regular expression, and the field that tells the tables of one topic apart.
#[derive(Debug, Clone)]
pub struct Routing {
    topic: Replacement,
    key: Option<(String, Option<Replacement>)>,
}

/// A regular expression that must match a whole name, and what the name becomes.
#[derive(Debug, Clone)]
pub struct Replacement {
    pattern: Regex,
    template: String,
}

impl Replacement {
    /// `pattern` and `template` as Java writes them: groups are `$1`.
    ///
    /// # Errors
    /// What is wrong with the pattern.
    pub fn new(pattern: &str, template: &str) -> Result<Self, String> {
        let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| e.to_string())?;
        let mut rust = String::new();
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => rust.extend(chars.next()),
                '$' => {
                    let group = chars.next_if(char::is_ascii_digit).map_or_else(String::new, |d| format!("${{{d}}}"));
                    rust.push_str(if group.is_empty() { "$$" } else { &group });
                }
                c => rust.push(c),
            }
        }
        Ok(Replacement { pattern, template: rust })
    }

    /// What `name` becomes; itself when it does not match or nothing would be left.
    fn apply(&self, name: &str) -> String {
        let new = self.pattern.replace(name, self.template.as_str());
        if new.is_empty() { name.to_owned() } else { new.into_owned() }
    }
}

impl Routing {
    /// `topic` names topics; `key`: name of the identifying field and what makes its value from the table's own topic.
    pub const fn new(topic: Replacement, key: Option<(String, Option<Replacement>)>) -> Self {
        Routing { topic, key }
    }
}

impl TopicNaming {
    /// Topic of the changes of `table`.
    pub fn data_topic(&self, table: &TableId) -> String {
        let own = self.sanitized(&self.own_topic(table));
        match &self.routing {
            Some(routing) => routing.topic.apply(&own),
            None => own,
        }
    }

    /// Name and value of the key field that tells tables of one topic apart, if there is to be one.
    pub fn table_identifier(&self, table: &TableId) -> Option<(&str, String)> {
        let (field, rule) = self.routing.as_ref()?.key.as_ref()?;
        let own = self.own_topic(table);
        Some((field, rule.as_ref().map_or_else(|| own.clone(), |rule| rule.apply(&own))))
    }

    fn own_topic(&self, table: &TableId) -> String {
        let parts: &[&str] = match self.with_schema {
            true => &[&self.prefix, &table.schema, &table.table],
            false => &[&self.prefix, &table.table],
        };
        let given: Vec<&str> = parts.iter().copied().filter(|part| !part.trim().is_empty()).collect();
        given.join(&self.delimiter)
    }

    /// Topic of heartbeats.
    pub fn heartbeat_topic(&self) -> String {
        [self.heartbeat_prefix.as_str(), &self.prefix].join(&self.delimiter)
    }

    /// Topic of transaction boundaries.
    pub fn transaction_topic(&self) -> String {
        [self.prefix.as_str(), &self.transaction].join(&self.delimiter)
    }

    /// Makes `name` a valid topic name.
    pub fn sanitized(&self, name: &str) -> String {
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-' || (c == '_' && !self.unicode);
        let mut out = String::with_capacity(name.len());
        for unit in name.encode_utf16() {
            match char::from_u32(u32::from(unit)) {
                Some(c) if valid(c) => out.push(c),
                _ => out.push_str(&replacement(unit, self.unicode)),
            }
        }
        out.truncate(249);
        match out.as_str() {
            "." | ".." => replacement(u16::from(b'.'), self.unicode).repeat(out.len()),
            _ => out,
        }
    }
}

/// The class of a connector's tasks as Debezium names it. A JVM worker that takes over finds it in the task's config and
/// cannot start a task of any other.
pub fn task_class(connector: &str) -> String {
    format!("{connector}Task")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_adjusted_as_avro_wants_them() {
        let rows = [
            (NameAdjustment::Avro, "a b.1x", "a_b.1x", "a_b_1x"),
            (NameAdjustment::Avro, "1st", "_1st", "_1st"),
            (NameAdjustment::AvroUnicode, "a_b é", "a_u005fb_u0020_u00e9", "a_u005fb_u0020_u00e9"),
            (NameAdjustment::None, "a b", "a b", "a b"),
        ];
        for (mode, name, schema, field) in rows {
            assert_eq!(mode.schema_name(name), schema);
            assert_eq!(mode.field_name(name), field);
        }
    }

    #[test]
    fn topics_are_valid_names() {
        let mut naming = TopicNaming {
            prefix: "p_1".to_owned(),
            delimiter: ".".to_owned(),
            heartbeat_prefix: "hb".to_owned(),
            transaction: "tx".to_owned(),
            with_schema: true,
            unicode: false,
            routing: None,
        };
        let table = TableId::new("public", "My Table");
        assert_eq!(naming.data_topic(&table), "p_1.public.My_Table");
        assert_eq!((naming.heartbeat_topic(), naming.transaction_topic()), ("hb.p_1".to_owned(), "p_1.tx".to_owned()));
        naming.with_schema = false;
        naming.unicode = true;
        assert_eq!(naming.data_topic(&table), "p_u005f1.My_u0020Table");
    }

    #[test]
    fn tables_can_share_a_topic() {
        let topic = Replacement::new(r"(.*)shard_(\d+)", "$1shards").expect("valid");
        let key = Replacement::new(r"(.*)shard_(\d+)", "no\\. $2").expect("valid");
        let naming = TopicNaming {
            prefix: "p".to_owned(),
            delimiter: ".".to_owned(),
            heartbeat_prefix: String::new(),
            transaction: String::new(),
            with_schema: true,
            unicode: false,
            routing: Some(Routing::new(topic, Some(("id".to_owned(), Some(key))))),
        };
        let table = TableId::new("s", "shard_7");
        assert_eq!(naming.data_topic(&table), "p.s.shards");
        assert_eq!(naming.table_identifier(&table), Some(("id", "no. 7".to_owned())));
        assert_eq!(naming.data_topic(&TableId::new("s", "other")), "p.s.other");
    }
}
