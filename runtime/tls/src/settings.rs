//! Settings that are read word by word: protocols, cipher suites, what is asked of clients.

use std::sync::Arc;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};

/// What a server asks of its clients: `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No certificate.
    #[default]
    None,
    /// A certificate is checked if there is one.
    Requested,
    /// Who has no certificate is turned away.
    Required,
}

impl ClientAuth {
    /// Reads `ssl.client.auth`; `none` when it is not given.
    ///
    /// # Errors
    /// `Kind::Config` for other words.
    pub fn from_props(props: &Props) -> Result<Self> {
        const KEY: &str = "ssl.client.auth";
        match given(props, KEY).map(str::to_lowercase).as_deref() {
            None | Some("none") => Ok(ClientAuth::None),
            Some("requested") => Ok(ClientAuth::Requested),
            Some("required") => Ok(ClientAuth::Required),
            Some(other) => Err(refuse(KEY, other, "String must be one of: required, requested, none")),
        }
    }
}

/// The text of `key` without spaces around it, unless it is empty.
pub(crate) fn given<'a>(props: &'a Props, key: &str) -> Option<&'a str> {
    props.get(key).map(str::trim).filter(|text| !text.is_empty())
}

/// The error for a value that cannot be.
pub(crate) fn refuse(key: &str, value: &str, why: &str) -> Error {
    Error::config(format!("Invalid value {value} for configuration {key}: {why}"))
}

fn words<'a>(props: &'a Props, key: &str) -> Vec<&'a str> {
    given(props, key).map_or_else(Vec::new, |text| text.split(',').map(str::trim).filter(|w| !w.is_empty()).collect())
}

/// `ssl.enabled.protocols`, as far as `ssl.protocol` allows: TLSv1.2 and TLSv1.3 when neither is given.
pub(crate) fn versions(props: &Props) -> Result<Vec<&'static SupportedProtocolVersion>> {
    const ENABLED: &str = "ssl.enabled.protocols";
    const PROTOCOL: &str = "ssl.protocol";
    // Java's contexts: `TLS` and `TLSv1.3` offer both, `TLSv1.2` keeps to 1.2.
    let at_most: &[&'static SupportedProtocolVersion] = match given(props, PROTOCOL) {
        None | Some("TLS" | "TLSv1.3") => &[&TLS13, &TLS12],
        Some("TLSv1.2") => &[&TLS12],
        Some(other) => return Err(refuse(PROTOCOL, other, "String must be one of: TLS, TLSv1.2, TLSv1.3")),
    };
    let mut enabled = Vec::new();
    for word in words(props, ENABLED) {
        match word {
            "TLSv1.3" => enabled.push(&TLS13),
            "TLSv1.2" => enabled.push(&TLS12),
            // Old versions beside new ones are settings of old days: Java 17 has switched them off as well.
            "TLSv1.1" | "TLSv1" | "SSLv3" => {}
            other => return Err(refuse(ENABLED, other, "protocols are TLSv1.2 and TLSv1.3")),
        }
    }
    let listed = !words(props, ENABLED).is_empty();
    let versions: Vec<_> = at_most.iter().copied().filter(|v| !listed || enabled.contains(v)).collect();
    if versions.is_empty() {
        let value = given(props, ENABLED).unwrap_or_default();
        return Err(refuse(
            ENABLED,
            value,
            &format!("none of these can be used; TLSv1.2 and TLSv1.3 can ({PROTOCOL})"),
        ));
    }
    Ok(versions)
}

/// The cryptography, with the suites of `ssl.cipher.suites` alone where that is given.
pub(crate) fn provider(props: &Props) -> Result<Arc<CryptoProvider>> {
    const KEY: &str = "ssl.cipher.suites";
    let mut provider = aws_lc_rs::default_provider();
    let wanted = words(props, KEY);
    if !wanted.is_empty() {
        let known = std::mem::take(&mut provider.cipher_suites);
        for name in wanted {
            let suite = known.iter().find(|suite| java_name(&format!("{:?}", suite.suite())) == name);
            let suite = suite.ok_or_else(|| {
                let names: Vec<String> = known.iter().map(|s| java_name(&format!("{:?}", s.suite()))).collect();
                refuse(KEY, name, &format!("cipher suites are {}", names.join(", ")))
            })?;
            provider.cipher_suites.push(*suite);
        }
    }
    Ok(Arc::new(provider))
}

/// The name Java gives to a suite: those of TLS 1.3 bear no version.
fn java_name(name: &str) -> String {
    name.replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_those_that_both_settings_allow() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Result<&'a [&'a str], &'a str>);
        let rows: &[Row<'_>] = &[
            (&[], Ok(&["TLSv1_3", "TLSv1_2"])),
            (&[("ssl.enabled.protocols", "TLSv1.2,TLSv1.3")], Ok(&["TLSv1_3", "TLSv1_2"])),
            (&[("ssl.enabled.protocols", "TLSv1.2, TLSv1.1")], Ok(&["TLSv1_2"])),
            (&[("ssl.protocol", "TLSv1.2")], Ok(&["TLSv1_2"])),
            (&[("ssl.protocol", "TLSv1.2"), ("ssl.enabled.protocols", "TLSv1.3")], Err("ssl.enabled.protocols")),
            (&[("ssl.enabled.protocols", "TLSv1.1")], Err("TLSv1.1")),
            (&[("ssl.enabled.protocols", "TLSv9")], Err("TLSv9")),
            (&[("ssl.protocol", "SSL")], Err("ssl.protocol")),
        ];
        for (settings, want) in rows {
            let got = versions(&Props::from_iter(settings.iter().copied()));
            match (got, want) {
                (Ok(got), Ok(want)) => {
                    let got: Vec<String> = got.iter().map(|v| format!("{:?}", v.version)).collect();
                    assert_eq!(got, *want, "{settings:?}");
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, want) => panic!("{settings:?}: {:?} instead of {want:?}", got.map(|v| v.len())),
            }
        }
    }

    #[test]
    fn cipher_suites_go_by_javas_names() {
        let named = |text: &str| provider(&Props::from_iter([("ssl.cipher.suites", text)]));
        let two = named("TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384").expect("known suites");
        assert_eq!(two.cipher_suites.len(), 2);
        let error = named("TLS_RSA_WITH_RC4_128_MD5").expect_err("a weak suite").to_string();
        assert!(error.contains("ssl.cipher.suites") && error.contains("TLS_AES_128_GCM_SHA256"), "{error}");
    }

    #[test]
    fn what_is_asked_of_clients() {
        let read = |text: &str| ClientAuth::from_props(&Props::from_iter([("ssl.client.auth", text)]));
        assert_eq!(read("required").expect("known"), ClientAuth::Required);
        assert_eq!(read("requested").expect("known"), ClientAuth::Requested);
        assert_eq!(ClientAuth::from_props(&Props::new()).expect("default"), ClientAuth::None);
        assert!(read("maybe").expect_err("unknown").to_string().contains("ssl.client.auth"));
    }
}
