//! Both Kafka clients on listeners with TLS and SASL of a real broker, from the same settings of Java's.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use couplet_api::Kind;
use couplet_api::config::Props;
use couplet_group::admin;
use couplet_group::membership::{Failure, Member};
use couplet_harness::services::secured::{Identity, PASSWORD, Secured, USER};
use couplet_harness::services::{BrokerSettings, KafkaBroker};
use couplet_kafka::clients::{Admin, ClientSettings};
use support::{PATIENCE, Worker, client, settings, start, tasks_after, unique};

/// What comes of settings: access, or an error of both clients with these words of the group's own client.
enum Want {
    Access,
    Denied(&'static str),
}

struct Row {
    claim: &'static str,
    props: Props,
    want: Want,
}

fn row(claim: &'static str, bootstrap: &str, settings: &[(&str, &str)], want: Want) -> Row {
    let mut props = Props::from_iter(settings.iter().copied());
    props.set("bootstrap.servers", bootstrap);
    Row { claim, props, want }
}

fn jaas(module: &str, user: &str, password: &str) -> String {
    format!("org.apache.kafka.common.security.{module} required username=\"{user}\" password=\"{password}\";")
}

const PLAIN: &str = "plain.PlainLoginModule";
const SCRAM: &str = "scram.ScramLoginModule";

fn sasl_rows(broker: &Secured) -> Vec<Row> {
    let mut rows = Vec::new();
    let trusted = broker.authority.as_str();
    for (mechanism, module) in [("PLAIN", PLAIN), ("SCRAM-SHA-256", SCRAM), ("SCRAM-SHA-512", SCRAM)] {
        for (claim, password, want) in [
            ("the right password opens", PASSWORD, Want::Access),
            ("a wrong password does not", "wr0ng", Want::Denied("sasl.jaas.config")),
        ] {
            let jaas = jaas(module, USER, password);
            let sasl = [("sasl.mechanism", mechanism), ("sasl.jaas.config", jaas.as_str())];
            let tls = [
                ("security.protocol", "SASL_SSL"),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.certificates", trusted),
            ];
            let within_tls: Vec<_> = sasl.into_iter().chain(tls).collect();
            match mechanism {
                "SCRAM-SHA-256" => {
                    let plain: Vec<_> = sasl.into_iter().chain([("security.protocol", "SASL_PLAINTEXT")]).collect();
                    rows.push(row(claim, &broker.sasl_plaintext, &plain, want));
                }
                _ => rows.push(row(claim, &broker.sasl_ssl, &within_tls, want)),
            }
        }
    }
    let token = "OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"alice\";";
    let oauth = [("sasl.mechanism", "OAUTHBEARER"), ("sasl.jaas.config", token)];
    let plain: Vec<_> = oauth.into_iter().chain([("security.protocol", "SASL_PLAINTEXT")]).collect();
    rows.push(row("a token without signature opens where they count", &broker.sasl_plaintext, &plain, Want::Access));
    let tls =
        [("security.protocol", "SASL_SSL"), ("ssl.truststore.type", "PEM"), ("ssl.truststore.certificates", trusted)];
    let refused: Vec<_> = oauth.into_iter().chain(tls).collect();
    rows.push(row(
        "a mechanism that is off is named",
        &broker.sasl_ssl,
        &refused,
        Want::Denied("sasl.mechanism=OAUTHBEARER"),
    ));
    rows
}

fn tls_rows(broker: &Secured, folder: &Path) -> Vec<Row> {
    let plain = jaas(PLAIN, USER, PASSWORD);
    let sasl = [("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", plain.as_str())];
    let (own, foreign) = (broker.authority.as_str(), broker.foreign_authority.as_str());
    let trust = |pem| [("ssl.truststore.type", "PEM"), ("ssl.truststore.certificates", pem)];
    let with = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        sasl.iter().chain(more).map(|(key, value)| (*key, (*value).to_owned())).collect()
    };
    let ip = broker.sasl_ssl.replace("localhost", "127.0.0.1");
    let unchecked = [trust(own).as_slice(), &[("ssl.endpoint.identification.algorithm", "")]].concat();
    let mut rows = Vec::new();
    for (claim, bootstrap, settings, want) in [
        ("a foreign authority is not trusted", &broker.sasl_ssl, with(&trust(foreign)), Want::Denied("ssl.truststore")),
        (
            "the certificate is for another name",
            &ip,
            with(&trust(own)),
            Want::Denied("ssl.endpoint.identification.algorithm"),
        ),
        ("names need not count", &ip, with(&unchecked), Want::Access),
    ] {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        rows.push(row(claim, bootstrap, &settings, want));
    }
    let mutual = |identity: Option<&Identity>| -> Vec<(&'static str, String)> {
        let mut all = vec![("security.protocol", "SSL".to_owned())];
        all.extend(trust(own).map(|(key, value)| (key, value.to_owned())));
        if let Some(identity) = identity {
            all.push(("ssl.keystore.type", "PEM".to_owned()));
            all.push(("ssl.keystore.key", identity.key.clone()));
            all.push(("ssl.keystore.certificate.chain", identity.certificate.clone()));
        }
        all
    };
    let stores = [("security.protocol", "SSL".to_owned())].into_iter().chain(java_stores(broker, folder)).collect();
    for (claim, settings, want) in [
        ("a client with a certificate is let in", mutual(Some(&broker.client)), Want::Access),
        ("stores of Java's formats do as well", stores, Want::Access),
        ("a client without certificate is not", mutual(None), Want::Denied("ssl.keystore")),
        ("nor one with a foreign certificate", mutual(Some(&broker.foreign_client)), Want::Denied("ssl.keystore")),
    ] {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        rows.push(row(claim, &broker.ssl, &settings, want));
    }
    rows
}

/// A JKS trust store and a PKCS#12 key store under the name JKS, made by Java's own tool.
fn java_stores(broker: &Secured, folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("written");
    let run = |program: &str, args: &[&str]| {
        let done = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            done.status.success(),
            "{program}: {}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
    };
    write("ca.pem", &broker.authority);
    write("client.pem", &format!("{}{}", broker.client.key, broker.client.certificate));
    let (trust, key) = (file("trust.jks"), file("key.p12"));
    run(
        "keytool",
        &[
            "-importcert",
            "-noprompt",
            "-alias",
            "ca",
            "-file",
            &file("ca.pem"),
            "-keystore",
            &trust,
            "-storetype",
            "JKS",
            "-storepass",
            "trust-secret",
        ],
    );
    run(
        "openssl",
        &[
            "pkcs12",
            "-export",
            "-in",
            &file("client.pem"),
            "-out",
            &key,
            "-passout",
            "pass:key-secret",
            "-name",
            "client",
        ],
    );
    vec![
        ("ssl.truststore.location", trust),
        ("ssl.truststore.password", "trust-secret".to_owned()),
        ("ssl.keystore.location", key),
        ("ssl.keystore.password", "key-secret".to_owned()),
    ]
}

async fn check(row: &Row) {
    let claim = row.claim;
    let ours = client(&row.props).nodes().await;
    let limit = match row.want {
        Want::Access => PATIENCE,
        Want::Denied(_) => Duration::from_secs(4),
    };
    let theirs =
        Admin::new(&ClientSettings::new(row.props.clone())).expect(claim).with_timeout(limit).cluster_id().await;
    match row.want {
        Want::Access => {
            assert_eq!(ours.unwrap_or_else(|failure| panic!("{claim}: {failure}")).len(), 1, "{claim}");
            theirs.unwrap_or_else(|error| panic!("{claim}: librdkafka: {error}"));
        }
        Want::Denied(word) => {
            let error = match ours.expect_err(claim) {
                Failure::Fatal(error) => error,
                Failure::Unavailable(why) => panic!("{claim}: it would be tried again and again: {why}"),
            };
            assert_eq!(error.kind(), Kind::Auth, "{claim}: {error}");
            let theirs = theirs.expect_err(claim);
            assert!(error.message().contains(word), "{claim}: {error}");
            for text in [error.message(), theirs.message()] {
                assert!(!text.contains("wr0ng") && !text.contains("PRIVATE KEY"), "{claim}: {text}");
            }
        }
    }
}

#[tokio::test]
async fn both_clients_are_let_in_or_told_why_not() {
    if couplet_harness::shared::service(couplet_harness::shared::BOOTSTRAP).is_none() {
        return;
    }
    let broker =
        KafkaBroker::start(BrokerSettings { secured: true, ..BrokerSettings::default() }).await.expect("a broker");
    let secured = broker.secured.clone().expect("asked for");
    let folder = tempfile::tempdir().expect("a folder");
    let rows: Vec<Row> = sasl_rows(&secured).into_iter().chain(tls_rows(&secured, folder.path())).collect();
    futures::future::join_all(rows.iter().map(check)).await;
    membership(&secured).await;
}

/// A worker joins by SASL_SSL, and by TLS with a certificate of its own.
async fn membership(broker: &Secured) {
    let jaas = jaas(SCRAM, USER, PASSWORD);
    let by_password = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.jaas.config", jaas.as_str()),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.certificates", broker.authority.as_str()),
    ];
    let by_certificate = [
        ("security.protocol", "SSL"),
        ("ssl.truststore.type", "PEM"),
        ("ssl.truststore.certificates", broker.authority.as_str()),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.key", broker.client.key.as_str()),
        ("ssl.keystore.certificate.chain", broker.client.certificate.as_str()),
    ];
    let group = unique("secured");
    let worker = [Worker::new(2), Worker::new(2)];
    let props = [settings(&broker.sasl_ssl, &group, &by_password), settings(&broker.ssl, &group, &by_certificate)];
    let mut members: Vec<Member> = Vec::new();
    for (props, worker) in props.iter().zip(&worker) {
        members.push(start(props, worker));
    }
    for worker in &worker {
        worker.until("one task each", |seen| tasks_after(seen, 0) == Some(1)).await;
    }
    admin::fence_producers(&client(&props[1]), &[unique("fenced")], PATIENCE).await.expect("fenced");
    for member in members {
        member.leave("the test is over").await;
    }
    // Refused credentials are the end of a membership, not a reason to try for ever.
    let wrong = jaas.replace(PASSWORD, "wr0ng");
    let mut refused = props[0].clone();
    refused.set("sasl.jaas.config", wrong);
    let mut member = start(&refused, &worker[0]);
    let ended = tokio::time::timeout(PATIENCE, member.ended()).await.expect("it ends");
    assert_eq!(ended.expect_err("refused").kind(), Kind::Auth);
}
