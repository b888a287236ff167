//! Which client settings connectors may override: `connector.client.config.override.policy` (KIP-458).

use couplet_api::{Error, Result};

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverridePolicy {
    /// Every setting.
    All,
    /// No setting.
    None,
    /// Only who the client is: `sasl.jaas.config`, `sasl.mechanism`, `security.protocol`.
    Principal,
    /// The listed settings (Kafka 4.2).
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// The policy called `name`: `All`, or the name of Kafka's class, in full or simple.
    ///
    /// # Errors
    /// For any other name: policies of one's own are Java classes.
    pub fn parse(name: &str, allowlist: &[String]) -> Result<Self> {
        let simple = name.trim().rsplit('.').next().unwrap_or(name);
        let pruned = simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple);
        match pruned {
            "All" => Ok(OverridePolicy::All),
            "None" => Ok(OverridePolicy::None),
            "Principal" => Ok(OverridePolicy::Principal),
            "Allowlist" => Ok(OverridePolicy::Allowlist(allowlist.to_vec())),
            _ => Err(Error::config(format!(
                "Invalid value {name} for configuration connector.client.config.override.policy: \
                 must be one of All, None, Principal, Allowlist"
            ))),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            OverridePolicy::All => "All",
            OverridePolicy::None => "None",
            OverridePolicy::Principal => "Principal",
            OverridePolicy::Allowlist(_) => "Allowlist",
        }
    }

    /// Why `key` may not be overridden; none when it may.
    pub fn refusal(&self, key: &str) -> Option<String> {
        let allowed = match self {
            OverridePolicy::All => true,
            OverridePolicy::None => false,
            OverridePolicy::Principal => matches!(key, "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"),
            OverridePolicy::Allowlist(keys) => keys.iter().any(|allowed| allowed == key),
        };
        (!allowed).then(|| {
            format!(
                "The '{}' policy does not allow '{key}' to be overridden in the connector configuration.",
                self.name()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let rows = [
            ("All", Some(OverridePolicy::All)),
            ("NoneConnectorClientConfigOverridePolicy", Some(OverridePolicy::None)),
            (
                "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy",
                Some(OverridePolicy::Principal),
            ),
            ("Allowlist", Some(OverridePolicy::Allowlist(vec!["acks".to_owned()]))),
            ("all", None),
            ("com.example.Mine", None),
        ];
        for (name, want) in rows {
            assert_eq!(OverridePolicy::parse(name, &["acks".to_owned()]).ok(), want, "{name}");
        }
    }
}
