//! Signatures on requests between workers: an HMAC of the body under the session key.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::config::Props;
use couplet_api::{Error, Result, config_def};

use crate::storage::config_store::SessionKey;

/// Header with the signature, in base64.
pub const SIGNATURE_HEADER: &str = "x-connect-authorization";
/// Header with the algorithm it was made with.
pub const ALGORITHM_HEADER: &str = "x-connect-request-signature-algorithm";

config_def! {
    /// How requests between workers are signed.
    struct SignatureConfig {
        /// Algorithm this worker signs with.
        sign: Str = "inter.worker.signature.algorithm", Low, default "HmacSHA256";
        /// Algorithms this worker accepts.
        accept: List = "inter.worker.verification.algorithms", Low, default "HmacSHA256";
    }
}

/// Signs, and says which signatures count.
#[derive(Debug, Clone)]
pub struct Signatures {
    sign: String,
    accept: Vec<String>,
}

impl Signatures {
    /// Reads the worker's settings.
    ///
    /// # Errors
    /// `Kind::Config` for algorithms that are not there, and for one that this worker would not accept itself.
    pub fn from_props(props: &Props) -> Result<Self> {
        const ACCEPT: &str = "inter.worker.verification.algorithms";
        let config = SignatureConfig::parse(props)?;
        let refuse = |key: &str, value: &str, why: &str| {
            Error::config(format!("Invalid value {value} for configuration {key}: {why}"))
        };
        for name in &config.accept {
            if algorithm(name).is_none() {
                let why = "it must be one of HmacSHA1, HmacSHA224, HmacSHA256, HmacSHA384, HmacSHA512";
                return Err(refuse(ACCEPT, name, why));
            }
        }
        if !config.accept.contains(&config.sign) {
            let why = format!("Signature algorithm must be present in {ACCEPT} list");
            return Err(refuse("inter.worker.signature.algorithm", &config.sign, &why));
        }
        Ok(Signatures { sign: config.sign, accept: config.accept })
    }

    /// The algorithm this worker signs with.
    pub fn signs_with(&self) -> &str {
        &self.sign
    }

    /// Whether signatures made with `name` count.
    pub fn accepts(&self, name: &str) -> bool {
        self.accept.iter().any(|accepted| accepted == name)
    }

    /// What this worker accepts, as Java prints lists.
    pub fn accepted(&self) -> String {
        format!("[{}]", self.accept.join(", "))
    }

    /// The signature of `body`, in base64.
    pub fn sign(&self, key: &SessionKey, body: &[u8]) -> String {
        let signature = algorithm(&self.sign).map(|found| hmac::sign(&hmac::Key::new(found, &key.key), body));
        signature.map(|tag| STANDARD.encode(tag.as_ref())).unwrap_or_default()
    }

    /// Whether `signature` is that of `body`; takes the same time wherever they differ.
    pub fn is_valid(&self, name: &str, key: &SessionKey, body: &[u8], signature: &[u8]) -> bool {
        algorithm(name).is_some_and(|found| hmac::verify(&hmac::Key::new(found, &key.key), body, signature).is_ok())
    }
}

/// Java's names of the algorithms there are.
fn algorithm(name: &str) -> Option<hmac::Algorithm> {
    let known = [
        ("HmacSHA1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        ("HmacSHA224", hmac::HMAC_SHA224),
        ("HmacSHA256", hmac::HMAC_SHA256),
        ("HmacSHA384", hmac::HMAC_SHA384),
        ("HmacSHA512", hmac::HMAC_SHA512),
    ];
    known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn key(bytes: &'static [u8]) -> SessionKey {
        SessionKey { key: Bytes::from_static(bytes), algorithm: "HmacSHA256".to_owned(), created_ms: 0 }
    }

    /// RFC 4231, test case 2.
    #[test]
    fn signatures_are_hmacs() {
        let signatures = Signatures::from_props(&Props::new()).expect("defaults");
        let (key, body) = (key(b"Jefe"), b"what do ya want for nothing?");
        let signed = STANDARD.decode(signatures.sign(&key, body)).expect("base64");
        assert_eq!(signed[..6], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60]);
        assert!(signatures.is_valid("HmacSHA256", &key, body, &signed));
        assert!(!signatures.is_valid("HmacSHA256", &key, b"something else", &signed));
        assert!(!signatures.is_valid("HmacSHA512", &key, body, &signed));
    }

    #[test]
    fn settings_must_be_usable_by_the_group() {
        type Row = (&'static [(&'static str, &'static str)], Option<&'static str>);
        let rows: [Row; 4] = [
            (&[], None),
            (&[("inter.worker.signature.algorithm", "HmacSHA512")], Some("must be present in")),
            (&[("inter.worker.verification.algorithms", "HmacSHA256,Rot13")], Some("Rot13")),
            (
                &[
                    ("inter.worker.signature.algorithm", "HmacSHA512"),
                    ("inter.worker.verification.algorithms", "HmacSHA256,HmacSHA512"),
                ],
                None,
            ),
        ];
        for (settings, want) in rows {
            let got = Signatures::from_props(&settings.iter().copied().collect()).map_err(|e| e.message().to_owned());
            match want {
                None => assert!(got.is_ok(), "{settings:?}: {got:?}"),
                Some(part) => assert!(got.as_ref().is_err_and(|m| m.contains(part)), "{settings:?}: {got:?}"),
            }
        }
    }
}
