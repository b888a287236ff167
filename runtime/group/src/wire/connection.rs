use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use couplet_api::Error;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::{Message, Request, StrBytes};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frame::{self, RESPONSE_BYTES_MAX};
use super::versions::Versions;
use super::{ClientConfig, Node, sasl};
use crate::membership::Failure;
use crate::observer::{Measured, Observer};

/// What may be wrong when a broker does not even greet.
const HINT: &str = "is this a listener of the configured security.protocol?";

/// A stream of any kind.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Bytes that went over a connection so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traffic {
    sent: usize,
    received: usize,
}

impl Traffic {
    /// Bytes sent and received since it was `before`.
    pub(super) fn since(self, before: Traffic) -> (usize, usize) {
        (self.sent - before.sent, self.received - before.received)
    }
}

/// Tells of a connection's beginning and end.
struct Presence(Arc<dyn Observer>);

impl Presence {
    fn new(observer: &Arc<dyn Observer>) -> Self {
        observer.note(Measured::Connected);
        Presence(observer.clone())
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.note(Measured::Disconnected);
    }
}

/// An open connection that knows what its broker can do. Carries one request at a time; a request that is dropped half way
/// takes the connection with it, because the caller holds it alone.
pub(super) struct Connection {
    stream: Box<dyn Io>,
    client_id: String,
    correlation_id: i32,
    pub(super) versions: Versions,
    /// When it was last used.
    pub(super) used: Instant,
    /// When the broker wants to know again who we are (KIP-368); a new connection is made then.
    pub(super) expires: Option<Instant>,
    pub(super) traffic: Traffic,
    presence: Presence,
}

pub(super) fn unavailable(node: &Node, why: impl std::fmt::Display) -> Failure {
    Failure::Unavailable(format!("broker {node}: {why}"))
}

pub(super) fn fatal(error: Error) -> Failure {
    Failure::Fatal(error.into())
}

impl Connection {
    /// Connects, secures the stream, and asks for the broker's versions.
    pub(super) async fn open(
        config: &ClientConfig,
        node: &Node,
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, Failure> {
        let stream = timeout(config.setup_timeout, connect(config, node));
        let stream = stream
            .await
            .map_err(|_| unavailable(node, "no connection within socket.connection.setup.timeout.ms"))??;
        let mut connection = Connection {
            stream,
            client_id: config.client_id.clone(),
            correlation_id: 0,
            versions: Versions::default(),
            used: Instant::now(),
            expires: None,
            traffic: Traffic::default(),
            presence: Presence::new(observer),
        };
        let began = Instant::now();
        let greeting = timeout(config.request_timeout, connection.introduce(config, node));
        greeting.await.map_err(|_| unavailable(node, format!("no answer within request.timeout.ms; {HINT}")))??;
        let (sent, received) = connection.traffic.since(Traffic::default());
        observer.note(Measured::Exchange { node: node.id, sent, received, took: began.elapsed() });
        Ok(connection)
    }

    /// Asks for versions, then says who we are.
    async fn introduce(&mut self, config: &ClientConfig, node: &Node) -> Result<(), Failure> {
        self.greet().await.map_err(|error| match refusal(&error) {
            Some(cause) => handshake_refused(node, cause),
            None => unavailable(node, format!("{error}; {HINT}")),
        })?;
        match &config.credentials {
            Some(credentials) => {
                let outcome = sasl::authenticate(self, credentials, node).await;
                self.presence.0.note(Measured::Authenticated(outcome.is_ok()));
                outcome
            }
            None => Ok(()),
        }
    }

    async fn greet(&mut self) -> io::Result<()> {
        let name = |text: &'static str| StrBytes::from_static_str(text);
        let request = ApiVersionsRequest::default()
            .with_client_software_name(name("couplet"))
            .with_client_software_version(name(env!("CARGO_PKG_VERSION")));
        // Version 3 is what every broker since 2.4 takes; older ones answer with an error in version 0.
        let frame = self.exchange(3, &request).await?;
        let response = match frame::decode::<ApiVersionsRequest>(self.correlation_id, 3, frame) {
            Ok(response) if response.error_code == 0 => response,
            _ => self.call_as(0, &ApiVersionsRequest::default()).await?,
        };
        if let Some(error) = ResponseError::try_from_code(response.error_code) {
            return Err(malformed(format!("{error:?} from ApiVersions")));
        }
        self.versions = Versions::new(&response);
        Ok(())
    }

    /// Sends `request` and waits for the answer, however long that takes.
    pub(super) async fn call_as<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        let frame = self.exchange(version, request).await?;
        self.used = Instant::now();
        frame::decode::<R>(self.correlation_id, version, frame).map_err(malformed)
    }

    async fn exchange<R: Request>(&mut self, version: i16, request: &R) -> io::Result<Bytes> {
        debug_assert!(<R as Message>::VERSIONS.max >= version);
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame = frame::encode(&self.client_id, self.correlation_id, version, request).map_err(malformed)?;
        self.traffic.sent += frame.len();
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        let length = self.stream.read_u32().await? as usize;
        if length > RESPONSE_BYTES_MAX {
            return Err(malformed(format!("a response of {length} bytes: this is no Kafka broker's listener")));
        }
        let mut response = Vec::new();
        // Grows with what arrives, not with what the length promises.
        (&mut self.stream).take(length as u64).read_to_end(&mut response).await?;
        // The length itself is four bytes.
        self.traffic.received += response.len() + 4;
        if response.len() < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(response.into())
    }

    /// Whether the broker has closed it, or said something nobody asked for.
    pub(super) async fn is_stale(&mut self) -> bool {
        let mut byte = [0];
        let stream = &mut self.stream;
        poll_fn(|context| {
            let read = Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut byte));
            Poll::Ready(read.is_ready())
        })
        .await
    }
}

fn malformed(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

async fn connect(config: &ClientConfig, node: &Node) -> Result<Box<dyn Io>, Failure> {
    // All addresses of the name are tried in turn: `client.dns.lookup=use_all_dns_ips`.
    let stream = TcpStream::connect((node.host.as_str(), node.port)).await.map_err(|error| unavailable(node, error))?;
    stream.set_nodelay(true).map_err(|error| unavailable(node, error))?;
    let Some(tls) = &config.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(node.host.clone()).map_err(|error| {
        fatal(Error::config(format!("the broker's name {} cannot be checked by TLS: {error}", node.host)))
    })?;
    let secured = tokio_rustls::TlsConnector::from(tls.clone()).connect(name, stream).await;
    match secured {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(tls_failure(node, &error)),
    }
}

/// A refused certificate will be refused again; a cut connection may come back.
fn tls_failure(node: &Node, error: &io::Error) -> Failure {
    match refusal(error) {
        Some(cause) => handshake_refused(node, cause),
        None => unavailable(node, format!("SSL handshake: {error}")),
    }
}

fn handshake_refused(node: &Node, cause: &rustls::Error) -> Failure {
    let hint = match cause {
        rustls::Error::InvalidCertificate(_) => "; see ssl.truststore.* and ssl.endpoint.identification.algorithm",
        rustls::Error::AlertReceived(_) => "; the broker does not accept ssl.keystore.*, or ssl.enabled.protocols",
        _ => "; see security.protocol and ssl.enabled.protocols",
    };
    fatal(Error::auth(format!("SSL handshake with broker {node} failed: {cause}{hint}")))
}

/// What one side of a handshake does not accept in the other, if that is why the connection failed.
fn refusal(error: &io::Error) -> Option<&rustls::Error> {
    use rustls::AlertDescription as Alert;
    let cause = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let is_refusal = match cause {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::PeerIncompatible(_)
        | rustls::Error::InvalidMessage(_)
        | rustls::Error::NoCertificatesPresented => true,
        // Alerts of a broker that stops are no verdict on us.
        rustls::Error::AlertReceived(alert) => {
            !matches!(alert, Alert::CloseNotify | Alert::InternalError | Alert::UserCanceled)
        }
        _ => false,
    };
    is_refusal.then_some(cause)
}
