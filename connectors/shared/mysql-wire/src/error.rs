//! What the server's errors mean to the worker.

use couplet_api::Kind;
use couplet_api::error::Error;

/// The class the JDBC driver's errors have in traces.
const DRIVER_ERROR: &str = "java.sql.SQLException";

/// An error that the server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// MySQL's number.
    pub code: u16,
    /// Five characters; empty before log-in.
    pub state: String,
    /// The text.
    pub message: String,
}

impl SqlError {
    /// Reads the body of an error packet, without its first byte.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let code = body.first_chunk::<2>().map_or(0, |b| u16::from_le_bytes(*b));
        let rest = body.get(2..).unwrap_or_default();
        let (state, message) = match rest.strip_prefix(b"#") {
            Some(rest) if rest.len() >= 5 => rest.split_at(5),
            _ => (&rest[..0], rest),
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        SqlError { code, state: text(state), message: text(message) }
    }

    /// As an error of the connector.
    pub fn into_error(self) -> Error {
        let text = format!("{} (error {}, SQLSTATE {})", self.message, self.code, self.state);
        Error::new(self.kind(), text).with_class(DRIVER_ERROR)
    }

    /// By number: what waiting can mend is `Remote`.
    fn kind(&self) -> Kind {
        match self.code {
            // Too many connections, shutdown, lock time-outs, deadlock, killed, lost.
            1040
            | 1053
            | 1077
            | 1079
            | 1080
            | 1129
            | 1152..=1161
            | 1184
            | 1203
            | 1205
            | 1213
            | 1317
            | 1927
            | 2006
            | 2013
            | 3024 => Kind::Remote,
            // Wrong user, password or host; missing rights.
            1044 | 1045 | 1130 | 1131 | 1133 | 1142 | 1143 | 1227 | 1251 | 1698 | 3118 => Kind::Auth,
            _ => Kind::Fatal,
        }
    }
}

/// The connection broke.
pub(crate) fn broken(error: &std::io::Error) -> Error {
    Error::remote(format!("Communications link failure: {error}")).with_class(DRIVER_ERROR)
}

/// The server said something that cannot be understood.
pub(crate) fn malformed(what: &str) -> Error {
    Error::fatal(format!("the server sent a malformed {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_packet_says_code_state_and_text() {
        let error = SqlError::parse(b"\x15\x04#28000Access denied");
        assert_eq!((error.code, error.state.as_str(), error.message.as_str()), (1045, "28000", "Access denied"));
        assert_eq!(error.into_error().kind(), Kind::Auth);
        assert_eq!(SqlError::parse(b"\x10\x04Too many").into_error().kind(), Kind::Remote);
        assert_eq!(SqlError::parse(b"").into_error().kind(), Kind::Fatal);
    }
}
