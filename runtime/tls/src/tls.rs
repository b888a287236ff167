//! Settings and stores together, and what is made of them.

use std::fmt;
use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use pkcs8::LineEnding;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::settings::{self, ClientAuth, given, refuse};
use crate::stores::{self, Identity};
use crate::verifier::JavaLike;

/// What `ssl.*` settings say, with all stores read. `Debug` shows no secret.
pub struct Tls {
    identity: Option<Identity>,
    trusted: Option<Vec<CertificateDer<'static>>>,
    provider: Arc<CryptoProvider>,
    versions: Vec<&'static SupportedProtocolVersion>,
    checks_name: bool,
}

impl Tls {
    /// Reads the `ssl.*` settings of `props` (without any prefix before `ssl.`) and the stores they name. Reads files: call it
    /// where a client or server is made, not per request.
    ///
    /// # Errors
    /// `Kind::Config` that names the key, what is wrong with its value, and never a secret.
    pub fn from_props(props: &Props) -> Result<Self> {
        const ENGINE: &str = "ssl.engine.factory.class";
        if let Some(class) = given(props, ENGINE) {
            return Err(refuse(ENGINE, class, "a class of Java cannot be loaded; remove it"));
        }
        const IDENTIFICATION: &str = "ssl.endpoint.identification.algorithm";
        let checks_name = match props.get(IDENTIFICATION).map(str::trim) {
            None => true,
            Some("") => false,
            Some(word) if word.eq_ignore_ascii_case("https") => true,
            Some(other) => return Err(refuse(IDENTIFICATION, other, "it is https, or empty to check no host name")),
        };
        Ok(Tls {
            identity: stores::identity(props)?,
            trusted: stores::trusted(props)?,
            provider: settings::provider(props)?,
            versions: settings::versions(props)?,
            checks_name,
        })
    }

    /// For a client: trusts the trust store, or the machine's certificates without one, and shows its own certificate if asked.
    ///
    /// # Errors
    /// `Kind::Config` when the stores hold nothing that TLS can use.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>> {
        let (roots, trusted) = match &self.trusted {
            Some(trusted) => (self.roots(trusted)?, trusted.clone()),
            None => (machine_roots(), Vec::new()),
        };
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let chain = chain.map_err(|error| refuse("ssl.truststore.location", "", &error.to_string()))?;
        let verifier = Arc::new(JavaLike { chain, trusted, checks_name: self.checks_name });
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.versions)
            .map_err(|error| unusable(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            Some(Identity { key, chain }) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .map_err(|error| refuse("ssl.keystore.location", "", &error.to_string()))?,
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    /// For a server, which needs a key store; and a trust store when it asks clients for certificates.
    ///
    /// # Errors
    /// `Kind::Config` when either is missing or of no use.
    pub fn server_config(&self, client_auth: ClientAuth) -> Result<Arc<ServerConfig>> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&self.versions)
            .map_err(|error| unusable(&error))?;
        let builder = match client_auth {
            ClientAuth::None => builder.with_no_client_auth(),
            ClientAuth::Requested | ClientAuth::Required => {
                let roots = match &self.trusted {
                    Some(trusted) => self.roots(trusted)?,
                    None => machine_roots(),
                };
                let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), self.provider.clone());
                if client_auth == ClientAuth::Requested {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier.build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| refuse("ssl.truststore.location", "", &error.to_string()))?,
                )
            }
        };
        let Some(Identity { key, chain }) = &self.identity else {
            return Err(Error::config(
                "Missing required configuration \"ssl.keystore.location\": a server needs a private key and a certificate",
            ));
        };
        let config = builder.with_single_cert(chain.clone(), key.clone_key());
        config.map(Arc::new).map_err(|error| refuse("ssl.keystore.location", "", &error.to_string()))
    }

    /// Private key and certificates as PEM, for libraries that take those; `None` without a key store. The key is a secret.
    pub fn identity_pem(&self) -> Option<(String, String)> {
        let Identity { key, chain } = self.identity.as_ref()?;
        let label = match key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        Some((pem(label, key.secret_der()), chain.iter().map(|cert| pem("CERTIFICATE", cert)).collect()))
    }

    /// The trusted certificates as PEM; `None` without a trust store.
    pub fn trusted_pem(&self) -> Option<String> {
        let trusted = self.trusted.as_ref()?;
        Some(trusted.iter().map(|cert| pem("CERTIFICATE", cert)).collect())
    }

    /// Whether the name in the server's certificate counts.
    pub fn checks_name(&self) -> bool {
        self.checks_name
    }

    fn roots(&self, trusted: &[CertificateDer<'static>]) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for (at, certificate) in trusted.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|error| {
                refuse(
                    "ssl.truststore.location",
                    "",
                    &format!("certificate {} in it cannot be trusted: {error}", at + 1),
                )
            })?;
        }
        Ok(roots)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificates", &self.identity.as_ref().map(|identity| identity.chain.len()))
            .field("trusted", &self.trusted.as_ref().map(Vec::len))
            .field("checks_name", &self.checks_name)
            .finish_non_exhaustive()
    }
}

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn unusable(error: &rustls::Error) -> Error {
    Error::config(format!(
        "Invalid value for configuration ssl.cipher.suites: it does not fit ssl.enabled.protocols: {error}"
    ))
}

fn pem(label: &str, der: &[u8]) -> String {
    pkcs8::der::pem::encode_string(label, LineEnding::LF, der).expect("the text of a certificate fits into memory")
}
