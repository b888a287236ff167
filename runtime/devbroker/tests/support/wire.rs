//! A client that says exactly what it is told to, for requests and versions that librdkafka does not send.

use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Wire {
    stream: TcpStream,
    correlation_id: i32,
}

impl Wire {
    pub async fn connect(bootstrap: &str) -> Wire {
        Wire { stream: TcpStream::connect(bootstrap).await.unwrap(), correlation_id: 0 }
    }

    pub async fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let key = ApiKey::try_from(R::KEY).unwrap();
        self.call_as(version, version, request).await.unwrap_or_else(|| panic!("{key:?} version {version}: no answer"))
    }

    /// Sends a request under a version that need not exist, and reads the answer as `answer_version`.
    /// `None` when the broker hangs up instead.
    pub async fn call_as<R: Request>(&mut self, named: i16, answer_version: i16, request: &R) -> Option<R::Response> {
        self.correlation_id += 1;
        let mut frame = Vec::new();
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(named)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("wire")));
        header.encode(&mut frame, R::header_version(answer_version)).unwrap();
        let key = ApiKey::try_from(R::KEY).unwrap();
        request.encode(&mut frame, answer_version).unwrap_or_else(|error| panic!("{key:?} {answer_version}: {error}"));
        self.send_frame(&frame).await;
        let mut answer = self.receive_frame().await?;
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(answer_version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation_id);
        let response = R::Response::decode(&mut answer, answer_version).unwrap();
        assert!(answer.is_empty(), "{key:?} version {answer_version}: {} bytes too many", answer.len());
        Some(response)
    }

    pub async fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(frame);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next answer without its length; `None` when the broker hung up.
    pub async fn receive_frame(&mut self) -> Option<bytes::Bytes> {
        let length = self.stream.read_u32().await.ok()?;
        let mut frame = vec![0; length as usize];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame.into())
    }
}
