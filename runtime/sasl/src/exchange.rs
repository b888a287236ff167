use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use couplet_api::{Error, Result};

use crate::credentials::{Credentials, ScramHash};
use crate::scram::{self, First};

/// The client's side of one authentication: [`Exchange::start`] gives the first message, [`Exchange::answer`] what follows on
/// each message of the server, until that is nothing.
pub struct Exchange {
    mechanism: &'static str,
    step: Step,
}

enum Step {
    /// Whatever comes is the end.
    Last,
    /// A token was sent; a message that is not empty says why it was refused.
    Token,
    Scram {
        first: First,
        hash: ScramHash,
        password: String,
    },
    Proof {
        expected: Vec<u8>,
    },
}

impl Exchange {
    /// Begins; the first message goes to the server.
    ///
    /// # Errors
    /// `Kind::Bug` when the machine has no random numbers.
    pub fn start(credentials: &Credentials) -> Result<(Self, Vec<u8>)> {
        let (step, message) = match credentials {
            Credentials::Plain { user, password } => {
                (Step::Last, format!("\0{user}\0{}", password.reveal()).into_bytes())
            }
            Credentials::Scram { hash, user, password, is_token } => {
                let first = First::new(user, nonce()?, *is_token);
                let message = first.message();
                (Step::Scram { first, hash: *hash, password: password.reveal().to_owned() }, message)
            }
            Credentials::Unsecured(token) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                let extensions: String = token.extensions.iter().map(|(n, v)| format!("{n}={v}\u{1}")).collect();
                let message = format!("n,,\u{1}auth=Bearer {}\u{1}{extensions}\u{1}", token.issue(now));
                (Step::Token, message.into_bytes())
            }
        };
        Ok((Exchange { mechanism: credentials.mechanism(), step }, message))
    }

    /// Takes the server's message; `None`: the client is done.
    ///
    /// # Errors
    /// `Kind::Auth` when the server refuses, or does not prove that it knows the password.
    pub fn answer(&mut self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let (next, reply) = match &self.step {
            Step::Last => (Step::Last, Ok(None)),
            Step::Token if message.is_empty() => (Step::Last, Ok(None)),
            Step::Token => (Step::Last, Err(format!("the token was refused: {}", String::from_utf8_lossy(message)))),
            Step::Scram { first, hash, password } => match first.finish(*hash, password, message) {
                Ok((reply, expected)) => (Step::Proof { expected }, Ok(Some(reply))),
                Err(why) => (Step::Last, Err(why)),
            },
            Step::Proof { expected } => (Step::Last, scram::verify(expected, message).map(|()| None)),
        };
        self.step = next;
        reply.map_err(|why| Error::auth(format!("Authentication failed during {}: {why}", self.mechanism)))
    }
}

fn nonce() -> Result<String> {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::bug("the machine has no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use couplet_api::config::{Password, Props};

    use super::*;

    #[test]
    fn plain_is_one_message() {
        let credentials = Credentials::Plain { user: "u".into(), password: Password::new("p") };
        let (mut exchange, first) = Exchange::start(&credentials).expect("starts");
        assert_eq!(first, b"\0u\0p");
        assert_eq!(exchange.answer(b"").expect("fine"), None);
    }

    #[test]
    fn a_refused_token_is_an_error_with_the_servers_words() {
        let props = Props::from_iter([
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", "OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=alice;"),
        ]);
        let (mut exchange, first) = Exchange::start(&Credentials::from_props(&props).expect("valid")).expect("starts");
        assert!(first.starts_with(b"n,,\x01auth=Bearer ey") && first.ends_with(b"\x01\x01"));
        let error = exchange.answer(br#"{"status":"invalid_token"}"#).expect_err("refused");
        assert!(error.message().contains("invalid_token") && error.kind() == couplet_api::Kind::Auth, "{error}");
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(nonce().expect("random"), nonce().expect("random"));
    }
}
