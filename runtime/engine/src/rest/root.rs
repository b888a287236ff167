//! The worker itself: `/`, `/health` and `/metrics`.

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::dispatch::Call;
use super::respond::{self, Answer};
use super::state::stage_sentence;
use crate::metrics::{self, Sources};

/// Version and cluster; answered as soon as the server listens.
pub(super) fn root(call: &Call<'_>) -> Answer {
    #[derive(Serialize)]
    struct ServerInfo {
        version: &'static str,
        commit: &'static str,
        kafka_cluster_id: Option<String>,
    }
    respond::ok(&ServerInfo {
        version: call.state.version,
        commit: call.state.commit,
        kafka_cluster_id: call.state.herder.kafka_cluster_id(),
    })
}

#[derive(Serialize)]
struct WorkerStatus {
    status: &'static str,
    message: String,
}

/// Whether the herder takes requests (KIP-1017).
pub(super) async fn health(call: &Call<'_>) -> Answer {
    let herder = &call.state.herder;
    if let Ok(answered) = tokio::time::timeout(call.limits.health, herder.ping()).await {
        answered?;
        let message = "Worker has completed startup and is ready to handle requests.".to_owned();
        return respond::ok(&WorkerStatus { status: "healthy", message });
    }
    let snapshot = herder.snapshot();
    let stage = stage_sentence(&snapshot);
    let stage = stage.strip_prefix('.').unwrap_or(&stage);
    let (code, status, sentence) = match snapshot.ready {
        false => (StatusCode::SERVICE_UNAVAILABLE, "starting", "Worker is still starting up."),
        true => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "unhealthy",
            "Worker was unable to handle this request and may be unable to handle other requests.",
        ),
    };
    Ok(respond::json(code, &WorkerStatus { status, message: format!("{sentence}{stage}") }))
}

/// Everything the worker measures, for Prometheus. Answered from what is there: it waits for nobody.
pub(super) fn metrics(call: &Call<'_>) -> Response {
    let state = call.state;
    let text = metrics::render(&Sources {
        metrics: &state.metrics,
        snapshot: &state.herder.snapshot(),
        plugins: &state.plugins,
        version: state.version,
        commit: state.commit,
    });
    let mut response = Response::new(Body::from(text));
    let text_format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text_format);
    response
}
