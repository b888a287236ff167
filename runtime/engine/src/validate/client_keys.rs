//! What Kafka's Java clients know about their settings.

use std::collections::HashMap;
use std::sync::LazyLock;

use couplet_api::config::{ConfigKey, ConfigType, Default, Importance};

/// A client whose settings connectors may override.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    Producer,
    Consumer,
    Admin,
}

impl Client {
    /// What overrides of its settings begin with.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Client::Producer => "producer.override.",
            Client::Consumer => "consumer.override.",
            Client::Admin => "admin.override.",
        }
    }

    const fn letter(self) -> char {
        match self {
            Client::Producer => 'p',
            Client::Consumer => 'c',
            Client::Admin => 'a',
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Client::Producer => "producer",
            Client::Consumer => "consumer",
            Client::Admin => "admin client",
        }
    }

    /// The definition of `key`, if this client knows it.
    pub(super) fn key(self, key: &str) -> Option<ConfigKey> {
        let rows = TABLE.get(key)?;
        let row = rows.iter().find(|row| row.clients.contains(self.letter()))?;
        let doc = format!("The Kafka {}'s setting `{key}`.", self.name());
        Some(ConfigKey::new(key.to_owned(), row.kind, row.default.clone(), row.importance, doc))
    }
}

/// Whether any client takes a secret under `key`.
pub(crate) fn is_client_password(key: &str) -> bool {
    TABLE.get(key).is_some_and(|rows| rows.iter().any(|row| row.kind == ConfigType::Password))
}

struct Row {
    clients: &'static str,
    kind: ConfigType,
    importance: Importance,
    default: Default,
}

/// Rows by key; a key has more than one when clients differ.
static TABLE: LazyLock<HashMap<&'static str, Vec<Row>>> = LazyLock::new(|| {
    let mut table: HashMap<&str, Vec<Row>> = HashMap::new();
    for line in include_str!("client_keys.tsv").lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let (clients, key) = (next(), next());
        let kind = match next() {
            "BOOLEAN" => ConfigType::Boolean,
            "INT" => ConfigType::Int,
            "SHORT" => ConfigType::Short,
            "LONG" => ConfigType::Long,
            "DOUBLE" => ConfigType::Double,
            "LIST" => ConfigType::List,
            "CLASS" => ConfigType::Class,
            "PASSWORD" => ConfigType::Password,
            _ => ConfigType::String,
        };
        let importance = match next() {
            "HIGH" => Importance::High,
            "MEDIUM" => Importance::Medium,
            _ => Importance::Low,
        };
        let default = match next() {
            "required" => Default::Required,
            "null" => Default::Null,
            quoted => Default::Text(quoted.trim_matches('"').into()),
        };
        table.entry(key).or_default().push(Row { clients, kind, importance, default });
    }
    table
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_differ_where_kafkas_do() {
        let rows = [
            (Client::Consumer, "max.poll.records", Some((ConfigType::Int, "500"))),
            (Client::Producer, "max.poll.records", None),
            (Client::Admin, "connections.max.idle.ms", Some((ConfigType::Long, "300000"))),
            (Client::Producer, "connections.max.idle.ms", Some((ConfigType::Long, "540000"))),
            (Client::Producer, "sasl.kerberos.ticket.renew.jitter", Some((ConfigType::Double, "0.05"))),
        ];
        for (client, key, want) in rows {
            let got = client.key(key).map(|k| (k.kind, k.default_setting().to_text().unwrap_or_default()));
            assert_eq!(got, want.map(|(kind, text)| (kind, text.to_owned())), "{client:?} {key}");
        }
        assert!(TABLE.values().flatten().count() > 140, "the whole table is read");
    }
}
