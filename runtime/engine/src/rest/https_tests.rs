//! The server over real sockets with TLS: who gets in, who does not, and that nobody waits for those who do not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couplet_api::config::Props;
use couplet_api::spawn::{TaskKind, spawn};
use couplet_tls::Tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::fake_herder::{FakeHerder, state};
use super::server::RestServer;

const REQUEST: &[u8] = b"GET /connectors/src/topics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const CREATE: &[u8] = b"PUT /connectors/new/config HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// A certificate authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signs").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// `ssl.` settings of one who has a certificate for `name` and trusts this authority.
    fn member(&self, name: &str) -> Props {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs").pem();
        let mut props = self.visitor();
        props.set("ssl.keystore.type", "PEM");
        props.set("ssl.keystore.key", key.serialize_pem());
        props.set("ssl.keystore.certificate.chain", certificate);
        props
    }

    /// `ssl.` settings of one who trusts this authority only.
    fn visitor(&self) -> Props {
        Props::from_iter([("ssl.truststore.type", "PEM"), ("ssl.truststore.certificates", &self.pem)])
    }
}

/// A server with `settings`, stopped when the token is dropped.
async fn serve(settings: &[(&str, &str)]) -> (Vec<SocketAddr>, String, tokio_util::sync::DropGuard) {
    let state = state(Arc::new(FakeHerder::new()), settings);
    let server = RestServer::bind(&state.config).await.expect("listens");
    let (addresses, url) = (server.addresses(), server.advertised_url());
    let stop = CancellationToken::new();
    spawn(TaskKind::Rest, server.serve(state, stop.clone()));
    (addresses, url, stop.drop_guard())
}

/// What the server says to `request`; an error as text when it does not get that far.
async fn ask(address: SocketAddr, settings: &Props, request: &[u8]) -> Result<String, String> {
    let tls = Tls::from_props(settings).and_then(|tls| tls.client_config()).map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|error| error.to_string())?;
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer).await {
        Err(error) if answer.is_empty() => Err(error.to_string()),
        _ => Ok(answer),
    }
}

#[tokio::test]
async fn https_and_http_listeners_answer_side_by_side() {
    let authority = Authority::new();
    let keys = authority.member("localhost");
    let setting = |key: &str| keys.get(key).expect("set").to_owned();
    let (key, chain) = (setting("ssl.keystore.key"), setting("ssl.keystore.certificate.chain"));
    let (addresses, url, _stop) = serve(&[
        ("listeners", "https://localhost:0,http://127.0.0.1:0"),
        ("listeners.https.ssl.keystore.type", "PEM"),
        ("listeners.https.ssl.keystore.key", &key),
        ("listeners.https.ssl.keystore.certificate.chain", &chain),
        ("rest.advertised.listener", "https"),
    ])
    .await;
    assert_eq!(url, format!("https://localhost:{}/", addresses[0].port()));
    let answer = ask(addresses[0], &authority.visitor(), REQUEST).await.expect("answers");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(r#"{"src":{"topics":["t"]}}"#), "{answer}");
    let answer = ask(addresses[0], &authority.visitor(), CREATE).await.expect("answers");
    assert!(answer.contains("location: https://h:1/connectors/new"), "{answer}");

    let mut plain = TcpStream::connect(addresses[1]).await.expect("connects");
    plain.write_all(REQUEST).await.expect("writes");
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.expect("answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let stranger = ask(addresses[0], &Authority::new().visitor(), REQUEST).await;
    assert!(
        stranger.is_err_and(|error| error.contains("invalid peer certificate")),
        "who does not trust it does not talk to it"
    );
}

#[tokio::test]
async fn only_known_clients_get_in_where_certificates_are_required() {
    let authority = Authority::new();
    let mut keys = authority.member("localhost");
    keys.set("ssl.client.auth", "required");
    let settings: Vec<(&str, &str)> = keys.iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let (addresses, url, _stop) = serve(&[&[("listeners", "https://127.0.0.1:0")], &settings[..]].concat()).await;
    assert_eq!(url, format!("https://{}/", addresses[0]));
    let known = ask(addresses[0], &authority.member("me"), REQUEST).await.expect("answers");
    assert!(known.starts_with("HTTP/1.1 200"), "{known}");
    let nobody = ask(addresses[0], &authority.visitor(), REQUEST).await.expect_err("no certificate");
    assert!(nobody.contains("CertificateRequired"), "{nobody}");
    let mut forged = Authority::new().member("me");
    forged.set("ssl.truststore.certificates", authority.pem.clone());
    let forged = ask(addresses[0], &forged, REQUEST).await.expect_err("another authority's certificate");
    assert!(forged.contains("alert"), "{forged}");
}

#[tokio::test]
async fn who_never_shakes_hands_holds_up_nobody() {
    let authority = Authority::new();
    let keys = authority.member("localhost");
    let settings: Vec<(&str, &str)> = keys.iter().filter_map(|(key, value)| Some((key, value?))).collect();
    let (addresses, _, _stop) = serve(&[&[("listeners", "https://127.0.0.1:0")], &settings[..]].concat()).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(addresses[0]).await.expect("connects"));
    }
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(addresses[0], &authority.visitor(), REQUEST)).await;
    assert!(answer.expect("in time").expect("answers").starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_listener_without_a_certificate_is_refused_by_key() {
    let rows = [
        (vec![("listeners", "https://127.0.0.1:0")], "ssl.keystore.location"),
        (vec![("listeners", "https://127.0.0.1:0"), ("listeners.https.ssl.keystore.location", "/no")], "/no"),
        (vec![("listeners", "gopher://127.0.0.1:0")], "http or https"),
        (vec![("rest.advertised.listener", "ftp")], "rest.advertised.listener"),
    ];
    for (settings, part) in rows {
        let error = RestServer::bind(&state(Arc::new(FakeHerder::new()), &settings).config).await.err();
        let error = error.expect(part).to_string();
        assert!(error.contains(part), "{error}");
    }
}
