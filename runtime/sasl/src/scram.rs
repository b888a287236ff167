//! The client's side of SCRAM (RFC 5802, RFC 7677), as Kafka uses it: no channel binding, no stringprep.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::credentials::ScramHash;

/// Fewer would make passwords cheap to guess from what the wire shows (`ScramMechanism.minIterations`).
const ITERATIONS_MIN: u32 = 4_096;
/// More would let a server keep a client busy for hours.
const ITERATIONS_MAX: u32 = 10_000_000;

/// No binding to a channel, base64 of it in the last message.
const HEADER: &str = "n,,";

struct Algorithms {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
    length: usize,
}

impl ScramHash {
    fn algorithms(self) -> Algorithms {
        match self {
            ScramHash::Sha256 => Algorithms {
                digest: &digest::SHA256,
                hmac: hmac::HMAC_SHA256,
                pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
                length: digest::SHA256_OUTPUT_LEN,
            },
            ScramHash::Sha512 => Algorithms {
                digest: &digest::SHA512,
                hmac: hmac::HMAC_SHA512,
                pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512,
                length: digest::SHA512_OUTPUT_LEN,
            },
        }
    }
}

/// The first message.
pub(crate) struct First {
    bare: String,
    nonce: String,
}

impl First {
    /// `nonce`: fresh random text without commas.
    pub(crate) fn new(user: &str, nonce: String, is_token: bool) -> Self {
        let name = user.replace('=', "=3D").replace(',', "=2C");
        let extension = if is_token { ",tokenauth=true" } else { "" };
        First { bare: format!("n={name},r={nonce}{extension}"), nonce }
    }

    pub(crate) fn message(&self) -> Vec<u8> {
        format!("{HEADER}{}", self.bare).into_bytes()
    }

    /// The last message, as the answer to the server's `challenge`, and the signature that the server must prove itself with.
    ///
    /// # Errors
    /// What is wrong with the challenge.
    pub(crate) fn finish(
        &self,
        hash: ScramHash,
        password: &str,
        challenge: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), String> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| "the server's first SCRAM message is no text")?;
        let field = |name: &str| challenge.split(',').find_map(|field| field.strip_prefix(name));
        if let Some(error) = field("e=") {
            return Err(format!("the server answers: {error}"));
        }
        let (Some(nonce), Some(salt), Some(iterations)) = (field("r="), field("s="), field("i=")) else {
            return Err("the server's first SCRAM message lacks a field".to_owned());
        };
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err("the server's SCRAM nonce is not for this exchange".to_owned());
        }
        let salt = STANDARD.decode(salt).map_err(|_| "the server's SCRAM salt is no base64")?;
        let iterations: u32 = iterations.parse().map_err(|_| "the server's SCRAM iterations are no number")?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(format!(
                "the server wants {iterations} SCRAM iterations, not {ITERATIONS_MIN} to {ITERATIONS_MAX}"
            ));
        }
        let Algorithms { digest, hmac, pbkdf2, length } = hash.algorithms();
        let mut salted = vec![0; length];
        let rounds = std::num::NonZeroU32::new(iterations).ok_or("no SCRAM iterations")?;
        pbkdf2::derive(pbkdf2, rounds, &salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac, key), text);
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(digest, client_key.as_ref());
        let unproven = format!("c={},r={nonce}", STANDARD.encode(HEADER));
        let exchange = format!("{},{challenge},{unproven}", self.bare);
        let signature = sign(stored_key.as_ref(), exchange.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(a, b)| a ^ b).collect();
        let server_key = sign(&salted, b"Server Key");
        let expected = sign(server_key.as_ref(), exchange.as_bytes()).as_ref().to_vec();
        Ok((format!("{unproven},p={}", STANDARD.encode(proof)).into_bytes(), expected))
    }
}

/// Checks the server's last message.
///
/// # Errors
/// It does not know the password either, or refuses ours.
pub(crate) fn verify(expected: &[u8], last: &[u8]) -> Result<(), String> {
    let last = String::from_utf8_lossy(last);
    if let Some(error) = last.strip_prefix("e=") {
        return Err(format!("the server answers: {error}"));
    }
    let proof = last.split(',').find_map(|field| field.strip_prefix("v=")).and_then(|text| STANDARD.decode(text).ok());
    match proof {
        Some(proof) if verify_slices_are_equal(&proof, expected).is_ok() => Ok(()),
        _ => Err("the server does not prove that it knows the password".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_rfcs_example() {
        let first = First::new("user", "rOprNGfwEbeRWgbNEkqO".to_owned(), false);
        assert_eq!(first.message(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, expected) = first.finish(ScramHash::Sha256, "pencil", challenge.as_bytes()).expect("valid");
        let want = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(String::from_utf8(last).expect("text"), want);
        verify(&expected, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").expect("the server knows the password");
        assert!(verify(&expected, b"v=AAAA").is_err());
        assert!(verify(&expected, b"e=invalid-proof").expect_err("refused").contains("invalid-proof"));
    }

    #[test]
    fn odd_challenges_are_refused() {
        let first = First::new("a=b,c", "nonce".to_owned(), true);
        assert_eq!(first.message(), b"n,,n=a=3Db=2Cc,r=nonce,tokenauth=true");
        let rows = [
            "r=other,s=AAAA,i=4096",
            "r=nonce,s=AAAA,i=4096",
            "r=nonce1,s=AAAA,i=1",
            "r=nonce1,s=AAAA,i=4000000000",
            "r=nonce1,s=*,i=4096",
            "r=nonce1,i=4096",
            "e=unknown-user",
            "",
        ];
        for challenge in rows {
            assert!(first.finish(ScramHash::Sha512, "p", challenge.as_bytes()).is_err(), "{challenge}");
        }
    }
}
