//! Proofs that we know the password.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use couplet_api::Result;
use couplet_api::error::Error;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;

fn digest(algorithm: &'static aws_lc_rs::digest::Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().to_vec()
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

/// `mysql_native_password`: SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password))).
pub(crate) fn native(password: &str, nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let sha1 = |parts: &[&[u8]]| digest(&SHA1_FOR_LEGACY_USE_ONLY, parts);
    let once = sha1(&[password.as_bytes()]);
    let twice = sha1(&[&once]);
    xor(&once, &sha1(&[nonce, &twice]))
}

/// `caching_sha2_password`: SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce).
pub(crate) fn caching_sha2(password: &str, nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let sha256 = |parts: &[&[u8]]| digest(&SHA256, parts);
    let once = sha256(&[password.as_bytes()]);
    let twice = sha256(&[&once]);
    xor(&once, &sha256(&[&twice, nonce]))
}

/// The password for a server that does not have it cached, encrypted with the server's RSA key in `pem`.
///
/// # Errors
/// When the key cannot be used.
pub(crate) fn encrypted(password: &str, nonce: &[u8], pem: &[u8]) -> Result<Vec<u8>> {
    let mut text = password.as_bytes().to_vec();
    text.push(0);
    let masked: Vec<u8> = text.iter().zip(nonce.iter().cycle()).map(|(a, b)| a ^ b).collect();
    let unusable = |problem: String| Error::auth(format!("the server's public key cannot be used: {problem}"));
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|error| unusable(error.to_string()))?;
    let key = PublicEncryptingKey::from_der(&key).map_err(|error| unusable(error.to_string()))?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|error| unusable(error.to_string()))?;
    let mut out = vec![0; key.ciphertext_size()];
    let written =
        key.encrypt(&OAEP_SHA1_MGF1SHA1, &masked, &mut out, None).map_err(|error| unusable(error.to_string()))?.len();
    out.truncate(written);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_have_the_length_of_their_hash_and_depend_on_the_nonce() {
        let nonce = [7; 20];
        assert_eq!((native("secret", &nonce).len(), caching_sha2("secret", &nonce).len()), (20, 32));
        assert_ne!(native("secret", &nonce), native("secret", &[8; 20]));
        assert!(native("", &nonce).is_empty() && caching_sha2("", &nonce).is_empty());
    }
}
