//! What the server says until its resources are there.
//!
//! Kafka Connect opens its listeners, looks the cluster's id up, and only then registers its resources; until then Jetty
//! answers every request with its own page. Readiness probes and scripts count on that 404, so nothing is answered from a
//! worker that does not know its cluster yet.

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::listener::Scheme;

/// Jetty's name for itself at the end of its page; recorded, so kept.
const FOOTER: &str = "<hr/><a href=\"https://jetty.org/\">Powered by Jetty:// 12.0.22</a><hr/>";

/// 404 with the page of `org.eclipse.jetty.server.handler.ErrorHandler` for a request's whole address.
pub(super) fn page(scheme: Scheme, request: &Parts) -> Response {
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let address = escaped(&format!("{}://{host}{}", scheme.name(), request.uri.path()));
    let html = format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n<title>Error 404 Not Found</title>\n\
         </head>\n<body>\n<h2>HTTP ERROR 404 Not Found</h2>\n<table>\n<tr><th>URI:</th><td>{address}</td></tr>\n\
         <tr><th>STATUS:</th><td>404</td></tr>\n<tr><th>MESSAGE:</th><td>Not Found</td></tr>\n</table>\n{FOOTER}\n\n</body>\n</html>\n"
    );
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = StatusCode::NOT_FOUND;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html;charset=iso-8859-1"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("must-revalidate,no-cache,no-store"));
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use http::Request;

    use super::*;

    #[tokio::test]
    async fn the_page_names_the_address_and_nothing_of_it_is_markup() {
        let request = Request::get("/health?x").header(HOST, "a<b:8083").body(()).expect("a request");
        let response = page(Scheme::Http, &request.into_parts().0);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(response.headers()[CACHE_CONTROL], "must-revalidate,no-cache,no-store");
        let body = to_bytes(response.into_body(), usize::MAX).await.expect("in memory");
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains("<tr><th>URI:</th><td>http://a&lt;b:8083/health</td></tr>"), "{text}");
    }
}
