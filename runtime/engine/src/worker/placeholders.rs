//! The placeholders of running connectors: resolved at the start, put back into task configs, looked up again in time.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::spawn::{TaskKind, spawn};
use tokio::task::JoinHandle;

use super::ConnectorListener;
use super::task_run::Shared;
use crate::config_provider::Resolved;
use crate::secrets;

impl Shared {
    /// `props` with placeholders resolved. From now on their secrets are masked wherever they would be seen.
    ///
    /// # Errors
    /// What a config provider says.
    pub(super) fn resolve(&self, props: &Props) -> Result<Resolved> {
        let resolved = self.config.providers.resolve(props)?;
        let values = resolved.values.iter().map(|looked| looked.value.clone());
        secrets::keep(values.chain(secrets::in_connector(&self.plugins, &resolved.props)));
        Ok(resolved)
    }
}

/// What a running connector was started with.
pub(super) struct Placeholders {
    given: Props,
    resolved: Resolved,
    expiry: Option<JoinHandle<()>>,
}

impl Placeholders {
    /// Remembers what became of `given`. When its values may have changed, `listener` hears of it, unless
    /// `config.action.reload` is `none`.
    pub(super) fn watch(name: &str, given: Props, resolved: Resolved, listener: Arc<dyn ConnectorListener>) -> Self {
        let reload = resolved.props.get("config.action.reload").is_none_or(|action| action.trim() != "none");
        let expiry = resolved.ttl.filter(|_| reload).map(|ttl| {
            tracing::info!(connector = name, "Scheduling a restart of connector {name} in {} ms", ttl.as_millis());
            let name = name.to_owned();
            spawn(TaskKind::Connector, async move {
                tokio::time::sleep(ttl).await;
                listener.on_values_expired(&name);
            })
        });
        Placeholders { given, resolved, expiry }
    }

    /// A task's config as it is stored and shown.
    pub(super) fn restored(&self, task: &Props) -> Props {
        self.resolved.restored(&self.given, task)
    }

    /// What settings and values were.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint { given: hash(&self.given), resolved: hash(&self.resolved.props) }
    }
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        if let Some(expiry) = &self.expiry {
            expiry.abort();
        }
    }
}

fn hash(props: &Props) -> u64 {
    let mut hasher = DefaultHasher::new();
    props.iter().for_each(|entry| entry.hash(&mut hasher));
    hasher.finish()
}

/// Settings and their values, without the secrets themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    given: u64,
    resolved: u64,
}

/// What the task configs of connectors were last made from.
#[derive(Default)]
pub(super) struct Fingerprints(Mutex<HashMap<String, Fingerprint>>);

impl Fingerprints {
    /// Notes that task configs are made from `now`. `true`: the settings are those of the last time, and yet their
    /// values differ, so that equal task configs must count as new ones.
    pub(super) fn only_values_changed(&self, name: &str, now: Fingerprint) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(name.to_owned(), now);
        before.is_some_and(|before| before.given == now.given && before.resolved != now.resolved)
    }
}
