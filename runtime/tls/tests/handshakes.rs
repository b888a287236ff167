//! Real handshakes between clients and servers that read their settings from stores of every kind, Java's own among them.

use std::path::{Path, PathBuf};
use std::process::Command;

use couplet_api::config::Props;
use couplet_tls::{ClientAuth, Tls};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A certificate authority and what it signs, as PEM.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("signs").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// Key and certificate for `name`.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (key.serialize_pem(), params.signed_by(&key, &self.issuer).expect("signs").pem())
    }
}

fn inline(identity: Option<&(String, String)>, trusted: Option<&str>) -> Props {
    let mut props = Props::new();
    if let Some((key, chain)) = identity {
        props.set("ssl.keystore.type", "PEM");
        props.set("ssl.keystore.key", key);
        props.set("ssl.keystore.certificate.chain", chain);
    }
    if let Some(trusted) = trusted {
        props.set("ssl.truststore.type", "PEM");
        props.set("ssl.truststore.certificates", trusted);
    }
    props
}

/// Shakes hands over a pipe and sends a byte each way; or what either side has to say against it.
async fn meet(server: &Props, auth: ClientAuth, client: &Props, name: &'static str) -> Result<(), String> {
    let server = Tls::from_props(server).and_then(|tls| tls.server_config(auth)).map_err(|e| e.to_string())?;
    let client = Tls::from_props(client).and_then(|tls| tls.client_config()).map_err(|e| e.to_string())?;
    let (near, far) = duplex(64 * 1024);
    let serve = async {
        let mut stream = TlsAcceptor::from(server).accept(far).await.map_err(|e| format!("server: {e}"))?;
        let byte = stream.read_u8().await.map_err(|e| format!("server: {e}"))?;
        stream.write_u8(byte).await.map_err(|e| format!("server: {e}"))
    };
    let ask = async {
        let name = ServerName::try_from(name).expect("a name");
        let mut stream = TlsConnector::from(client).connect(name, near).await.map_err(|e| format!("client: {e}"))?;
        stream.write_u8(7).await.map_err(|e| format!("client: {e}"))?;
        stream.read_u8().await.map(|_| ()).map_err(|e| format!("client: {e}"))
    };
    let (served, asked) = tokio::join!(serve, ask);
    match (served, asked) {
        (Ok(()), Ok(())) => Ok(()),
        (served, asked) => Err([served, asked].into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; ")),
    }
}

#[tokio::test]
async fn chains_names_and_client_certificates_count() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = inline(Some(&ours.sign("localhost")), Some(&ours.pem));
    let member = ours.sign("member");
    let stranger = theirs.sign("stranger");
    let mut nameless = inline(None, Some(&ours.pem));
    nameless.set("ssl.endpoint.identification.algorithm", "");
    let mut old = inline(None, Some(&ours.pem));
    old.set("ssl.enabled.protocols", "TLSv1.2");
    let anyone = inline(None, Some(&ours.pem));
    let rows: Vec<(&str, ClientAuth, Props, &'static str, Option<&str>)> = vec![
        ("plain", ClientAuth::None, anyone.clone(), "localhost", None),
        ("TLS 1.2", ClientAuth::None, old, "localhost", None),
        ("wrong name", ClientAuth::None, anyone.clone(), "example.org", Some("not valid for name")),
        ("wrong name, unchecked", ClientAuth::None, nameless.clone(), "example.org", None),
        ("unknown issuer", ClientAuth::None, inline(None, Some(&theirs.pem)), "localhost", Some("UnknownIssuer")),
        ("the machine's issuers", ClientAuth::None, Props::new(), "localhost", Some("UnknownIssuer")),
        ("mutual", ClientAuth::Required, inline(Some(&member), Some(&ours.pem)), "localhost", None),
        ("mutual, none", ClientAuth::Required, anyone.clone(), "localhost", Some("no certificates")),
        ("asked, none", ClientAuth::Requested, anyone, "localhost", None),
        (
            "mutual, stranger",
            ClientAuth::Required,
            inline(Some(&stranger), Some(&ours.pem)),
            "localhost",
            Some("UnknownIssuer"),
        ),
        (
            "asked, stranger",
            ClientAuth::Requested,
            inline(Some(&stranger), Some(&ours.pem)),
            "localhost",
            Some("UnknownIssuer"),
        ),
    ];
    for (case, auth, client, name, problem) in rows {
        match (meet(&server, auth, &client, name).await, problem) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) => assert!(error.contains(part), "{case}: {error}"),
            (got, want) => panic!("{case}: {got:?} instead of {want:?}"),
        }
    }
}

#[tokio::test]
async fn a_trusted_certificate_needs_no_chain() {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    // As many people make them by hand: an authority that is its own server.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("signs").pem();
    let server = inline(Some(&(key.serialize_pem(), pem.clone())), None);
    let client = inline(None, Some(&pem));
    assert_eq!(meet(&server, ClientAuth::None, &client, "localhost").await, Ok(()));
    let wrong = meet(&server, ClientAuth::None, &client, "example.org").await.expect_err("another name");
    assert!(wrong.contains("not valid for name"), "{wrong}");
}

/// Runs Java's `keytool`; false when this machine has none and does not need one.
fn keytool(arguments: &[&str]) -> bool {
    match Command::new("keytool").args(arguments).output() {
        Ok(done) => {
            assert!(done.status.success(), "keytool {arguments:?}: {}", String::from_utf8_lossy(&done.stdout));
            true
        }
        Err(_) if std::env::var_os("COUPLET_REQUIRE_SERVICES").is_none() => false,
        Err(error) => panic!("keytool, which comes with Java, is needed for this test: {error}"),
    }
}

fn file_store(what: &str, kind: &str, file: &Path, password: &str) -> Props {
    let file = file.to_str().expect("a path").to_owned();
    let prefix = format!("ssl.{what}store");
    Props::from_iter([
        (format!("{prefix}.type"), kind.to_owned()),
        (format!("{prefix}.location"), file),
        (format!("{prefix}.password"), password.to_owned()),
    ])
}

#[tokio::test]
async fn stores_made_by_java_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    for (kind, key_password) in [("JKS", "key-secret"), ("PKCS12", "store-secret")] {
        let (keys, trust, cert): (PathBuf, PathBuf, PathBuf) =
            (file(&format!("{kind}.keys")), file(&format!("{kind}.trust")), file("cert"));
        let (keys_at, trust_at, cert_at) =
            (keys.to_str().expect("a path"), trust.to_str().expect("a path"), cert.to_str().expect("a path"));
        let store = ["-storetype", kind, "-storepass", "store-secret"];
        let made = keytool(
            &[
                &["-genkeypair", "-alias", "server", "-keyalg", "RSA", "-keystore", keys_at, "-keypass", key_password]
                    [..],
                &["-dname", "CN=localhost", "-ext", "SAN=dns:localhost", "-validity", "30"],
                &store,
            ]
            .concat(),
        );
        if !made {
            println!("skipped: there is no keytool on this machine");
            return;
        }
        keytool(&[&["-exportcert", "-alias", "server", "-keystore", keys_at, "-file", cert_at][..], &store].concat());
        keytool(
            &[&["-importcert", "-noprompt", "-alias", "ca", "-keystore", trust_at, "-file", cert_at][..], &store]
                .concat(),
        );

        let mut server = file_store("key", kind, &keys, "store-secret");
        server.set("ssl.key.password", key_password);
        let client = file_store("trust", kind, &trust, "store-secret");
        assert_eq!(meet(&server, ClientAuth::None, &client, "localhost").await, Ok(()), "{kind}");

        // Written out as PEM, they mean the same.
        let identity = Tls::from_props(&server).expect("reads").identity_pem().expect("has a key");
        let trusted = Tls::from_props(&client).expect("reads").trusted_pem().expect("has certificates");
        let met =
            meet(&inline(Some(&identity), None), ClientAuth::None, &inline(None, Some(&trusted)), "localhost").await;
        assert_eq!(met, Ok(()), "{kind} as PEM");

        let wrong = file_store("trust", kind, &trust, "wrong-secret");
        let error = Tls::from_props(&wrong).expect_err("a wrong password").to_string();
        assert!(error.contains("ssl.truststore.location") && !error.contains("wrong-secret"), "{error}");
    }
}

#[test]
fn what_is_wrong_is_named_without_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing").expect("writes");
    let empty = empty.to_str().expect("a path");
    let rows: &[(&[(&str, &str)], &str)] = &[
        (&[("ssl.keystore.location", "/nowhere"), ("ssl.keystore.password", "s3cret")], "ssl.keystore.location"),
        (&[("ssl.keystore.location", empty)], "ssl.keystore.password"),
        (&[("ssl.keystore.location", empty), ("ssl.keystore.type", "PEM")], "no private key"),
        (&[("ssl.keystore.location", empty), ("ssl.keystore.type", "DKS")], "ssl.keystore.type"),
        (&[("ssl.keystore.location", empty), ("ssl.keystore.password", "s3cret")], "cannot be opened"),
        (&[("ssl.truststore.location", empty), ("ssl.truststore.type", "PEM")], "no certificate"),
        (&[("ssl.truststore.certificates", "s3cret")], "ssl.truststore.certificates"),
        (&[("ssl.keystore.key", "s3cret")], "ssl.keystore.certificate.chain"),
        (&[("ssl.keystore.key", "s3cret"), ("ssl.keystore.certificate.chain", "x")], "no private key"),
        (&[("ssl.engine.factory.class", "com.acme.Engine")], "ssl.engine.factory.class"),
        (&[("ssl.endpoint.identification.algorithm", "ldap")], "ssl.endpoint.identification.algorithm"),
    ];
    for (settings, part) in rows {
        let error = Tls::from_props(&Props::from_iter(settings.iter().copied())).expect_err(part).to_string();
        assert!(error.contains(part) && !error.contains("s3cret"), "{part}: {error}");
    }
    let error = Tls::from_props(&Props::new()).expect("no settings").server_config(ClientAuth::None);
    assert!(error.expect_err("a server without a key").to_string().contains("ssl.keystore.location"));
}

#[test]
fn encrypted_keys_in_pem_are_opened() {
    // Made by `openssl pkcs8 -topk8 -v2 aes-256-cbc`, password `opensesame`.
    let folder = tempfile::tempdir().expect("a folder");
    let plain = folder.path().join("key.pem");
    let (key, chain) = Authority::new("ca").sign("localhost");
    std::fs::write(&plain, key).expect("writes");
    let encrypt = ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:opensesame", "-in"];
    let done = match Command::new("openssl").args(encrypt).arg(&plain).output() {
        Ok(done) => done,
        Err(error) if std::env::var_os("COUPLET_REQUIRE_SERVICES").is_some() => panic!("openssl is needed: {error}"),
        Err(_) => return println!("skipped: there is no openssl on this machine"),
    };
    let encrypted = String::from_utf8(done.stdout).expect("PEM");
    assert!(encrypted.contains("ENCRYPTED PRIVATE KEY"), "{}", String::from_utf8_lossy(&done.stderr));
    let mut props = inline(Some(&(encrypted, chain)), None);
    let error = Tls::from_props(&props).expect_err("no password").to_string();
    assert!(error.contains("ssl.key.password"), "{error}");
    props.set("ssl.key.password", "wrong");
    assert!(Tls::from_props(&props).expect_err("wrong password").to_string().contains("ssl.key.password"));
    props.set("ssl.key.password", "opensesame");
    Tls::from_props(&props).expect("opens").server_config(ClientAuth::None).expect("serves");
}
