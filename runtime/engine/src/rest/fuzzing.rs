//! What the REST server reads of requests and of its own settings, for property tests and fuzzers.

use super::listener::Listener;
use super::response_headers::ResponseHeaders;
use super::{body, path};
use crate::storage::fuzzing::Decoder;

pub(crate) const DECODERS: &[Decoder] = &[
    (
        "rest-path",
        rest_path,
        &[b"/connectors/a%2Fb;v=1/tasks/0/restart?includeTasks=true&expand=a%2Bb+c", b"/connectors/%F0%9F%98%80/"],
    ),
    (
        "rest-body",
        rest_body,
        &[
            br#"{"name":"c","config":{"a":"b","n":1.50,"t":true,"z":null},"initial_state":"PAUSED"}"#,
            br#"{"offsets":[{"partition":{"filename":"/f"},"offset":{"position":1}}]}"#,
        ],
    ),
    ("rest-listener", listener, &[b"http://[::1]:8083/", b"HTTP://:0"]),
    ("rest-response-headers", response_headers, &[br#"add X-A: 1, "setDate Expires: 31540000000", set B: c"#]),
];

fn rest_path(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (raw, query) = text.split_once('?').map_or((&*text, None), |(raw, query)| (raw, Some(query)));
    for segment in path::segments(raw).unwrap_or_default() {
        let name = path::decoded(segment);
        let again = path::encoded_for_location(&name);
        // A name with a percent sign or a slash is the exception that `encoded_for_location` describes.
        assert!(name.contains(['%', '/']) || path::decoded(&again) == name, "{name:?} becomes {again:?}");
    }
    path::query_values(query, "expand");
    path::query_flag(query, "includeTasks", false);
}

fn rest_body(input: &[u8]) {
    let _ = body::parse(input);
    let Ok(object) = body::object(input, "an object") else { return };
    let _ = object.only_known(&["name", "config", "initial_state"]);
    for member in ["config", "offsets"].iter().filter_map(|name| object.get(name)) {
        let _ = body::text(member, "config");
        let _ = body::as_list(member, "a list");
        let _ = body::as_object(member, "an object").map(body::Object::into_props);
    }
    let _ = object.into_props();
}

fn listener(input: &[u8]) {
    let _ = Listener::parse("listeners", &String::from_utf8_lossy(input));
}

fn response_headers(input: &[u8]) {
    if let Ok(rules) = ResponseHeaders::parse(&String::from_utf8_lossy(input)) {
        rules.apply(&mut http::HeaderMap::new());
    }
}
