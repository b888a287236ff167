//! The bytes of the group protocol, as the JVM's classes wrote and read them.

use couplet_group::protocol::{Assignment, ConnectProtocol, TaskId, WorkerState};
use couplet_testkit::golden;
use serde_json::Value;

const FILE: &str = "connect/protocol/bytes.jsonl";

fn of_kind(kind: &str) -> Vec<Value> {
    let cases: Vec<Value> = golden::cases(FILE).into_iter().filter(|case| case["kind"] == kind).collect();
    assert!(!cases.is_empty(), "{FILE} has no case of kind {kind}");
    cases
}

fn bytes(hex: &Value) -> Vec<u8> {
    hex::decode(hex.as_str().expect("hex")).expect("hex digits")
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.map(|text| text.as_str().expect("text").to_owned()).collect()
}

fn tasks(list: &Value) -> Vec<TaskId> {
    texts(list).iter().map(|id| id.parse().expect("a task")).collect()
}

fn protocol(case: &Value) -> ConnectProtocol {
    ConnectProtocol::from_name(case["protocol"].as_str().expect("protocol")).expect("known")
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

fn assignment(fields: &Value) -> Option<Assignment> {
    if fields.is_null() {
        return None;
    }
    let text = |key: &str| fields[key].as_str().expect(key).to_owned();
    Some(Assignment {
        version: number(&fields["version"]) as i16,
        error: number(&fields["error"]) as i16,
        leader: text("leader"),
        leader_url: text("leader_url"),
        config_offset: number(&fields["config_offset"]),
        connectors: texts(&fields["connectors"]),
        tasks: tasks(&fields["tasks"]),
        revoked_connectors: texts(&fields["revoked_connectors"]),
        revoked_tasks: tasks(&fields["revoked_tasks"]),
        delay_ms: number(&fields["scheduled_delay"]) as i32,
    })
}

fn state(fields: &Value) -> WorkerState {
    WorkerState {
        url: fields["url"].as_str().expect("url").to_owned(),
        config_offset: number(&fields["config_offset"]),
        allocation: assignment(&fields["assignment"]),
    }
}

/// Bytes group work by connector, so lists come back in another order.
fn sorted(mut assignment: Assignment) -> Assignment {
    assignment.connectors.sort();
    assignment.tasks.sort();
    assignment.revoked_connectors.sort();
    assignment.revoked_tasks.sort();
    assignment
}

#[test]
fn metadata_is_that_of_the_jvm() {
    for case in of_kind("metadata") {
        let (want, protocol) = (state(&case["fields"]), protocol(&case));
        let encoded = want.encode(protocol).expect("short texts");
        assert_eq!(hex::encode(&encoded), case["hex"].as_str().expect("hex"), "{case}");
        let mut got = WorkerState::decode(&bytes(&case["hex"]), protocol).expect("valid");
        got.allocation = got.allocation.map(sorted);
        assert_eq!(got, WorkerState { allocation: want.allocation.map(sorted), ..want }, "{case}");
    }
}

#[test]
fn assignments_are_those_of_the_jvm() {
    for case in of_kind("assignment") {
        let protocol = protocol(&case);
        let Some(mut want) = assignment(&case["fields"]) else {
            assert!(case["hex"].is_null(), "only what is not there has no bytes: {case}");
            continue;
        };
        want.version = protocol.version();
        let encoded = want.encode(protocol).expect("short texts");
        assert_eq!(hex::encode(&encoded), case["hex"].as_str().expect("hex"), "{case}");
        assert_eq!(sorted(Assignment::decode(&bytes(&case["hex"])).expect("valid")), sorted(want), "{case}");
    }
}

#[test]
fn protocols_are_offered_as_the_jvm_offers_them() {
    for case in of_kind("join_protocols") {
        let description = case["description"].as_str().expect("description");
        let (_, setting) = description.rsplit_once("connect.protocol=").expect("the setting is in the description");
        let setting: ConnectProtocol = setting.parse().expect("known");
        let got: Vec<(String, String)> = setting
            .join_protocols(&state(&case["fields"]))
            .expect("short texts")
            .iter()
            .map(|(name, metadata)| ((*name).to_owned(), hex::encode(metadata)))
            .collect();
        let want: Vec<(String, String)> = case["protocols"]
            .as_array()
            .expect("protocols")
            .iter()
            .map(|p| (p["name"].as_str().expect("name").into(), p["metadata_hex"].as_str().expect("hex").into()))
            .collect();
        assert_eq!(got, want, "{description}");
    }
}

#[test]
fn malformed_bytes_are_refused_in_the_jvms_words() {
    let fails = |error: couplet_api::Error| format!("{}: {}", error.class(), error.message());
    for case in of_kind("decode_error") {
        let bytes = bytes(&case["hex"]);
        let eager = WorkerState::decode(&bytes, ConnectProtocol::Eager);
        let eager = eager.map(|s| format!("WorkerState{{url='{}', offset={}}}", s.url, s.config_offset));
        let results = [
            ("eager_metadata", eager.map_err(fails)),
            (
                "incremental_metadata",
                WorkerState::decode(&bytes, ConnectProtocol::Sessioned).map(|s| s.to_string()).map_err(fails),
            ),
            ("incremental_assignment", Assignment::decode(&bytes).map(|a| a.to_string()).map_err(fails)),
        ];
        for (key, got) in results {
            let (key, got) = match got {
                Ok(text) => (key.to_owned(), text),
                Err(text) => (format!("{key}_error"), text),
            };
            assert_eq!(case[&key], got, "{key} of {case}");
        }
    }
}

#[test]
fn texts_too_long_for_the_wire_are_refused() {
    let state = WorkerState { url: "u".repeat(40_000), config_offset: 0, allocation: None };
    let error = state.encode(ConnectProtocol::Sessioned).expect_err("too long");
    assert!(error.message().contains("'url'") && error.message().contains("40000"), "{error}");
}

#[test]
fn malformed_bytes_do_no_harm() {
    let run = |bytes: &[u8]| {
        drop(WorkerState::decode(bytes, ConnectProtocol::Eager));
        drop(WorkerState::decode(bytes, ConnectProtocol::Sessioned));
        drop(Assignment::decode(bytes));
    };
    let valid: Vec<Vec<u8>> = of_kind("metadata").iter().map(|case| bytes(&case["hex"])).collect();
    let seeds: Vec<&[u8]> = valid.iter().map(Vec::as_slice).collect();
    let target = couplet_testkit::malformed::Target { name: "connect-protocol", run };
    couplet_testkit::malformed::check(target, &seeds, &[], 5000);
}
