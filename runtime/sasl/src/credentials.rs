use std::fmt;

use couplet_api::config::{Password, Props};
use couplet_api::{Error, Result};

use crate::jaas::Jaas;
use crate::oauth::UnsecuredToken;

/// The hash of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramHash {
    /// `SCRAM-SHA-256`
    Sha256,
    /// `SCRAM-SHA-512`
    Sha512,
}

/// Who a client says it is, and by which mechanism.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `PLAIN`
    Plain {
        /// User name.
        user: String,
        /// Its password.
        password: Password,
    },
    /// `SCRAM-SHA-256` and `SCRAM-SHA-512`
    Scram {
        /// Which of them.
        hash: ScramHash,
        /// User name, or id of a delegation token.
        user: String,
        /// Its password, or the token's HMAC.
        password: Password,
        /// Whether these are a delegation token's.
        is_token: bool,
    },
    /// `OAUTHBEARER` with a token that nobody signed
    Unsecured(UnsecuredToken),
}

const MECHANISM: &str = "sasl.mechanism";
const JAAS: &str = "sasl.jaas.config";

impl Credentials {
    /// Reads `sasl.*`, for a security protocol with SASL.
    ///
    /// # Errors
    /// `Kind::Config` that names the key and never has a part of a secret.
    pub fn from_props(props: &Props) -> Result<Self> {
        for key in ["sasl.client.callback.handler.class", "sasl.login.callback.handler.class", "sasl.login.class"] {
            if let Some(class) = props.get(key).map(str::trim).filter(|class| !class.is_empty()) {
                return Err(refuse(key, class, "a class of Java cannot be loaded; remove it"));
            }
        }
        let mechanism = props.get(MECHANISM).unwrap_or("GSSAPI").trim();
        let text = props.get(JAAS).filter(|text| !text.trim().is_empty());
        let jaas = || -> Result<Jaas> {
            let text = text.ok_or_else(|| {
                Error::config(format!(
                    "Missing required configuration \"{JAAS}\": it holds the credentials of {MECHANISM}={mechanism}"
                ))
            })?;
            Jaas::parse(text).map_err(|why| refuse(JAAS, "[hidden]", &why))
        };
        match mechanism {
            "PLAIN" => {
                let (user, password) = login(&jaas()?, "PlainLoginModule")?;
                Ok(Credentials::Plain { user, password })
            }
            "SCRAM-SHA-256" => scram(ScramHash::Sha256, &jaas()?),
            "SCRAM-SHA-512" => scram(ScramHash::Sha512, &jaas()?),
            "OAUTHBEARER" => {
                if let Some(url) =
                    props.get("sasl.oauthbearer.token.endpoint.url").map(str::trim).filter(|u| !u.is_empty())
                {
                    let why = "tokens cannot be fetched from an identity provider yet; use SCRAM, PLAIN or TLS";
                    return Err(refuse("sasl.oauthbearer.token.endpoint.url", url, why));
                }
                let jaas = jaas()?;
                expect_module(&jaas, "OAuthBearerLoginModule")?;
                UnsecuredToken::from_jaas(&jaas)
                    .map(Credentials::Unsecured)
                    .map_err(|why| refuse(JAAS, "[hidden]", &why))
            }
            other => {
                Err(refuse(MECHANISM, other, "String must be one of: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"))
            }
        }
    }

    /// The mechanism's name on the wire.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Credentials::Plain { .. } => "PLAIN",
            Credentials::Scram { hash: ScramHash::Sha256, .. } => "SCRAM-SHA-256",
            Credentials::Scram { hash: ScramHash::Sha512, .. } => "SCRAM-SHA-512",
            Credentials::Unsecured(_) => "OAUTHBEARER",
        }
    }
}

fn scram(hash: ScramHash, jaas: &Jaas) -> Result<Credentials> {
    let (user, password) = login(jaas, "ScramLoginModule")?;
    let is_token = jaas.get("tokenauth").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    Ok(Credentials::Scram { hash, user, password, is_token })
}

fn login(jaas: &Jaas, module: &str) -> Result<(String, Password)> {
    expect_module(jaas, module)?;
    match (jaas.get("username"), jaas.get("password")) {
        (Some(user), Some(password)) => Ok((user.to_owned(), Password::new(password))),
        _ => Err(refuse(JAAS, "[hidden]", "username and password expected")),
    }
}

fn expect_module(jaas: &Jaas, module: &str) -> Result<()> {
    if jaas.is(module) {
        return Ok(());
    }
    Err(refuse(JAAS, "[hidden]", &format!("this {MECHANISM} needs the login module {module}, not {}", jaas.module)))
}

fn refuse(key: &str, value: &str, why: &str) -> Error {
    Error::config(format!("Invalid value {value} for configuration {key}: {why}"))
}

/// Shows no secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.mechanism()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Credentials> {
        Credentials::from_props(&Props::from_iter(settings.iter().copied()))
    }

    #[test]
    fn each_mechanism_takes_its_own_module() {
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required username=u password=p;";
        let got = read(&[(MECHANISM, "SCRAM-SHA-512"), (JAAS, scram)]).expect("valid");
        assert_eq!((got.mechanism(), format!("{got:?}").contains('p')), ("SCRAM-SHA-512", false));
        let token = "ScramLoginModule required username=u password=p tokenauth=\"true\";";
        let got = read(&[(MECHANISM, "SCRAM-SHA-256"), (JAAS, token)]).expect("valid");
        assert!(matches!(got, Credentials::Scram { is_token: true, hash: ScramHash::Sha256, .. }));
        let oauth = "OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"alice\";";
        assert_eq!(read(&[(MECHANISM, "OAUTHBEARER"), (JAAS, oauth)]).expect("valid").mechanism(), "OAUTHBEARER");
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_key() {
        let plain = "PlainLoginModule required username=u password=s3cret;";
        let rows: &[(&str, &[(&str, &str)])] = &[
            (MECHANISM, &[]),
            (MECHANISM, &[(MECHANISM, "GSSAPI")]),
            (JAAS, &[(MECHANISM, "PLAIN")]),
            (JAAS, &[(MECHANISM, "SCRAM-SHA-256"), (JAAS, plain)]),
            (JAAS, &[(MECHANISM, "PLAIN"), (JAAS, "PlainLoginModule required password=s3cret;")]),
            (
                "sasl.login.callback.handler.class",
                &[(MECHANISM, "PLAIN"), ("sasl.login.callback.handler.class", "x.Y")],
            ),
            (
                "sasl.oauthbearer.token.endpoint.url",
                &[(MECHANISM, "OAUTHBEARER"), ("sasl.oauthbearer.token.endpoint.url", "https://idp")],
            ),
        ];
        for (key, settings) in rows {
            let problem = read(settings).expect_err(key);
            assert!(problem.message().contains(key) && !problem.message().contains("s3cret"), "{problem}");
        }
    }
}
