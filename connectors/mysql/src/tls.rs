//! `database.ssl.*` as TLS settings.

use std::sync::Arc;

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_mysql_wire::TlsMode;
use couplet_tls::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

/// A store's file and its password.
type Store = (String, Option<String>);

/// What `database.ssl.mode=mode` means, with the key store and the trust store.
///
/// # Errors
/// [`couplet_api::Kind::Config`] when a store cannot be used.
pub(crate) fn mode(mode: &str, key_store: Option<Store>, trust_store: Option<Store>) -> Result<TlsMode> {
    let (checks_authority, checks_name) = match mode {
        "disabled" | "disable" => return Ok(TlsMode::Disabled),
        "verify_ca" | "verify-ca" => (true, false),
        "verify_identity" | "verify-full" => (true, true),
        _ => (trust_store.is_some() && mode != "preferred", false),
    };
    let mut props = Props::new();
    for (kind, store) in [("keystore", key_store), ("truststore", trust_store)] {
        let Some((path, password)) = store else { continue };
        props.set(format!("ssl.{kind}.type"), store_type(&path));
        props.set(format!("ssl.{kind}.location"), path);
        if let Some(password) = password {
            props.set(format!("ssl.{kind}.password"), password);
        }
    }
    if !checks_name {
        props.set("ssl.endpoint.identification.algorithm", "");
    }
    let config = Tls::from_props(&props)?.client_config()?;
    let config = if checks_authority { config } else { trusting(&config) };
    Ok(if mode == "preferred" { TlsMode::Preferred(config) } else { TlsMode::Required(config) })
}

/// By the file's name: what Java tells from the content.
fn store_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("p12" | "pfx") => "PKCS12",
        Some("pem" | "crt" | "cer" | "key") => "PEM",
        _ => "JKS",
    }
}

/// `config` without the check of who the server is: what `preferred`, `required` and `trust` mean. Signatures are checked.
fn trusting(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    let provider = config.crypto_provider().clone();
    config.dangerous().set_certificate_verifier(Arc::new(Anyone(provider)));
    Arc::new(config)
}

/// Trusts whoever answers.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
