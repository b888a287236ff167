//! TLS and SASL settings of Java clients in librdkafka's terms.
//!
//! Stores in Java's own format (JKS) cannot be read; PEM and PKCS#12 can. The keys of TLS count only when the security
//! protocol uses TLS, because a worker's unprefixed `ssl.` keys may be meant for its REST server.

use couplet_api::config::Props;

use super::client_config::NativeConfig;

/// Adds everything about security to `native`.
///
/// # Errors
/// The sentence for the user; never a secret.
pub(super) fn translate(java: &Props, native: &mut NativeConfig) -> Result<(), String> {
    let protocol = java.get("security.protocol").unwrap_or("PLAINTEXT").trim().to_uppercase();
    let (tls, sasl) = match protocol.as_str() {
        "PLAINTEXT" => return Ok(()),
        "SSL" => (true, false),
        "SASL_PLAINTEXT" => (false, true),
        "SASL_SSL" => (true, true),
        _ => {
            return Err(format!(
                "Invalid value {protocol} for configuration security.protocol: \
                 String must be one of: PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"
            ));
        }
    };
    native.set("security.protocol", protocol.to_lowercase(), "security.protocol");
    if tls {
        translate_tls(java, native)?;
    }
    if sasl {
        translate_sasl(java, native)?;
    }
    Ok(())
}

fn translate_tls(java: &Props, native: &mut NativeConfig) -> Result<(), String> {
    for key in ["ssl.engine.factory.class", "ssl.cipher.suites"] {
        if java.get(key).is_some_and(|value| !value.trim().is_empty()) {
            return Err(format!(
                "configuration {key} cannot be honoured: it names Java's classes or ciphers; remove it"
            ));
        }
    }
    if let Some(pem) = java.get("ssl.truststore.certificates") {
        native.set("ssl.ca.pem", pem, "ssl.truststore.certificates");
    } else if let Some(file) = java.get("ssl.truststore.location") {
        match java.get("ssl.truststore.type").unwrap_or("JKS") {
            "PEM" => native.set("ssl.ca.location", file, "ssl.truststore.location"),
            other => return Err(store_refused("ssl.truststore.type", other, "PEM")),
        }
    }
    if let (Some(key), Some(chain)) = (java.get("ssl.keystore.key"), java.get("ssl.keystore.certificate.chain")) {
        native.set("ssl.key.pem", key, "ssl.keystore.key");
        native.set("ssl.certificate.pem", chain, "ssl.keystore.certificate.chain");
    } else if let Some(file) = java.get("ssl.keystore.location") {
        match java.get("ssl.keystore.type").unwrap_or("JKS") {
            "PEM" => {
                native.set("ssl.key.location", file, "ssl.keystore.location");
                native.set("ssl.certificate.location", file, "ssl.keystore.location");
            }
            "PKCS12" => {
                native.set("ssl.keystore.location", file, "ssl.keystore.location");
                if let Some(password) = java.get("ssl.keystore.password") {
                    native.set("ssl.keystore.password", password, "ssl.keystore.password");
                }
            }
            other => return Err(store_refused("ssl.keystore.type", other, "PEM or PKCS12")),
        }
    }
    if let Some(password) = java.get("ssl.key.password") {
        native.set("ssl.key.password", password, "ssl.key.password");
    }
    let algorithm = java.get("ssl.endpoint.identification.algorithm").unwrap_or("https").trim();
    let algorithm = if algorithm.is_empty() { "none" } else { algorithm };
    native.set(
        "ssl.endpoint.identification.algorithm",
        algorithm.to_lowercase(),
        "ssl.endpoint.identification.algorithm",
    );
    Ok(())
}

fn store_refused(key: &str, given: &str, wanted: &str) -> String {
    format!("Invalid value {given} for configuration {key}: stores of this type cannot be read; convert to {wanted}")
}

fn translate_sasl(java: &Props, native: &mut NativeConfig) -> Result<(), String> {
    let mechanism = java.get("sasl.mechanism").unwrap_or("GSSAPI").trim();
    if !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism) {
        return Err(format!(
            "Invalid value {mechanism} for configuration sasl.mechanism: \
             String must be one of: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"
        ));
    }
    let jaas = java.get("sasl.jaas.config").ok_or("Missing required configuration \"sasl.jaas.config\"")?;
    let (user, password) = (jaas_option(jaas, "username"), jaas_option(jaas, "password"));
    let (Some(user), Some(password)) = (user, password) else {
        return Err("Invalid value [hidden] for configuration sasl.jaas.config: username and password expected".into());
    };
    native.set("sasl.mechanisms", mechanism, "sasl.mechanism");
    native.set("sasl.username", user, "sasl.jaas.config");
    native.set("sasl.password", password, "sasl.jaas.config");
    Ok(())
}

/// The value of `name` in a JAAS entry: `Module required name="value" other='x' ;`, quotes optional, `\` escapes.
fn jaas_option(jaas: &str, name: &str) -> Option<String> {
    let mut rest = jaas.trim();
    while let Some(equals) = rest.find('=') {
        let key = rest[..equals].split_whitespace().next_back()?;
        let (value, after) = jaas_value(&rest[equals + 1..]);
        if key == name {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// One value and what follows it.
fn jaas_value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quote.is_some()));
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => return (value, &text[at + 1..]),
            (Some(_), '\\') => value.extend(chars.next().map(|(_, c)| c)),
            (None, c) if c.is_whitespace() || c == ';' => return (value, &text[at..]),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jaas_options_are_found_in_every_spelling() {
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        let rows = [
            (format!("{module} username=\"u\" password=\"p=;'w\";"), "u", "p=;'w"),
            (format!("{module}\n  password='a\\'b' username=u ;"), "u", "a'b"),
            (format!("{module} user_x=\"no\" username = \"u\" password = \"p\";"), "u", "p"),
        ];
        for (jaas, user, password) in rows {
            assert_eq!(jaas_option(&jaas, "username").as_deref(), Some(user), "{jaas}");
            assert_eq!(jaas_option(&jaas, "password").as_deref(), Some(password), "{jaas}");
        }
        assert_eq!(jaas_option("PlainLoginModule required;", "username"), None);
    }

    #[test]
    fn tls_and_sasl_are_translated_only_when_the_protocol_uses_them() {
        let base = [
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "/ca.pem"),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.jaas.config", "ScramLoginModule required username=\"u\" password=\"p\";"),
        ];
        for (protocol, tls, sasl) in [("PLAINTEXT", false, false), ("SSL", true, false), ("SASL_SSL", true, true)] {
            let mut java = Props::from_iter(base);
            java.set("security.protocol", protocol);
            let mut native = NativeConfig::default();
            translate(&java, &mut native).expect("valid");
            assert_eq!(native.get("ssl.ca.location").is_some(), tls, "{protocol}");
            assert_eq!(native.get("sasl.password").is_some(), sasl, "{protocol}");
            assert!(!format!("{native:?}").contains("\"p\""));
        }
    }

    #[test]
    fn what_java_alone_can_read_is_refused_by_key_and_without_secrets() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("ssl.truststore.type", &[("ssl.truststore.location", "/t.jks")]),
            ("ssl.keystore.type", &[("ssl.keystore.location", "/k.jks"), ("ssl.keystore.password", "s3cret")]),
            ("ssl.cipher.suites", &[("ssl.cipher.suites", "TLS_X")]),
            ("sasl.mechanism", &[("sasl.mechanism", "GSSAPI")]),
            ("sasl.jaas.config", &[("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", "X required secret=s3cret;")]),
        ];
        for (key, java) in rows {
            let mut props = Props::from_iter(java.iter().copied());
            props.set("security.protocol", "SASL_SSL");
            let problem = translate(&props, &mut NativeConfig::default()).expect_err(key);
            assert!(problem.contains(key) && !problem.contains("s3cret"), "{problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn quoted_options_are_read_back(user in ".*", password in ".*") {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let jaas = format!("M required username=\"{}\" password=\"{}\";", quoted(&user), quoted(&password));
            proptest::prop_assert_eq!(jaas_option(&jaas, "username"), Some(user));
            proptest::prop_assert_eq!(jaas_option(&jaas, "password"), Some(password));
        }
    }

    #[test]
    fn malformed_entries_are_refused_and_nothing_worse() {
        let run = |bytes: &[u8]| drop(jaas_option(&String::from_utf8_lossy(bytes), "password"));
        let seeds: [&[u8]; 2] = [b"M required username=\"u\" password='p=;\\'w' ;", b"M required password = p"];
        let target = couplet_testkit::malformed::Target { name: "jaas", run };
        couplet_testkit::malformed::check(target, &seeds, &[], 2000);
    }
}
