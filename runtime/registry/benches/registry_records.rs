//! Converters with a schema registry on the vectors of `integration/bench`; the registry is one that knows every schema.
//! Part of `cargo x bench converters`.

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use couplet_api::config::Props;
use couplet_api::converter::Converter;
use couplet_api::data::Datum;
use couplet_api::{Kind, Plugin, Result};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

/// The worker's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TOPIC: &str = "bench.records";

fn vectors() -> Json {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../integration/bench/vectors.json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).expect("JSON")
}

/// Serves a registry in which every schema gets the next number; the address.
fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        let mut schemas: HashMap<String, Json> = HashMap::new();
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let mut head = Vec::new();
            while head.last().is_none_or(|line: &String| !line.trim().is_empty()) {
                let mut line = String::new();
                stream.read_line(&mut line).expect("a line");
                head.push(line);
            }
            let length =
                head.iter().find_map(|l| l.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).expect("the body");
            let answer = match serde_json::from_slice::<Json>(&body) {
                Ok(mut schema) => {
                    let id = schemas.len() + 1;
                    schema["id"] = json!(id);
                    schemas.insert(id.to_string(), schema.clone());
                    schema
                }
                Err(_) => {
                    let path = head[0].split([' ', '?']).nth(1).expect("a path");
                    schemas[path.rsplit('/').next().expect("an id")].clone()
                }
            };
            let answer = answer.to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(stream.get_mut(), "{head}Content-Length: {}\r\n\r\n{answer}", answer.len()).expect("answered");
        }
    });
    format!("http://{address}")
}

fn converter(plugins: &[Plugin], class: &str, props: &Props) -> Arc<dyn Converter> {
    let made = plugins.iter().find_map(|plugin| match plugin {
        Plugin::Converter(factory) if factory.class == class => Some((factory.create)(props, false)),
        _ => None,
    });
    made.unwrap_or_else(|| panic!("no class {class}")).expect("right settings")
}

/// What `step` gives once its lookups are made.
fn resolved<T>(runtime: &Runtime, converter: &dyn Converter, mut step: impl FnMut() -> Result<T>) -> T {
    loop {
        match step() {
            Ok(done) => return done,
            Err(error) if error.kind() == Kind::Lookup => {
                let lookup = error.wanted().expect("what to look up");
                runtime.block_on(converter.resolve(lookup)).expect("resolved");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

fn all(criterion: &mut Criterion) {
    let (vectors, url) = (vectors(), registry());
    let runtime = Runtime::new().expect("a runtime");
    let props: Props = [("schema.registry.url", url.as_str())].into_iter().collect();
    let json = converter(&couplet_plugins::plugins(), "org.apache.kafka.connect.json.JsonConverter", &Props::new());
    for class in ["avro.AvroConverter", "protobuf.ProtobufConverter", "json.JsonSchemaConverter"] {
        let converter = converter(&couplet_registry::plugins(), &format!("io.confluent.connect.{class}"), &props);
        let name = class.split_once('.').map_or(class, |(_, name)| name);
        for vector in ["flat", "event"] {
            let envelope = Bytes::from(vectors[vector]["value"].to_string());
            let datum: Datum = json.to_connect(TOPIC, Some(&envelope)).expect("an envelope");
            // As the worker does it: one buffer, out of which each record's bytes are cut.
            let mut out = BytesMut::new();
            let mut write = || converter.from_connect(TOPIC, &[], &datum, &mut out).map(|_| out.split().freeze());
            let bytes = resolved(&runtime, &*converter, &mut write);
            criterion
                .bench_function(&format!("{name}/{vector}/write"), |b| b.iter(|| black_box(write().expect("written"))));
            let read = || converter.to_connect(TOPIC, Some(&bytes));
            resolved(&runtime, &*converter, read);
            criterion.bench_function(&format!("{name}/{vector}/read"), |b| b.iter(|| black_box(read().expect("read"))));
        }
    }
}

criterion_group!(records, all);
criterion_main!(records);
