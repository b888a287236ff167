//! A request's way to its handler, and its answer's way back.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use couplet_api::Result;
use http::header::{HOST, SERVER};
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};

use super::basic_auth::BasicAuth;
use super::cors::Cors;
use super::negotiate::{ContentType, accepts_json, content_type, options_type};
use super::path;
use super::respond::{self, Answer, Failure};
use super::response_headers::ResponseHeaders;
use super::route::{self, Endpoint, Serves};
use super::state::RestState;
use super::{connectors, internal, loggers, offsets, plugins, root};

/// Most bytes of a request's body. Configs are a few kilobytes; a task's list of tables may be a megabyte.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A request on its way to its handler.
pub(super) struct Call<'a> {
    pub(super) state: &'a RestState,
    pub(super) method: &'a Method,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a http::HeaderMap,
    pub(super) body: Bytes,
}

impl Call<'_> {
    /// The URL of the connector `name`, for the header `Location`.
    pub(super) fn location(&self, name: &str) -> Option<HeaderValue> {
        let host = self.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        HeaderValue::from_str(&format!("http://{host}/connectors/{}", path::encoded_for_location(name))).ok()
    }
}

/// Everything that one listener puts around handlers.
pub(super) struct Gate {
    state: RestState,
    serves: Serves,
    cors: Option<Cors>,
    response_headers: ResponseHeaders,
    basic_auth: Option<BasicAuth>,
}

impl Gate {
    /// # Errors
    /// When the settings of headers or of basic auth cannot be read.
    pub(super) fn new(state: RestState, serves: Serves) -> Result<Self> {
        let common = &state.config.common;
        Ok(Gate {
            cors: Cors::new(&common.access_control_allow_origin, &common.access_control_allow_methods),
            response_headers: ResponseHeaders::parse(&common.response_http_headers_config)?,
            basic_auth: BasicAuth::from_extensions(&common.rest_extension_classes)?,
            serves,
            state,
        })
    }

    /// Answers `request`.
    pub(super) async fn handle(&self, request: Request<Body>) -> Response {
        let (parts, body) = request.into_parts();
        let mut response = match path::segments(parts.uri.path()) {
            // Such requests do not get as far as CORS and headers, as with Jetty.
            Err(why) => Failure::bad_request(format!("Bad request: {why}")).into_response(),
            Ok(segments) => {
                let mut response = self.answer(&segments, &parts, body).await.unwrap_or_else(Failure::into_response);
                self.response_headers.apply(response.headers_mut());
                if let Some(cors) = &self.cors {
                    cors.apply(&parts.method, &parts.headers, response.headers_mut());
                }
                response
            }
        };
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
                ContentType::Other if endpoint.consumes_json() => {
                    return Err(Failure::router(StatusCode::UNSUPPORTED_MEDIA_TYPE));
                }
                _ => {}
            }
            if !accepts_json(&parts.headers) {
                return Err(Failure::router(StatusCode::NOT_ACCEPTABLE));
            }
        }
        if let Some(auth) = self.basic_auth.as_ref().filter(|_| !endpoint.is_internal(method)) {
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
        let call = Call { state: &self.state, method, query: parts.uri.query(), headers: &parts.headers, body: bytes };
        Box::pin(to_handler(endpoint, call)).await
    }
}

/// The one list of handlers. `GET` stands for `HEAD` too: the body is cut off on the way out.
async fn to_handler(endpoint: Endpoint, call: Call<'_>) -> Answer {
    let method = call.method.as_str();
    match endpoint {
        Endpoint::Root => root::root(&call),
        Endpoint::Health => root::health(&call).await,
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
        Endpoint::Tasks(_) if method == "POST" => internal::put_tasks(&call),
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
        Endpoint::Fence(_) => internal::fence(&call),
        Endpoint::Plugins => plugins::list(&call),
        Endpoint::PluginConfig(name) => plugins::config(&call, &name),
        Endpoint::Validate(name) => plugins::validate(&call, &name).await,
        Endpoint::Loggers => loggers::list(&call),
        Endpoint::Logger(name) if method == "PUT" => loggers::set(&call, &name),
        Endpoint::Logger(name) => loggers::get(&call, &name),
    }
}
