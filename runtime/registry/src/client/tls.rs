//! TLS from Kafka's `ssl.*` settings, for stores in PEM form.

use std::fs;
use std::sync::Arc;

use couplet_api::config::Password;
use couplet_api::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Kafka's `ssl.*` settings that a registry's client honours; files are PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// File with trusted certificates.
    pub truststore_location: Option<String>,
    /// Trusted certificates themselves.
    pub truststore_certificates: Option<Password>,
    /// File with our key and certificate chain.
    pub keystore_location: Option<String>,
    /// Our key itself.
    pub keystore_key: Option<Password>,
    /// Our certificate chain itself.
    pub keystore_chain: Option<Password>,
    /// Whether the server's name must be in its certificate.
    pub verify_hostname: bool,
}

impl TlsSettings {
    /// The client side of TLS.
    ///
    /// # Errors
    /// `Kind::Config` for files and texts that cannot be read, named by their key.
    pub(super) fn client_config(&self) -> Result<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = Arc::new(self.roots()?);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::config(format!("TLS cannot be used: {error}")))?;
        let builder = if self.verify_hostname {
            builder.with_root_certificates(roots)
        } else {
            let checked = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
            let checked = checked.map_err(|error| unreadable("ssl.truststore.location", &error.to_string()))?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(checked)))
        };
        match self.identity()? {
            None => Ok(builder.with_no_client_auth()),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unreadable("ssl.keystore.location", &error.to_string())),
        }
    }

    fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let pem = match (&self.truststore_certificates, &self.truststore_location) {
            (Some(text), _) => Some(("ssl.truststore.certificates", text.reveal().as_bytes().to_vec())),
            (None, Some(path)) => Some(("ssl.truststore.location", read("ssl.truststore.location", path)?)),
            (None, None) => None,
        };
        let Some((key, pem)) = pem else {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(roots);
        };
        for certificate in certificates(key, &pem)? {
            roots.add(certificate).map_err(|error| unreadable(key, &error.to_string()))?;
        }
        Ok(roots)
    }

    fn identity(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
        let (key_pem, chain_pem) = match (&self.keystore_key, &self.keystore_chain, &self.keystore_location) {
            (Some(key), Some(chain), _) => (key.reveal().as_bytes().to_vec(), chain.reveal().as_bytes().to_vec()),
            (None, None, Some(path)) => {
                let pem = read("ssl.keystore.location", path)?;
                (pem.clone(), pem)
            }
            (None, None, None) => return Ok(None),
            _ => {
                return Err(Error::config(
                    "ssl.keystore.key and ssl.keystore.certificate.chain must be given together",
                ));
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&key_pem)
            .map_err(|error| unreadable("ssl.keystore.key", &format!("no unencrypted private key: {error}")))?;
        Ok(Some((certificates("ssl.keystore.certificate.chain", &chain_pem)?, key)))
    }
}

fn read(key: &str, path: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| unreadable(key, &format!("{path}: {error}")))
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unreadable(key, "no certificate in PEM form")),
        Err(error) => Err(unreadable(key, &error.to_string())),
    }
}

fn unreadable(key: &str, problem: &str) -> Error {
    Error::config(format!("Invalid value for configuration schema.registry.{key}: {problem}"))
}

/// Checks everything about a server's certificate but the name in it.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
