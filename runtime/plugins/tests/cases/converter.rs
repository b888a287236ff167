use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use couplet_api::converter::{Converter, HeaderConverter};
use couplet_api::data::Datum;
use couplet_api::{Error, Plugin};
use couplet_testkit::{envelope, golden};
use serde_json::{Value as Json, json};
use std::sync::Arc;

use super::{comparable_error, error, plugin, props};

/// A converter in the role of a case.
enum Role {
    Value(Arc<dyn Converter>),
    Header(Arc<dyn HeaderConverter>),
}

impl Role {
    fn write(&self, data: &Datum) -> Result<Option<Bytes>, Error> {
        match self {
            Role::Value(converter) => {
                let mut out = BytesMut::new();
                Ok(converter.from_connect("t", &[], data, &mut out)?.then(|| out.freeze()))
            }
            Role::Header(converter) => converter.from_connect_header("t", "h", data),
        }
    }

    fn read(&self, bytes: Option<&Bytes>) -> Result<Datum, Error> {
        match self {
            Role::Value(converter) => converter.to_connect("t", bytes),
            Role::Header(converter) => converter.to_connect_header("t", "h", bytes),
        }
    }
}

/// Plays all files of `folder`.
pub fn check_converters(folder: &str) {
    let mut differences = golden::Differences::new(folder);
    for file in golden::names(folder, ".jsonl") {
        for case in golden::cases(&format!("{folder}/{file}")) {
            check(&case, &mut differences);
        }
    }
    differences.finish();
}

fn check(case: &Json, differences: &mut golden::Differences) {
    let name = case["name"].as_str().unwrap_or_default();
    let class = case["converter"].as_str().unwrap_or_default();
    let converter = match create(case, class) {
        Ok(converter) => converter,
        Err(problem) => return check_error(name, case, &error("configure", &problem), differences),
    };
    if case["direction"] == "from" {
        check_from(name, case, &converter, differences);
    } else {
        check_to(name, case, &converter, differences);
    }
}

fn create(case: &Json, class: &str) -> Result<Role, Error> {
    let props = props(&case["config"]);
    let is_header = case["role"] == "header";
    match plugin(class, |p| matches!(p, Plugin::HeaderConverter(_)) == is_header) {
        Some(Plugin::Converter(p)) => (p.create)(&props, case["is_key"] == true).map(Role::Value),
        Some(Plugin::HeaderConverter(p)) => (p.create)(&props).map(Role::Header),
        _ => Err(Error::bug(format!("no converter {class}"))),
    }
}

fn check_error(name: &str, case: &Json, got: &Json, differences: &mut golden::Differences) {
    let (want, got) = comparable_error(&case["error"], got);
    differences.check(name, &want, &got);
}

fn check_from(name: &str, case: &Json, converter: &Role, differences: &mut golden::Differences) {
    let input = match envelope::read(&case["input"]) {
        Ok(input) => input,
        // Values of Java classes that no Connect type stands for: nothing of ours can make one.
        Err(problem) if problem.contains("the data model has no") => return,
        Err(problem) => return differences.note(name, &problem),
    };
    let bytes = match converter.write(&input) {
        Ok(bytes) => bytes,
        Err(problem) => return check_error(name, case, &error("from", &problem), differences),
    };
    if case.get("error").is_some_and(|e| e["stage"] == "from") {
        return differences.note(name, &format!("want error {}\n  got {bytes:?}", case["error"]));
    }
    if case.get("nondeterministic").is_some() {
        return;
    }
    let want = case["output_base64"].as_str().map(|text| STANDARD.decode(text).expect("base64"));
    match (want, bytes) {
        (Some(want), Some(got)) => {
            differences.check_bytes(name, &want, &got);
            match converter.read(Some(&got)) {
                // SimpleHeaderConverter makes no value at all of the text `null`.
                Ok(back) if back.is_null() && case["roundtrip"].is_null() => {}
                Ok(back) => differences.check(name, &case["roundtrip"], &envelope::write(&back)),
                Err(problem) => check_error(name, case, &error("roundtrip", &problem), differences),
            }
        }
        (want, got) => differences.check(name, &json!(want.is_some()), &json!(got.is_some())),
    }
}

fn check_to(name: &str, case: &Json, converter: &Role, differences: &mut golden::Differences) {
    let bytes = match (case["input_base64"].as_str(), case["input_utf8"].as_str()) {
        (Some(base64), _) => Some(Bytes::from(STANDARD.decode(base64).expect("base64"))),
        (None, text) => text.map(|text| Bytes::copy_from_slice(text.as_bytes())),
    };
    match converter.read(bytes.as_ref()) {
        Err(problem) => check_error(name, case, &error("to", &problem), differences),
        Ok(got) => {
            let want = case.get("output").filter(|o| !o.is_null()).unwrap_or(&case["error"]);
            if case["converter_returned_null"] == true {
                return differences.check(name, &json!(null), &json!(if got.is_null() { None } else { Some("data") }));
            }
            differences.check(name, want, &envelope::write(&got));
        }
    }
}
