//! TLS settings from `database.ssl*`.

use std::sync::Arc;

use couplet_api::error::Error;
use couplet_api::{Kind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::{ConnectionConfig, SslMode};

/// The client's TLS settings for `config`.
///
/// # Errors
/// [`Kind::Config`] naming the key whose file cannot be used.
pub(super) fn client_config(config: &ConnectionConfig) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = verifier(config, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::bug(format!("TLS versions: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let (Some(cert), Some(key)) = (&config.ssl_cert, &config.ssl_key) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates("database.sslcert", cert)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable("database.sslkey", key, &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unusable("database.sslcert", cert, &error))
}

fn verifier(config: &ConnectionConfig, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let trusting = |authority| -> Arc<dyn ServerCertVerifier> {
        Arc::new(Trusting { provider: provider.clone(), authority, check_name: config.ssl == SslMode::VerifyFull })
    };
    let Some(file) = &config.ssl_root_cert else {
        return match config.ssl {
            SslMode::VerifyCa | SslMode::VerifyFull => Err(Error::config(
                "database.sslmode verify-ca and verify-full need database.sslrootcert, a PEM file of trusted authorities",
            )),
            _ => Ok(trusting(None)),
        };
    };
    if matches!(config.ssl, SslMode::Disable | SslMode::Prefer) {
        return Ok(trusting(None));
    }
    // As libpq: with authorities given, `require` checks them like `verify-ca`.
    let trusted = certificates("database.sslrootcert", file)?;
    let mut roots = RootCertStore::empty();
    for certificate in &trusted {
        roots.add(certificate.clone()).map_err(|error| unusable("database.sslrootcert", file, &error))?;
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| unusable("database.sslrootcert", file, &error))?;
    Ok(trusting(Some(Authority { trusted, chain })))
}

fn certificates(key: &str, file: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file).and_then(Iterator::collect).map_err(|error| unusable(key, file, &error))
}

fn unusable(key: &str, file: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Config, format!("{key}: {file} cannot be used: {error}"))
}

/// Whom to trust.
#[derive(Debug)]
struct Authority {
    trusted: Vec<CertificateDer<'static>>,
    chain: Arc<WebPkiServerVerifier>,
}

/// Checks what `database.sslmode` asks for: nothing, the chain of authorities, or that and the name. Signatures are
/// always checked. Unlike WebPKI, a server may show a trusted certificate itself, as self-signed servers do.
#[derive(Debug)]
struct Trusting {
    provider: Arc<CryptoProvider>,
    authority: Option<Authority>,
    check_name: bool,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(Authority { trusted, chain }) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        if !trusted.iter().any(|certificate| certificate == end_entity) {
            match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
                Err(rustls::Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) if !self.check_name => {}
                other => return other,
            }
        } else if self.check_name {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
