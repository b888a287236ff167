//! The binary as people start it: mistakes get one clear line and an exit code, signals a graceful end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than any start or end takes, but for the wait for an unreachable broker.
const PATIENCE: Duration = Duration::from_secs(30);

fn couplet(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_couplet"));
    command.args(arguments).env("RUST_LOG", "info").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn ended(mut child: Child) -> Output {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("a state").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("killed");
            panic!("did not end: {}", String::from_utf8_lossy(&child.wait_with_output().expect("output").stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("output")
}

fn signal(child: &Child, name: &str) {
    let told = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(told.expect("kill runs").success());
}

/// A worker's settings, without the keys in `without`, with the lines in `with`.
fn settings(folder: &Path, without: &[&str], with: &[&str]) -> String {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let port = free_port();
    let lines = [
        "bootstrap.servers=127.0.0.1:1".to_owned(),
        "group.id=g".to_owned(),
        format!("listeners=http://127.0.0.1:{port}"),
        format!("key.converter={json}"),
        format!("value.converter={json}"),
        "config.storage.topic=c".to_owned(),
        "offset.storage.topic=o".to_owned(),
        "status.storage.topic=s".to_owned(),
        format!("offset.storage.file.filename={}", folder.join("offsets").display()),
    ];
    let kept = lines.iter().map(String::as_str).filter(|line| !without.iter().any(|key| line.starts_with(key)));
    let file = folder.join(format!("worker-{port}.properties"));
    std::fs::write(&file, kept.chain(with.iter().copied()).collect::<Vec<_>>().join("\n")).expect("a file");
    file.display().to_string()
}

/// What is wrong, the arguments, the exit code, and words that one line of what is said must have.
type Mistake<'a> = (&'a str, Vec<String>, i32, Vec<&'a str>);

#[test]
fn mistakes_get_one_line_and_a_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken_port = taken.local_addr().expect("an address").port().to_string();
    let distributed =
        |without: &[&str], with: &[&str]| vec!["distributed".into(), settings(folder.path(), without, with)];
    let standalone =
        |without: &[&str], with: &[&str]| vec!["standalone".into(), settings(folder.path(), without, with)];
    let connector = folder.path().join("c.json");
    std::fs::write(&connector, r#"{"name":"c","config":{"tasks.max":{}}}"#).expect("a file");
    let listeners = format!("listeners=http://127.0.0.1:{taken_port}");
    let rows: Vec<Mistake<'_>> = vec![
        ("no command", vec![], 2, vec!["Usage"]),
        ("an unknown command", vec!["run".into()], 2, vec!["unrecognized", "run"]),
        ("no such file", vec!["distributed".into(), "/no/such/file".into()], 1, vec!["/no/such/file"]),
        ("a malformed escape", distributed(&[], &["x=\\u12"]), 1, vec!["line 10", "\\u12", "hex digits"]),
        ("a missing key", distributed(&["group.id"], &[]), 1, vec!["group.id", "required"]),
        (
            "a missing key of standalone mode",
            standalone(&["offset.storage.file"], &[]),
            1,
            vec!["offset.storage.file.filename", "required"],
        ),
        (
            "an unknown class",
            distributed(&["key.converter"], &["key.converter=org.example.No"]),
            1,
            vec!["key.converter", "org.example.No"],
        ),
        (
            "a wrong setting of a converter",
            distributed(&[], &["key.converter.schemas.enable=maybe"]),
            1,
            vec!["key.converter", "schemas.enable", "maybe"],
        ),
        (
            "not a number",
            distributed(&[], &["offset.flush.interval.ms=soon"]),
            1,
            vec!["offset.flush.interval.ms", "soon"],
        ),
        ("a port in use", distributed(&["listeners"], &[&listeners]), 1, vec!["listeners", &taken_port, "in use"]),
        (
            "a malformed connector file",
            [standalone(&[], &[]), vec![connector.display().to_string()]].concat(),
            1,
            vec!["c.json", "tasks.max"],
        ),
    ];
    for (claim, arguments, code, words) in rows {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = ended(couplet(&arguments).spawn().expect("starts"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{claim}: {said}");
        let clear = said.lines().filter(|line| words.iter().all(|word| line.contains(word))).count();
        assert_eq!(clear, 1, "{claim}: one line says {words:?}:\n{said}");
        assert!(!said.contains("panicked"), "{claim}: {said}");
    }
    assert!(!folder.path().join("offsets").exists(), "nothing is left behind");
}

/// Every error and every key without effect is told at once.
#[test]
fn connectors_are_checked_without_a_worker() {
    let folder = tempfile::tempdir().expect("a folder");
    let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    let good = folder.path().join("good.properties");
    std::fs::write(&good, format!("name=g\nconnector.class={class}\ntopic=t\ntask.max=2\n")).expect("a file");
    let bad = folder.path().join("bad.json");
    let config = format!(
        r#"{{"name":"b","config":{{"connector.class":"{class}","tasks.max":"many","errors.tolerence":"all","zz":"1"}}}}"#
    );
    std::fs::write(&bad, config).expect("a file");
    let (good, bad) = (good.display().to_string(), bad.display().to_string());
    let output = ended(couplet(&["validate", &good]).spawn().expect("starts"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("hint: task.max is not a setting") && said.contains("did you mean tasks.max?"), "{said}");
    let output = ended(couplet(&["validate", &good, &bad]).spawn().expect("starts"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let want =
        ["tasks.max: Invalid value many", "topic: Missing required", "did you mean errors.tolerance?", "hint: zz is"];
    for words in want {
        assert_eq!(said.lines().filter(|line| line.contains(words)).count(), 1, "{words}: {said}");
    }
}

/// A broker and a worker in one process, which ends when told.
#[test]
fn dev_answers_soon_and_ends_gracefully() {
    let (port, rest_port) = (free_port().to_string(), free_port());
    let arguments = ["dev", "--port", &port, "--rest-port", &rest_port.to_string()];
    let mut child = couplet(&arguments).spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let mut log = Vec::new();
    for line in lines.by_ref() {
        let ready = line.contains("Finished starting connectors and tasks");
        log.push(line);
        if ready {
            break;
        }
    }
    let root = get(rest_port, "/");
    assert!(root.starts_with("HTTP/1.1 200") && root.contains("\"version\":\"4.1.0\""), "{root}\n{log:?}");
    assert!(log.iter().any(|line| line.contains("Kafka Connect started")), "{log:?}");
    assert!(log.iter().any(|line| line.contains("not for production")), "{log:?}");
    signal(&child, "-TERM");
    let rest: Vec<String> = lines.collect();
    assert!(ended(child).status.success(), "a graceful end is code 0: {rest:?}");
}

/// With `couplet.log.format=json` every line is an object; other values are refused.
#[test]
fn the_log_is_json_where_that_is_wished_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let listeners = format!("listeners=http://127.0.0.1:{port}");
    let file = settings(folder.path(), &["listeners"], &[&listeners, "couplet.log.format=json"]);
    let child = couplet(&["distributed", &file]).spawn().expect("starts");
    get(port, "/");
    signal(&child, "-TERM");
    let said = String::from_utf8(ended(child).stderr).expect("text");
    let messages: Vec<String> = said
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no object: {line}"));
            line["message"].as_str().expect("a message").to_owned()
        })
        .collect();
    for words in ["REST server listening", "Kafka version: 4.1.0", "Kafka Connect started", "Kafka Connect stopped"] {
        assert!(messages.iter().any(|message| message == words), "{words}: {messages:?}");
    }
    let file = settings(folder.path(), &[], &["couplet.log.format=xml"]);
    let said =
        String::from_utf8(ended(couplet(&["distributed", &file]).spawn().expect("starts")).stderr).expect("text");
    assert!(said.contains("couplet.log.format"), "{said}");
}

/// The REST server has a page for everything while the brokers are still being looked for, and a signal ends the search.
#[test]
fn the_listener_is_open_while_kafka_is_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let file = settings(folder.path(), &["listeners"], &[&format!("listeners=http://127.0.0.1:{port}")]);
    let child = couplet(&["distributed", &file]).spawn().expect("starts");
    let root = get(port, "/");
    assert!(root.starts_with("HTTP/1.1 404") && root.contains("HTTP ERROR 404 Not Found"), "{root}");
    signal(&child, "-INT");
    assert!(ended(child).status.success(), "a graceful end is code 0");
}

/// Asks as soon as somebody listens.
fn get(port: u16, path: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("asked");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("answered");
            return answer;
        }
        assert!(Instant::now() < deadline, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
