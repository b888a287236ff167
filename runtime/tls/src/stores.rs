//! Key stores and trust stores in the formats Java users have.

use std::path::Path;

use couplet_api::config::Props;
use couplet_api::{Error, Result};
use p12_keystore::{KeyStoreEntry, Pkcs12ImportPolicy};
use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::Decode;
use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::settings::{given, refuse};

/// First bytes of a store in Java's own format.
const JKS_MAGIC: [u8; 4] = [0xFE, 0xED, 0xFE, 0xED];

/// A private key with its certificates, the key's own first.
pub(crate) struct Identity {
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

/// What a store holds, whatever its format.
#[derive(Default)]
struct Store {
    identity: Option<Identity>,
    trusted: Vec<CertificateDer<'static>>,
}

/// Reads `ssl.keystore.*`; `None` when there is no key store.
///
/// # Errors
/// `Kind::Config` that names the key: unreadable, not of its type, wrong password, nothing in it.
pub(crate) fn identity(props: &Props) -> Result<Option<Identity>> {
    const KEY: &str = "ssl.keystore.key";
    const CHAIN: &str = "ssl.keystore.certificate.chain";
    let key_password = given(props, "ssl.key.password");
    match (given(props, KEY), given(props, CHAIN)) {
        (Some(key), Some(chain)) => {
            let found = pem_store(KEY, key.as_bytes(), key_password)?;
            let chain = pem_store(CHAIN, chain.as_bytes(), None)?.trusted;
            let key = found.identity.map(|identity| identity.key);
            let key = key.ok_or_else(|| refuse(KEY, "[hidden]", "there is no private key in this text"))?;
            if chain.is_empty() {
                return Err(refuse(CHAIN, "[hidden]", "there is no certificate in this text"));
            }
            return Ok(Some(Identity { key, chain }));
        }
        (Some(_), None) => return Err(missing(CHAIN, KEY)),
        (None, Some(_)) => return Err(missing(KEY, CHAIN)),
        (None, None) => {}
    }
    let Some(store) = file_store(props, "ssl.keystore", key_password)? else { return Ok(None) };
    let identity = store.identity.filter(|identity| !identity.chain.is_empty());
    let location = given(props, "ssl.keystore.location").unwrap_or_default();
    let missing =
        || refuse("ssl.keystore.location", location, "there is no private key with a certificate in this store");
    Ok(Some(identity.ok_or_else(missing)?))
}

/// Reads `ssl.truststore.*`; `None` when there is no trust store, so that the machine's own applies.
///
/// # Errors
/// As [`identity`].
pub(crate) fn trusted(props: &Props) -> Result<Option<Vec<CertificateDer<'static>>>> {
    const INLINE: &str = "ssl.truststore.certificates";
    let (key, shown, store) = if let Some(text) = given(props, INLINE) {
        (INLINE, "[hidden]", pem_store(INLINE, text.as_bytes(), None)?)
    } else if let Some(store) = file_store(props, "ssl.truststore", None)? {
        let location = given(props, "ssl.truststore.location").unwrap_or_default();
        ("ssl.truststore.location", location, store)
    } else {
        return Ok(None);
    };
    if store.trusted.is_empty() {
        return Err(refuse(key, shown, "there is no certificate in it"));
    }
    Ok(Some(store.trusted))
}

fn missing(key: &str, because: &str) -> Error {
    Error::config(format!("Missing required configuration \"{key}\": it goes together with {because}"))
}

/// The store of `{prefix}.location`, `.type` and `.password`.
fn file_store(props: &Props, prefix: &str, key_password: Option<&str>) -> Result<Option<Store>> {
    let keys = ["location", "type", "password"].map(|part| format!("{prefix}.{part}"));
    let [location_key, type_key, password_key] = &keys;
    let Some(location) = given(props, location_key) else { return Ok(None) };
    let bytes = std::fs::read(Path::new(location))
        .map_err(|error| refuse(location_key, location, &format!("the file cannot be read: {error}")))?;
    let password = props.get(password_key);
    let kind = given(props, type_key).unwrap_or("JKS").to_uppercase();
    let store = match kind.as_str() {
        "PEM" if password.is_some() => {
            Err(refuse(password_key, "[hidden]", "PEM files have no store password; keys have ssl.key.password"))
        }
        "PEM" => pem_store(location_key, &bytes, key_password),
        // Java reads both formats under both names.
        "JKS" | "PKCS12" => {
            let password = password.ok_or_else(|| missing(password_key, &format!("{type_key} {kind}")))?;
            let store = match bytes.starts_with(&JKS_MAGIC) {
                true => jks_store(&bytes, password, key_password),
                false => pkcs12_store(&bytes, password),
            };
            store.map_err(|why| refuse(location_key, location, &format!("{why} (the password is {password_key})")))
        }
        other => Err(refuse(type_key, other, "store types are JKS, PKCS12 and PEM")),
    };
    store.map(Some)
}

fn pem_store(config_key: &str, bytes: &[u8], key_password: Option<&str>) -> Result<Store> {
    let unreadable = |why: &dyn std::fmt::Display| refuse(config_key, "[hidden]", &format!("this is no PEM: {why}"));
    let mut store = Store::default();
    let mut key = None;
    if let Some(der) = encrypted_key(bytes) {
        let password = key_password.ok_or_else(|| missing("ssl.key.password", "an encrypted private key"))?;
        let info = EncryptedPrivateKeyInfoRef::from_der(&der).map_err(|error| unreadable(&error))?;
        let plain = info.decrypt(password).map_err(|_| {
            refuse(
                "ssl.key.password",
                "[hidden]",
                "the private key cannot be decrypted with it, or is encrypted in an unknown way",
            )
        })?;
        key = Some(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec())));
    }
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        let (kind, der) = section.map_err(|error| unreadable(&error))?;
        match kind {
            SectionKind::Certificate => store.trusted.push(CertificateDer::from(der)),
            _ => key = key.or_else(|| PrivateKeyDer::from_pem(kind, der)),
        }
    }
    store.identity = key.map(|key| Identity { key, chain: store.trusted.clone() });
    Ok(store)
}

/// The first encrypted key, which the TLS library's reader passes over.
fn encrypted_key(bytes: &[u8]) -> Option<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let text = std::str::from_utf8(bytes).ok()?;
    let begin = text.find(BEGIN)?;
    let end = begin + text[begin..].find(END)? + END.len();
    pkcs8::der::pem::decode_vec(&text.as_bytes()[begin..end]).ok().map(|(_, der)| der)
}

fn jks_store(bytes: &[u8], password: &str, key_password: Option<&str>) -> Result<Store, String> {
    let mut jks = jks::KeyStore::new();
    jks.load(bytes, password.as_bytes()).map_err(|error| format!("this store cannot be opened: {error}"))?;
    let mut aliases = jks.aliases();
    aliases.sort();
    let mut store = Store::default();
    for alias in &aliases {
        if jks.is_private_key_entry(alias) && store.identity.is_none() {
            let key_password = key_password.unwrap_or(password);
            let entry = jks
                .get_private_key_entry(alias, key_password.as_bytes())
                .map_err(|error| format!("its private key cannot be opened with ssl.key.password: {error}"))?;
            let chain = entry.certificate_chain.into_iter().map(|c| CertificateDer::from(c.content)).collect();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(entry.private_key));
            store.identity = Some(Identity { key, chain });
        } else if let Ok(entry) = jks.get_trusted_certificate_entry(alias) {
            store.trusted.push(CertificateDer::from(entry.certificate.content));
        }
    }
    Ok(store)
}

fn pkcs12_store(bytes: &[u8], password: &str) -> Result<Store, String> {
    let keystore = p12_keystore::KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Relaxed)
        .map_err(|error| format!("this store cannot be opened: {error}"))?;
    let mut store = Store::default();
    for (_, entry) in keystore.entries() {
        match entry {
            KeyStoreEntry::PrivateKeyChain(found) if store.identity.is_none() => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(found.key().as_der().to_vec()));
                let chain = found.certs().iter().map(|c| CertificateDer::from(c.as_der().to_vec())).collect();
                store.identity = Some(Identity { key, chain });
            }
            KeyStoreEntry::Certificate(found) => store.trusted.push(CertificateDer::from(found.as_der().to_vec())),
            KeyStoreEntry::PrivateKeyChain(_) | KeyStoreEntry::Secret(_) => {}
        }
    }
    Ok(store)
}
