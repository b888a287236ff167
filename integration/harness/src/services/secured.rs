//! Listeners with TLS and SASL for a broker under test, certificates made on the spot.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::free_port;

/// The user that every SASL mechanism knows.
pub const USER: &str = "alice";
/// Its password.
pub const PASSWORD: &str = "alice-secret";

/// A certificate authority.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        Ok(Authority { pem: params.self_signed(&key)?.pem(), issuer: Issuer::new(params, key) })
    }

    /// Private key and certificate for `name`.
    fn sign(&self, name: &str) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(Identity { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }
}

/// A private key with its certificate, both PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The key (PKCS#8).
    pub key: String,
    /// The certificate.
    pub certificate: String,
}

/// What clients of a secured broker need: where it listens, whom to trust, who they are.
#[derive(Debug, Clone)]
pub struct Secured {
    /// SASL without TLS: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with tokens that nobody signed.
    pub sasl_plaintext: String,
    /// SASL within TLS: PLAIN and SCRAM. The certificate is for `localhost`.
    pub sasl_ssl: String,
    /// TLS that asks clients for certificates.
    pub ssl: String,
    /// Certificate of the authority that signed the broker's certificate, PEM.
    pub authority: String,
    /// Certificate of an authority that signed nothing here.
    pub foreign_authority: String,
    /// A client that the broker knows.
    pub client: Identity,
    /// A client whose certificate comes from the foreign authority.
    pub foreign_client: Identity,
}

/// Lines for `server.properties`, and arguments for the formatting of its folder.
pub(super) struct Extras {
    pub(super) listeners: String,
    pub(super) advertised: String,
    pub(super) protocols: &'static str,
    pub(super) properties: String,
    pub(super) format_args: Vec<String>,
}

/// Makes certificates in `folder` and the settings that use them.
pub(super) fn prepare(folder: &Path) -> Result<(Secured, Extras)> {
    let (authority, foreign) = (Authority::new("couplet test CA")?, Authority::new("foreign CA")?);
    let broker = authority.sign("localhost")?;
    let keystore = write(folder, "broker.pem", &format!("{}{}", broker.key, broker.certificate))?;
    let truststore = write(folder, "ca.pem", &authority.pem)?;
    let ports = [free_port()?, free_port()?, free_port()?];
    let listener = |name: &str, host: &str, port: u16| format!(",{name}://{host}:{port}");
    let on = |hosts: [&str; 3]| {
        let names = ["SASL_PLAINTEXT", "SASL_SSL", "SSL"];
        names.iter().zip(hosts).zip(ports).map(|((name, host), port)| listener(name, host, port)).collect::<String>()
    };
    let extras = Extras {
        listeners: on(["127.0.0.1"; 3]),
        advertised: on(["127.0.0.1", "localhost", "localhost"]),
        protocols: ",SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        properties: properties(&keystore, &truststore)?,
        format_args: ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .into_iter()
            .flat_map(|mechanism| ["--add-scram".to_owned(), format!("{mechanism}=[name={USER},password={PASSWORD}]")])
            .collect(),
    };
    let secured = Secured {
        sasl_plaintext: format!("127.0.0.1:{}", ports[0]),
        sasl_ssl: format!("localhost:{}", ports[1]),
        ssl: format!("localhost:{}", ports[2]),
        client: authority.sign("client")?,
        foreign_client: foreign.sign("client")?,
        authority: authority.pem,
        foreign_authority: foreign.pem,
    };
    Ok((secured, extras))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn properties(keystore: &Path, truststore: &Path) -> Result<String> {
    const SECURITY: &str = "org.apache.kafka.common.security";
    let mut text = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         listener.name.ssl.ssl.client.auth=required\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
         listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512\n",
        keystore.display(),
        truststore.display()
    );
    for listener in ["sasl_plaintext", "sasl_ssl"] {
        let key = |mechanism: &str| format!("listener.name.{listener}.{mechanism}.sasl.jaas.config");
        let plain = format!("{SECURITY}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";");
        writeln!(text, "{}={plain}", key("plain"))?;
        for scram in ["scram-sha-256", "scram-sha-512"] {
            writeln!(text, "{}={SECURITY}.scram.ScramLoginModule required;", key(scram))?;
        }
    }
    let token = "required unsecuredLoginStringClaim_sub=\"broker\";";
    let key = "listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config";
    writeln!(text, "{key}={SECURITY}.oauthbearer.OAuthBearerLoginModule {token}")?;
    Ok(text)
}
