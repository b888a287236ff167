//! The log-in: greeting, encryption, proof of the password.

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::config::Password;
use couplet_api::error::Error;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::auth;
use crate::connection::{Access, Connection, TlsMode};
use crate::error::{SqlError, malformed};
use crate::packet::{Packets, Socket};
use crate::read::Reader;

/// LONG_PASSWORD, LONG_FLAG, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH.
const CAPABILITIES: u32 = 0x1 | 0x4 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
/// SSL.
const CAPABILITY_TLS: u32 = 0x800;
/// `utf8mb4_general_ci`: texts of queries are in UTF-8.
const UTF8MB4: u8 = 45;

const NATIVE: &str = "mysql_native_password";
const CACHING: &str = "caching_sha2_password";
const CLEAR: &str = "mysql_clear_password";

/// What the server says first.
struct Greeting {
    version: String,
    id: u32,
    nonce: Vec<u8>,
    capabilities: u32,
    plugin: String,
}

impl Greeting {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        if reader.u8()? != 10 {
            return None;
        }
        let version = String::from_utf8_lossy(reader.nul_terminated()).into_owned();
        let id = reader.u32()?;
        let mut nonce = reader.take(8)?.to_vec();
        reader.take(1)?;
        let low = u32::from(reader.u16()?);
        reader.take(3)?;
        let high = u32::from(reader.u16()?);
        let length = usize::from(reader.u8()?);
        reader.take(10)?;
        nonce.extend(reader.take(length.max(21) - 8 - 1)?);
        nonce.truncate(20);
        reader.take(1)?;
        let plugin = String::from_utf8_lossy(reader.nul_terminated()).into_owned();
        Some(Greeting { version, id, nonce, capabilities: low | (high << 16), plugin })
    }
}

/// Logs in over `packets`.
pub(crate) async fn log_in(mut packets: Packets, access: &Access) -> Result<Connection> {
    let message = packets.next_ok().await?;
    let greeting = Greeting::parse(&message).ok_or_else(|| malformed("greeting"))?;
    let mut capabilities = CAPABILITIES;
    let tls = match &access.tls {
        TlsMode::Disabled => None,
        TlsMode::Preferred(config) => Some(config).filter(|_| greeting.capabilities & CAPABILITY_TLS != 0),
        TlsMode::Required(config) if greeting.capabilities & CAPABILITY_TLS != 0 => Some(config),
        TlsMode::Required(_) => {
            return Err(Error::config(format!(
                "the server {}:{} does not offer TLS, which database.ssl.mode asks for; switch it on there",
                access.host, access.port
            )));
        }
    };
    if let Some(config) = tls {
        capabilities |= CAPABILITY_TLS;
        packets.send(&head(capabilities)).await?;
        packets = encrypt(packets, access, config).await?;
    }
    let password = access.password.as_ref().map_or("", Password::reveal);
    let plugin = if greeting.plugin.is_empty() { NATIVE } else { &greeting.plugin };
    let proof = proof(plugin, password, &greeting.nonce, packets.is_encrypted())?;
    let mut answer = head(capabilities);
    answer.extend(access.user.as_bytes());
    answer.push(0);
    answer.push(u8::try_from(proof.len()).map_err(|_| Error::auth("the password is too long"))?);
    answer.extend(&proof);
    answer.extend(plugin.as_bytes());
    answer.push(0);
    packets.send(&answer).await?;
    let exchange = Exchange { password, nonce: greeting.nonce };
    exchange.finish(&mut packets).await?;
    Ok(Connection { packets, version: greeting.version, id: greeting.id })
}

/// The beginning of the answer to the greeting, which is all of a request for encryption.
fn head(capabilities: u32) -> Vec<u8> {
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend(u32::MAX.to_le_bytes());
    head.push(UTF8MB4);
    head.extend([0; 23]);
    head
}

async fn encrypt(packets: Packets, access: &Access, config: &Arc<ClientConfig>) -> Result<Packets> {
    let (tcp, sequence) = packets.into_plain().ok_or_else(|| malformed("greeting"))?;
    let name = ServerName::try_from(access.host.clone())
        .map_err(|_| Error::config(format!("database.hostname {} is not a valid name", access.host)))?;
    let stream = TlsConnector::from(config.clone()).connect(name, tcp).await.map_err(|error| {
        Error::config(format!("TLS with {}:{} failed (database.ssl.mode): {error}", access.host, access.port))
    })?;
    Ok(Packets::new(Socket::Tls(Box::new(stream))).at(sequence))
}

fn proof(plugin: &str, password: &str, nonce: &[u8], encrypted: bool) -> Result<Vec<u8>> {
    match plugin {
        NATIVE => Ok(auth::native(password, nonce)),
        CACHING => Ok(auth::caching_sha2(password, nonce)),
        CLEAR if encrypted => Ok(clear(password)),
        CLEAR => Err(Error::auth(
            "the server wants the password in the clear; set database.ssl.mode so that it is encrypted",
        )),
        // The server is asked to switch to a method that is built.
        _ => Ok(auth::native(password, nonce)),
    }
}

fn clear(password: &str) -> Vec<u8> {
    let mut text = password.as_bytes().to_vec();
    text.push(0);
    text
}

/// The rest of the log-in, which the server leads.
struct Exchange<'a> {
    password: &'a str,
    nonce: Vec<u8>,
}

impl Exchange<'_> {
    async fn finish(mut self, packets: &mut Packets) -> Result<()> {
        loop {
            let message = packets.next().await?;
            match message.first() {
                Some(0x00) => return Ok(()),
                Some(0xff) => return Err(SqlError::parse(&message[1..]).into_error()),
                Some(0xfe) => self.switch(&message, packets).await?,
                Some(0x01) => self.more(&message, packets).await?,
                _ => return Err(malformed("answer to the log-in")),
            }
        }
    }

    async fn switch(&mut self, message: &Bytes, packets: &mut Packets) -> Result<()> {
        let mut reader = Reader::new(&message[1..]);
        let plugin = String::from_utf8_lossy(reader.nul_terminated()).into_owned();
        self.nonce = reader.rest().iter().copied().take(20).collect();
        if ![NATIVE, CACHING, CLEAR].contains(&plugin.as_str()) {
            return Err(Error::auth(format!(
                "the server asks for the authentication method {plugin}, which is not built; use {CACHING} or {NATIVE} \
                 for the user"
            )));
        }
        let proof = proof(&plugin, self.password, &self.nonce, packets.is_encrypted())?;
        packets.send(&proof).await
    }

    /// `caching_sha2_password`: the proof was enough (3), or the server needs the password itself (4).
    async fn more(&self, message: &Bytes, packets: &mut Packets) -> Result<()> {
        match message.get(1) {
            Some(3) => Ok(()),
            Some(4) if packets.is_encrypted() => packets.send(&clear(self.password)).await,
            Some(4) => {
                packets.send(&[2]).await?;
                let key = packets.next_ok().await?;
                let secret = auth::encrypted(self.password, &self.nonce, &key[1..])?;
                packets.send(&secret).await
            }
            _ => Err(malformed("answer to the log-in")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_whole_or_not_at_all() {
        let mut bytes = vec![10];
        bytes.extend(b"8.0.31\0");
        bytes.extend([7, 0, 0, 0]);
        bytes.extend([1; 8]);
        bytes.push(0);
        bytes.extend([0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]);
        bytes.extend([0; 10]);
        bytes.extend([2; 12]);
        bytes.push(0);
        bytes.extend(b"caching_sha2_password\0");
        let greeting = Greeting::parse(&bytes).expect("a whole greeting");
        assert_eq!((greeting.version.as_str(), greeting.id, greeting.plugin.as_str()), ("8.0.31", 7, CACHING));
        assert_eq!((greeting.nonce.len(), greeting.capabilities & CAPABILITY_TLS), (20, CAPABILITY_TLS));
        for length in 0..40 {
            assert!(Greeting::parse(&bytes[..length]).is_none());
        }
    }
}
