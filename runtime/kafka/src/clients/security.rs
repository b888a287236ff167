//! TLS and SASL settings of Java clients in librdkafka's terms.
//!
//! `couplet-tls` and `couplet-sasl` read Java's settings, stores and JAAS texts, for this client as for the group's own; here
//! they are only renamed. Stores become PEM in memory, whatever their format. The keys of TLS count only when the security
//! protocol uses TLS, because a worker's unprefixed `ssl.` keys may be meant for its REST server.

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use couplet_sasl::{Credentials, SecurityProtocol, UnsecuredToken};
use couplet_tls::Tls;

use super::native_config::NativeConfig;

/// Adds everything about security to `native`.
///
/// # Errors
/// `Kind::Config` that names the key; never a secret.
pub(super) fn translate(java: &Props, native: &mut NativeConfig) -> Result<()> {
    let protocol = SecurityProtocol::from_props(java)?;
    if protocol == SecurityProtocol::Plaintext {
        return Ok(());
    }
    native.set("security.protocol", protocol.lower_case(), "security.protocol");
    if protocol.has_tls() {
        translate_tls(java, native)?;
    }
    if protocol.has_sasl() {
        translate_sasl(java, native)?;
    }
    Ok(())
}

fn translate_tls(java: &Props, native: &mut NativeConfig) -> Result<()> {
    const SUITES: &str = "ssl.cipher.suites";
    if java.get(SUITES).is_some_and(|value| !value.trim().is_empty()) {
        return Err(Error::config(format!(
            "configuration {SUITES} cannot be honoured: this client's TLS library has other names for ciphers; remove it"
        )));
    }
    let tls = Tls::from_props(java)?;
    if let Some(trusted) = tls.trusted_pem() {
        native.set("ssl.ca.pem", trusted, "ssl.truststore.location");
    }
    if let Some((key, chain)) = tls.identity_pem() {
        native.set("ssl.key.pem", key, "ssl.keystore.location");
        native.set("ssl.certificate.pem", chain, "ssl.keystore.location");
    }
    let algorithm = if tls.checks_name() { "https" } else { "none" };
    native.set("ssl.endpoint.identification.algorithm", algorithm, "ssl.endpoint.identification.algorithm");
    Ok(())
}

fn translate_sasl(java: &Props, native: &mut NativeConfig) -> Result<()> {
    const JAAS: &str = "sasl.jaas.config";
    let credentials = Credentials::from_props(java)?;
    native.set("sasl.mechanisms", credentials.mechanism(), "sasl.mechanism");
    match &credentials {
        Credentials::Scram { is_token: true, .. } => {
            return Err(Error::config(format!(
                "Invalid value [hidden] for configuration {JAAS}: delegation tokens (tokenauth) cannot be used by this client"
            )));
        }
        Credentials::Plain { user, password } | Credentials::Scram { user, password, .. } => {
            native.set("sasl.username", user, JAAS);
            native.set("sasl.password", password.reveal(), JAAS);
        }
        Credentials::Unsecured(token) => {
            native.set("enable.sasl.oauthbearer.unsecure.jwt", "true", JAAS);
            native.set("sasl.oauthbearer.config", unsecured(token)?, JAAS);
        }
    }
    Ok(())
}

/// A token without signature as librdkafka describes one: words with `=`, without quotes.
fn unsecured(token: &UnsecuredToken) -> Result<String> {
    let extensions = token.extensions.iter().map(|(name, value)| (format!("extension_{name}"), value.clone()));
    let words = [
        ("principalClaimName".to_owned(), token.principal_claim.clone()),
        ("principal".to_owned(), token.principal.clone()),
        ("lifeSeconds".to_owned(), token.lifetime_secs.to_string()),
    ];
    let words: Vec<(String, String)> = words.into_iter().chain(extensions).collect();
    let is_plain = |text: &str| text.chars().all(|c| !c.is_whitespace() && !matches!(c, '=' | '"'));
    if token.has_more_claims() || !words.iter().all(|(name, value)| is_plain(name) && is_plain(value)) {
        return Err(Error::config(
            "Invalid value [hidden] for configuration sasl.jaas.config: this client's tokens without signature have the principal's \
             claim alone, without spaces, equals signs and quotes",
        ));
    }
    Ok(words.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sasl_is_translated_only_when_the_protocol_uses_it() {
        let base = [
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", "ScramLoginModule required username=\"u\" password=\"p\";"),
        ];
        for (protocol, tls, sasl) in [("PLAINTEXT", false, false), ("SSL", true, false), ("SASL_SSL", true, true)] {
            let mut java = Props::from_iter(base);
            java.set("security.protocol", protocol);
            let mut native = NativeConfig::default();
            translate(&java, &mut native).expect("valid");
            assert_eq!(native.get("ssl.endpoint.identification.algorithm").is_some(), tls, "{protocol}");
            assert_eq!(native.get("sasl.password").is_some(), sasl, "{protocol}");
            assert!(!format!("{native:?}").contains("\"p\""));
        }
    }

    #[test]
    fn names_are_not_checked_when_the_algorithm_is_empty() {
        for (algorithm, want) in [("", "none"), ("https", "https"), ("HTTPS", "https")] {
            let java =
                Props::from_iter([("security.protocol", "SSL"), ("ssl.endpoint.identification.algorithm", algorithm)]);
            let mut native = NativeConfig::default();
            translate(&java, &mut native).expect("valid");
            assert_eq!(native.get("ssl.endpoint.identification.algorithm"), Some(want));
        }
    }

    #[test]
    fn tokens_without_signature_are_described() {
        let jaas = |options: &str| format!("OAuthBearerLoginModule required {options};");
        let read = |options: &str| {
            let text = jaas(options);
            let java = Props::from_iter([
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", "OAUTHBEARER"),
                ("sasl.jaas.config", text.as_str()),
            ]);
            let mut native = NativeConfig::default();
            translate(&java, &mut native).map(|()| native)
        };
        let native = read("unsecuredLoginStringClaim_sub=alice unsecuredLoginExtension_a=b").expect("valid");
        let want = "principalClaimName=sub principal=alice lifeSeconds=3600 extension_a=b";
        assert_eq!(native.get("sasl.oauthbearer.config"), Some(want));
        for refused in [
            "unsecuredLoginStringClaim_sub=\"al ice\"",
            "unsecuredLoginStringClaim_sub=a unsecuredLoginNumberClaim_n=1",
        ] {
            let error = read(refused).expect_err(refused);
            assert!(error.message().contains("sasl.jaas.config"), "{error}");
        }
    }

    #[test]
    fn what_java_alone_can_do_is_refused_by_key_and_without_secrets() {
        let token = "ScramLoginModule required username=u password=s3cret tokenauth=true;";
        let rows: &[(&str, &[(&str, &str)])] = &[
            (
                "ssl.truststore.location",
                &[("ssl.truststore.location", "/nowhere/t.jks"), ("ssl.truststore.password", "s3cret")],
            ),
            (
                "ssl.keystore.location",
                &[("ssl.keystore.location", "/nowhere/k.jks"), ("ssl.keystore.password", "s3cret")],
            ),
            ("ssl.cipher.suites", &[("ssl.cipher.suites", "TLS_X")]),
            ("ssl.engine.factory.class", &[("ssl.engine.factory.class", "x.Y")]),
            ("sasl.mechanism", &[("sasl.mechanism", "GSSAPI")]),
            ("sasl.jaas.config", &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", "X required secret=s3cret;")]),
            ("sasl.jaas.config", &[("sasl.mechanism", "SCRAM-SHA-256"), ("sasl.jaas.config", token)]),
        ];
        for (key, java) in rows {
            let mut props = Props::from_iter(java.iter().copied());
            props.set("security.protocol", "SASL_SSL");
            let problem = translate(&props, &mut NativeConfig::default()).expect_err(key);
            assert!(problem.message().contains(key) && !problem.message().contains("s3cret"), "{problem}");
        }
    }
}
