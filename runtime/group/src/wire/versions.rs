use std::collections::HashMap;

use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::protocol::{Message, Request, VersionRange};

/// Which requests a broker knows, in which versions.
#[derive(Debug, Default)]
pub(super) struct Versions(HashMap<i16, VersionRange>);

impl Versions {
    pub(super) fn new(response: &ApiVersionsResponse) -> Self {
        let range = |min, max| VersionRange { min, max };
        Versions(response.api_keys.iter().map(|api| (api.api_key, range(api.min_version, api.max_version))).collect())
    }

    /// The newest version that both sides know, `max` at most.
    pub(super) fn pick<R: Request>(&self, max: i16) -> Option<i16> {
        let theirs = self.0.get(&R::KEY)?;
        let ours = <R as Message>::VERSIONS;
        let newest = theirs.max.min(ours.max).min(max);
        (newest >= theirs.min.max(ours.min)).then_some(newest)
    }
}
