//! A request's way to its handler, and its answer's way back.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use couplet_api::spawn::panic_text;
use futures::FutureExt;
use http::header::{HOST, SERVER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};

use super::basic_auth::BasicAuth;
use super::cors::Cors;
use super::listener::Scheme;
use super::negotiate::{ContentType, accepts_json, content_type, options_type};
use super::path;
use super::respond::{self, Answer, Failure};
use super::response_headers::ResponseHeaders;
use super::route::{self, Endpoint, Serves};
use super::state::{Limits, RestState, stage_sentence};
use super::{connectors, forward, internal, loggers, offsets, plugins, root, starting};
use crate::worker_config::CommonConfig;

/// Most bytes of a request's body. Configs are a few kilobytes; a task's list of tables may be a megabyte.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A request on its way to its handler.
pub(super) struct Call<'a> {
    pub(super) state: &'a RestState,
    pub(super) limits: Limits,
    pub(super) scheme: Scheme,
    pub(super) method: &'a Method,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a http::HeaderMap,
    pub(super) body: Bytes,
}

impl Call<'_> {
    /// Waits for `answer`, but not longer than a request may.
    ///
    /// # Errors
    /// The answer's own, or 500 that says what the herder is doing instead.
    pub(super) async fn within_limit<T, E: Into<Failure>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.limits.request, answer).await {
            Ok(answered) => answered.map_err(Into::into),
            Err(_) => {
                let stage = stage_sentence(&self.state.herder.snapshot());
                Err(Failure::internal(format!("Request timed out{stage}")))
            }
        }
    }

    /// The URL of the connector `name`, for the header `Location`.
    pub(super) fn location(&self, name: &str) -> Option<HeaderValue> {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let (scheme, name) = (self.scheme.name(), path::encoded_for_location(name));
        HeaderValue::from_str(&format!("{scheme}://{host}/connectors/{name}")).ok()
    }
}

/// What the worker's settings put around every handler.
pub(super) struct Surroundings {
    cors: Option<Cors>,
    response_headers: ResponseHeaders,
    basic_auth: Option<BasicAuth>,
}

impl Surroundings {
    /// # Errors
    /// When the settings of headers or of basic auth cannot be read.
    pub(super) fn new(common: &CommonConfig) -> couplet_api::Result<Self> {
        Ok(Surroundings {
            cors: Cors::new(&common.access_control_allow_origin, &common.access_control_allow_methods),
            response_headers: ResponseHeaders::parse(&common.response_http_headers_config)?,
            basic_auth: BasicAuth::from_extensions(&common.rest_extension_classes)?,
        })
    }
}

/// The way in of one listener.
pub(super) struct Gate {
    state: RestState,
    limits: Limits,
    serves: Serves,
    scheme: Scheme,
    around: Arc<Surroundings>,
}

impl Gate {
    pub(super) fn new(state: RestState, serves: Serves, scheme: Scheme, around: Arc<Surroundings>) -> Self {
        Gate { state, limits: Limits::default(), serves, scheme, around }
    }

    /// Answers `request`.
    pub(super) async fn handle(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let mut response = match path::segments(parts.uri.path()) {
            _ if self.state.herder.kafka_cluster_id().is_none() => starting::page(self.scheme, &parts),
            // Such requests do not get as far as CORS and headers, as with Jetty.
            Err(why) => Failure::bad_request(format!("Bad request: {why}")).into_response(),
            Ok(segments) => {
                let mut response = self.answer(&segments, &parts, body).await.unwrap_or_else(Failure::into_response);
                self.around.response_headers.apply(response.headers_mut());
                if let Some(cors) = &self.around.cors {
                    cors.apply(&parts.method, &parts.headers, response.headers_mut());
                }
                response
            }
        };
        tracing::debug!(method = %parts.method, path = parts.uri.path(), status = response.status().as_u16(), "request");
        response.headers_mut().insert(SERVER, HeaderValue::from_static(concat!("Couplet/", env!("CARGO_PKG_VERSION"))));
        response
    }

    async fn answer(&self, segments: &[&str], parts: &Parts, body: Body) -> Answer {
        let method = &parts.method;
        let not_found = || Failure::router(StatusCode::NOT_FOUND);
        let endpoint = route::endpoint(segments, self.serves).ok_or_else(not_found)?;
        if !endpoint.allows(method) {
            return Err(Failure::router(StatusCode::METHOD_NOT_ALLOWED));
        }
        let content_type = content_type(&parts.headers);
        if *method != Method::OPTIONS {
            match content_type {
                ContentType::Malformed => return Err(Failure::bad_request("Bad request: malformed Content-Type")),
                ContentType::Other if endpoint.consumes_json(method) => {
                    return Err(Failure::router(StatusCode::UNSUPPORTED_MEDIA_TYPE));
                }
                _ => {}
            }
            if endpoint.produces_json() && !accepts_json(&parts.headers) {
                return Err(Failure::router(StatusCode::NOT_ACCEPTABLE));
            }
        }
        if let Some(auth) = self.around.basic_auth.as_ref().filter(|_| !endpoint.is_internal(method)) {
            auth.check(method, &parts.headers)?;
        }
        if *method == Method::OPTIONS {
            return Ok(respond::options(endpoint.methods(), options_type(&parts.headers)));
        }
        let mut bytes = Bytes::new();
        if endpoint.reads_body(method) {
            let too_large =
                |_| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("The body exceeds {BODY_BYTES_MAX} bytes"));
            bytes = to_bytes(body, BODY_BYTES_MAX).await.map_err(too_large)?;
            if content_type == ContentType::Absent && !bytes.is_empty() {
                return Err(Failure::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
            }
        }
        let (state, limits, query, headers) = (&self.state, self.limits, parts.uri.query(), &parts.headers);
        let call = Call { state, limits, scheme: self.scheme, method, query, headers, body: bytes.clone() };
        // A plugin's bug must not take the connection down with it.
        let answered = AssertUnwindSafe(Box::pin(to_handler(endpoint, call))).catch_unwind().await;
        let answered = answered.unwrap_or_else(|panic| {
            let message = panic_text(&*panic).to_owned();
            tracing::error!(method = %parts.method, path = parts.uri.path(), message, "a request panicked");
            Err(Failure::internal(format!("A bug of the worker or of a plugin: {message}")))
        });
        match answered {
            Err(failure) => Box::pin(forward::follow(state, self.scheme, parts, bytes, failure)).await,
            answer => answer,
        }
    }
}

/// The one list of handlers. `GET` stands for `HEAD` too: the body is cut off on the way out.
async fn to_handler(endpoint: Endpoint, call: Call<'_>) -> Answer {
    let method = call.method.as_str();
    match endpoint {
        Endpoint::Root => root::root(&call),
        Endpoint::Health => root::health(&call).await,
        Endpoint::Metrics => Ok(root::metrics(&call)),
        Endpoint::Connectors if method == "POST" => connectors::create(&call).await,
        Endpoint::Connectors => connectors::list(&call),
        Endpoint::Connector(name) if method == "DELETE" => connectors::delete(&call, &name).await,
        Endpoint::Connector(name) => connectors::info(&call, &name),
        Endpoint::Config(name) => match method {
            "PUT" => connectors::put_config(&call, &name).await,
            "PATCH" => connectors::patch_config(&call, &name).await,
            _ => connectors::config(&call, &name),
        },
        Endpoint::Status(name) => connectors::status(&call, &name),
        Endpoint::Restart(name) => connectors::restart(&call, &name).await,
        Endpoint::Pause(name) => connectors::pause(&call, &name).await,
        Endpoint::Resume(name) => connectors::resume(&call, &name).await,
        Endpoint::Stop(name) => connectors::stop(&call, &name).await,
        Endpoint::Tasks(name) if method == "POST" => internal::put_tasks(&call, &name).await,
        Endpoint::Tasks(name) => connectors::tasks(&call, &name),
        Endpoint::TaskStatus(name, task) => connectors::task_status(&call, &name, &task),
        Endpoint::TaskRestart(name, task) => connectors::restart_task(&call, &name, &task).await,
        Endpoint::Topics(name) => connectors::topics(&call, &name),
        Endpoint::TopicsReset(name) => connectors::reset_topics(&call, &name).await,
        Endpoint::Offsets(name) => match method {
            "PATCH" => offsets::alter(&call, &name).await,
            "DELETE" => offsets::reset(&call, &name).await,
            _ => offsets::get(&call, &name).await,
        },
        Endpoint::Fence(name) => internal::fence(&call, &name).await,
        Endpoint::Plugins => plugins::list(&call),
        Endpoint::PluginConfig(name) => plugins::config(&call, &name),
        Endpoint::Validate(name) => plugins::validate(&call, &name).await,
        Endpoint::Loggers => loggers::list(&call),
        Endpoint::Logger(name) if method == "PUT" => loggers::set(&call, &name).await,
        Endpoint::Logger(name) => loggers::get(&call, &name),
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, LOCATION};

    use super::*;
    use crate::rest::fake_herder::{self, FakeHerder};

    type Headers = &'static [(&'static str, &'static str)];

    const NOT_FOUND: &str = r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#;
    const NOT_ALLOWED: &str = r#"{"error_code":405,"message":"HTTP 405 Method Not Allowed"}"#;
    const INFO: &str = r#"{"name":"src","config":{"connector.class":"X","name":"src","topic":"t"},"tasks":[{"connector":"src","task":0}],"type":"source"}"#;
    const STATUS: &str = r#"{"name":"src","connector":{"state":"RUNNING","worker_id":"w:1","version":"4.1.0"},"tasks":[{"id":0,"state":"FAILED","worker_id":"w:1","version":"4.1.0","trace":"boom"}],"type":"source"}"#;

    fn gate(herder: Arc<FakeHerder>, more: &[(&str, &str)]) -> Gate {
        let state = fake_herder::state(herder, more);
        let around = Surroundings::new(&state.config.common).expect("plain settings");
        Gate::new(state, Serves::EVERYTHING, Scheme::Http, Arc::new(around))
    }

    async fn send(
        gate: &Gate,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> (Response, String) {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "h:1");
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == CONTENT_TYPE.as_str()) {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let response = gate.handle(request.body(Body::from(body)).expect("a request")).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("in memory");
        (Response::from_parts(parts, Body::empty()), String::from_utf8(bytes.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn metrics_are_text_for_prometheus() {
        let gate = gate(Arc::new(FakeHerder::new()), &[]);
        // As a Prometheus server asks.
        let accept =
            [("accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1")];
        for headers in [&accept[..], &[("accept", "text/plain")], &[]] {
            let (response, body) = send(&gate, "GET", "/metrics", headers, "").await;
            assert_eq!(response.status(), 200);
            assert!(response.headers()[CONTENT_TYPE].to_str().expect("text").starts_with("text/plain; version=0.0.4"));
            assert!(body.contains("\nkafka_connect_worker_connector_count 1\n"), "{body}");
            assert!(
                body.contains("kafka_connect_version_info{clientid=\"connect-w:1\",version=\"4.1.0\"} 1"),
                "{body}"
            );
        }
        assert_eq!(send(&gate, "POST", "/metrics", &[], "").await.0.status(), 405);
    }

    #[tokio::test]
    async fn reads_are_answered_as_by_the_jvm() {
        let gate = gate(Arc::new(FakeHerder::new()), &[]);
        let rows: &[(&str, u16, &str)] = &[
            ("/", 200, r#"{"version":"4.1.0","commit":"c0ffee","kafka_cluster_id":"cluster"}"#),
            (
                "/health/",
                200,
                r#"{"status":"healthy","message":"Worker has completed startup and is ready to handle requests."}"#,
            ),
            ("/connectors", 200, r#"["src"]"#),
            ("/connectors?expand=bogus", 200, r#"{"src":{}}"#),
            ("/connectors/src", 200, INFO),
            ("/connectors/src;v=1/config", 200, r#"{"connector.class":"X","name":"src","topic":"t"}"#),
            ("/connectors/src/status", 200, STATUS),
            (
                "/connectors/src/tasks/0/status",
                200,
                r#"{"id":0,"state":"FAILED","worker_id":"w:1","version":"4.1.0","trace":"boom"}"#,
            ),
            ("/connectors/src/tasks", 200, r#"[{"id":{"connector":"src","task":0},"config":{"task.class":"Y"}}]"#),
            ("/connectors/src/topics", 200, r#"{"src":{"topics":["t"]}}"#),
            ("/connectors/ghost/topics", 200, r#"{"ghost":{"topics":[]}}"#),
            (
                "/connectors/src/offsets",
                200,
                r#"{"offsets":[{"partition":{"filename":"in.txt"},"offset":{"position":14}}]}"#,
            ),
            ("/connectors/ghost", 404, r#"{"error_code":404,"message":"Connector ghost not found"}"#),
            ("/connectors/a%2Fb", 404, r#"{"error_code":404,"message":"Connector a/b not found"}"#),
            ("/connectors/ghost/status", 404, r#"{"error_code":404,"message":"No status found for connector ghost"}"#),
            (
                "/connectors/src/tasks/-1/status",
                404,
                r#"{"error_code":404,"message":"No status found for task src--1"}"#,
            ),
            ("/connectors/src/tasks/abc/status", 404, NOT_FOUND),
            ("/connectors/src/tasks-config", 404, NOT_FOUND),
            ("/nope", 404, NOT_FOUND),
            ("/connector-plugins/x/config", 404, r#"{"error_code":404,"message":"Unknown plugin x."}"#),
            ("/admin/loggers/nope.x", 404, r#"{"error_code":404,"message":"Logger nope.x not found."}"#),
            ("/admin/loggers/root", 200, r#"{"level":"INFO","last_modified":null}"#),
        ];
        for (path, status, want) in rows {
            let (response, body) = send(&gate, "GET", path, &[], "").await;
            assert_eq!((response.status().as_u16(), body.as_str()), (*status, *want), "{path}");
        }
        let (_, both) = send(&gate, "GET", "/connectors?expand=info&expand=status", &[], "").await;
        assert_eq!(both, format!(r#"{{"src":{{"info":{INFO},"status":{STATUS}}}}}"#));
    }

    #[tokio::test]
    async fn the_router_speaks_without_a_content_type() {
        let gate = gate(Arc::new(FakeHerder::new()), &[]);
        /// Method, path, headers, body; status, and whether the answer has a content type.
        type Row = (&'static str, &'static str, Headers, &'static str, u16, bool);
        let json: Headers = &[];
        let rows: &[Row] = &[
            ("GET", "/nope", json, "", 404, false),
            ("TRACE", "/", json, "", 405, false),
            ("PUT", "/connectors", json, "{}", 405, false),
            ("GET", "/connectors", &[("accept", "text/plain")], "", 406, false),
            ("POST", "/connectors", &[("content-type", "text/plain")], "{}", 415, false),
            ("GET", "/", &[("content-type", "text/plain")], "", 200, true),
            // A body of no type gets as far as the resource.
            ("POST", "/connectors", &[("content-type", "")], "{}", 415, true),
            ("GET", "/connectors/src/tasks/abc/status", json, "", 404, true),
            ("DELETE", "/connectors/src", json, "", 204, false),
            ("PUT", "/connectors/src/pause", json, "", 202, false),
            ("GET", "//", json, "", 400, true),
            ("POST", "/connectors", &[("content-type", "garbage")], "{}", 400, true),
        ];
        for (method, path, headers, body, status, has_type) in rows {
            let (response, _) = send(&gate, method, path, headers, body).await;
            let got = (response.status().as_u16(), response.headers().contains_key(CONTENT_TYPE));
            assert_eq!(got, (*status, *has_type), "{method} {path} {headers:?}");
        }
        let (_, body) = send(&gate, "DELETE", "/connectors", &[], "").await;
        assert_eq!(body, NOT_ALLOWED);
        let (response, body) = send(&gate, "OPTIONS", "/connectors/x/offsets", &[], "").await;
        assert_eq!(response.headers()[ALLOW], "HEAD,DELETE,GET,OPTIONS,PATCH");
        assert_eq!(body, "HEAD, DELETE, GET, OPTIONS, PATCH");
        let (response, body) = send(&gate, "OPTIONS", "/", &[(ACCEPT.as_str(), "text/html")], "").await;
        assert_eq!(response.headers()[CONTENT_TYPE], "text/html");
        assert_eq!(body, "");
    }

    #[tokio::test]
    async fn writes_reach_the_herder_as_they_are_meant() {
        let herder = Arc::new(FakeHerder::new());
        let gate = gate(herder.clone(), &[]);
        let rows: &[(&str, &str, &'static str, u16, &str)] = &[
            (
                "POST",
                "/connectors",
                r#"{"name":" new\t","config":{},"initial_state":"stopped"}"#,
                201,
                "put new Some(Stopped) false",
            ),
            ("POST", "/connectors", r#"{"name":"src","config":{}}"#, 409, "put src None false"),
            ("PUT", "/connectors/a%20b/config", r#"{}"#, 201, "put a b None true"),
            ("PUT", "/connectors/src/config", r#"{"name":"src"}"#, 200, "put src None true"),
            (
                "PATCH",
                "/connectors/src/config",
                r#"{"a":null,"b":7}"#,
                200,
                r#"patch src [("a", None), ("b", Some("7"))]"#,
            ),
            ("DELETE", "/connectors/src/", "", 204, "delete src"),
            ("PUT", "/connectors/src/stop", "", 204, "target src STOPPED"),
            ("PUT", "/connectors/ghost/resume", "", 404, "target ghost STARTED"),
            ("POST", "/connectors/src/restart?includeTasks=yes", "", 204, "restart src false false"),
            ("POST", "/connectors/src/restart?includeTasks=TRUE", "", 202, "restart src true false"),
            ("POST", "/connectors/src/tasks/+0/restart", "", 204, "restart task src-0"),
            ("PUT", "/connectors/src/topics/reset", "", 202, "reset topics src"),
            ("DELETE", "/connectors/src/offsets", "", 200, "alter src None"),
            (
                "PATCH",
                "/connectors/src/offsets",
                r#"{"offsets":[{"partition":{"a":1},"offset":null},{"partition":{"a":1},"offset":{"b":2}}]}"#,
                200,
                "alter src Some(1)",
            ),
        ];
        for (method, path, body, status, asked) in rows {
            let (response, text) = send(&gate, method, path, &[], body).await;
            assert_eq!(response.status().as_u16(), *status, "{method} {path}: {text}");
            assert_eq!(herder.asked().last().map(String::as_str), Some(*asked), "{method} {path}");
        }
        let (response, body) = send(&gate, "PUT", "/connectors/100%25/config", &[], r#"{"z":1,"name":null}"#).await;
        assert_eq!(response.headers()[LOCATION], "http://h:1/connectors/100%25");
        assert!(body.contains(r#""config":{"z":"1","name":"100%"}"#), "{body}");
    }

    #[tokio::test]
    async fn what_is_wrong_never_reaches_the_herder() {
        let herder = Arc::new(FakeHerder::new());
        let gate = gate(herder.clone(), &[("topic.tracking.allow.reset", "false")]);
        let rows: &[(&str, &str, &'static str, u16)] = &[
            ("POST", "/connectors", "{bad", 500),
            ("POST", "/connectors", "null", 500),
            ("POST", "/connectors", "", 500),
            ("POST", "/connectors", r#"{"name":"x","config":{},"foo":1}"#, 500),
            ("POST", "/connectors", r#"{"name":"x","config":{"a":{}}}"#, 500),
            ("POST", "/connectors", r#"{"name":"x","config":{},"initial_state":"BOGUS"}"#, 500),
            ("POST", "/connectors", r#"{"name":"x","config":{"name":"y"}}"#, 400),
            ("POST", "/connectors", r#"{"name":"x","config":{},"initial_offsets":[]}"#, 400),
            ("POST", "/connectors", r#"{"name":"x","config":{},"initial_offsets":{}}"#, 400),
            ("POST", "/connectors", r#"{"name":"x","config":{},"initial_offsets":[{"offset":{"a":1}}]}"#, 400),
            (
                "POST",
                "/connectors",
                r#"{"name":"x","config":{},"initial_offsets":[{"partition":{"a":[]},"offset":{"a":1}}]}"#,
                400,
            ),
            ("PUT", "/connectors/src/config", "[]", 500),
            ("PATCH", "/connectors/ghost/config", "null", 404),
            ("PATCH", "/connectors/src/config", "null", 500),
            ("PATCH", "/connectors/src/offsets", r#"{"offsets":[]}"#, 400),
            ("PATCH", "/connectors/src/offsets", r#"{"offsets":[null]}"#, 500),
            ("PATCH", "/connectors/src/offsets", r#"{"offsets":[{"partition":null}]}"#, 400),
            ("PATCH", "/connectors/src/offsets", r#"{"zzz":1}"#, 500),
            ("PUT", "/connectors/src/topics/reset", "", 403),
            ("POST", "/connectors/src/tasks", "[]", 400),
            ("PUT", "/connectors/src/fence", "", 400),
            ("PUT", "/connector-plugins/A/config/validate", r#"{"connector.class":"B"}"#, 400),
            ("PUT", "/connector-plugins/A/config/validate", "{}", 500),
            ("PUT", "/admin/loggers/x", "{}", 400),
            ("PUT", "/admin/loggers/x", r#"{"level":"LOUD"}"#, 404),
        ];
        for (method, path, body, status) in rows {
            let (response, text) = send(&gate, method, path, &[], body).await;
            assert_eq!(response.status().as_u16(), *status, "{method} {path} {body}: {text}");
        }
        assert!(herder.asked().is_empty(), "{:?}", herder.asked());
    }

    #[tokio::test]
    async fn a_herder_that_does_not_answer_is_not_waited_for() {
        let short = std::time::Duration::from_millis(1);
        let gate_of = |ready| Gate {
            limits: Limits { request: short, health: short },
            ..gate(Arc::new(FakeHerder::stuck("reading the config topic", ready)), &[])
        };
        let stage = "The worker is currently reading the config topic, which began at 1970-01-01T00:00:00Z.";
        let rows = [
            (
                false,
                "/health",
                "GET",
                503,
                format!(r#"{{"status":"starting","message":"Worker is still starting up. {stage}"}}"#),
            ),
            (
                true,
                "/health",
                "GET",
                500,
                format!(
                    r#"{{"status":"unhealthy","message":"Worker was unable to handle this request and may be unable to handle other requests. {stage}"}}"#
                ),
            ),
            (
                true,
                "/connectors/x",
                "DELETE",
                500,
                format!(r#"{{"error_code":500,"message":"Request timed out. {stage}"}}"#),
            ),
            (
                false,
                "/",
                "GET",
                200,
                r#"{"version":"4.1.0","commit":"c0ffee","kafka_cluster_id":"cluster"}"#.to_owned(),
            ),
            (false, "/connectors", "GET", 200, "[]".to_owned()),
        ];
        for (ready, path, method, status, want) in rows {
            let (response, body) = send(&gate_of(ready), method, path, &[], "").await;
            assert_eq!((response.status().as_u16(), body), (status, want), "{method} {path}");
        }
    }
}
