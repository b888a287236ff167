//! Plugins that validation recommends.

use couplet_api::Plugin;

use crate::plugins::Plugins;

/// Where Kafka's own classes are.
const KAFKA: &str = "org.apache.kafka.";

/// Kafka's own plugins that fit. Plugins of others are taken all the same: a JVM worker recommends them only where they were
/// installed, and clients that compare answers know an installation with nothing but Kafka.
pub(super) fn recommended(plugins: &Plugins, fits: impl Fn(&Plugin) -> bool) -> Vec<String> {
    let own = plugins.all().iter().filter(|plugin| plugin.class().starts_with(KAFKA) && fits(plugin));
    own.map(|plugin| plugin.class().to_owned()).collect()
}
