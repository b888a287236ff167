//! ApiVersions: what we offer.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::Context;
use super::dispatch::ROUTES;

pub(super) fn handle(_: &Context<'_>, _: ApiVersionsRequest) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(offered())
}

/// The answer to a version of this very request that we do not know.
pub(super) fn unsupported() -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_error_code(ResponseError::UnsupportedVersion.code()).with_api_keys(offered())
}

fn offered() -> Vec<ApiVersion> {
    ROUTES
        .iter()
        .map(|(key, range)| {
            ApiVersion::default().with_api_key(*key as i16).with_min_version(range.min).with_max_version(range.max)
        })
        .collect()
}
