//! Which topics a sink reads: a list, or all that a pattern matches.

use std::sync::Arc;
use std::time::Duration;

use couplet_api::{Error, Result};
use couplet_kafka::clients::{Admin, ClientSettings};
use futures::future::BoxFuture;
use regex::Regex;
use tokio::time::Instant;

use crate::connector_config::SinkConfig;

/// Topics of Kafka itself, which patterns never match.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
/// How often topics are looked for, unless `metadata.max.age.ms` says otherwise.
const REFRESH_DEFAULT: Duration = Duration::from_secs(300);
/// How often while there is none yet.
const REFRESH_EMPTY_MAX: Duration = Duration::from_secs(5);

/// The topics of a sink task.
pub(super) enum SinkTopics {
    /// These.
    Listed(Vec<String>),
    /// Those that match.
    Matching(Box<Watch>),
}

/// Looks for topics again and again.
pub(super) struct Watch {
    pattern: Arc<Regex>,
    admin: Admin,
    refresh: Duration,
    found: Vec<String>,
    next: Instant,
    looking: Option<BoxFuture<'static, Result<Vec<String>>>>,
}

impl SinkTopics {
    /// The topics of `config`; patterns ask the cluster of `settings`.
    ///
    /// # Errors
    /// `Kind::Config` when there is neither list nor pattern, or the pattern is broken.
    pub(super) fn new(config: &SinkConfig, settings: &ClientSettings) -> Result<Self> {
        let listed: Vec<String> = config.topics.iter().filter(|topic| !topic.is_empty()).cloned().collect();
        if !listed.is_empty() {
            return Ok(SinkTopics::Listed(listed));
        }
        if config.topics_regex.is_empty() {
            return Err(Error::config("Must configure one of topics or topics.regex"));
        }
        let pattern = Regex::new(&format!("^(?:{})$", config.topics_regex)).map_err(|error| {
            let given = &config.topics_regex;
            Error::config(format!("Invalid value {given} for configuration topics.regex: Invalid regex: {error}"))
        })?;
        let refresh = settings.get("metadata.max.age.ms").and_then(|text| text.trim().parse().ok());
        Ok(SinkTopics::Matching(Box::new(Watch {
            pattern: Arc::new(pattern),
            admin: Admin::new(settings)?,
            refresh: refresh.map_or(REFRESH_DEFAULT, Duration::from_millis),
            found: Vec::new(),
            next: Instant::now(),
            looking: None,
        })))
    }

    /// Topics to subscribe to at once.
    pub(super) fn listed(&self) -> &[String] {
        match self {
            SinkTopics::Listed(topics) => topics,
            SinkTopics::Matching(_) => &[],
        }
    }

    /// Waits until other topics match than before, and returns all that match. Cancel-safe.
    pub(super) async fn changed(&mut self) -> Vec<String> {
        match self {
            SinkTopics::Listed(_) => std::future::pending().await,
            SinkTopics::Matching(watch) => watch.changed().await,
        }
    }
}

impl Watch {
    async fn changed(&mut self) -> Vec<String> {
        loop {
            let looking = match &mut self.looking {
                Some(looking) => looking,
                None => {
                    tokio::time::sleep_until(self.next).await;
                    let admin = self.admin.clone();
                    self.looking.insert(Box::pin(async move { admin.topics().await }))
                }
            };
            let topics = looking.await;
            self.looking = None;
            match topics {
                Ok(topics) => {
                    let found = matching(&self.pattern, topics);
                    let pause = if found.is_empty() { self.refresh.min(REFRESH_EMPTY_MAX) } else { self.refresh };
                    self.next = Instant::now() + pause;
                    if found != self.found && !found.is_empty() {
                        self.found.clone_from(&found);
                        return found;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot look for topics that match topics.regex");
                    self.next = Instant::now() + REFRESH_EMPTY_MAX;
                }
            }
        }
    }
}

fn matching(pattern: &Regex, topics: Vec<String>) -> Vec<String> {
    let wanted = |topic: &String| pattern.is_match(topic) && !INTERNAL.contains(&topic.as_str());
    let mut found: Vec<String> = topics.into_iter().filter(wanted).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names_and_nothing_of_kafkas_own() {
        let topics = ["orders", "orders-eu", "my-orders", "__consumer_offsets"].map(str::to_owned).to_vec();
        for (pattern, want) in [("orders.*", &["orders", "orders-eu"][..]), ("orders", &["orders"]), (".*_.*", &[])] {
            let pattern = Regex::new(&format!("^(?:{pattern})$")).expect("valid");
            assert_eq!(matching(&pattern, topics.clone()), want);
        }
    }
}
