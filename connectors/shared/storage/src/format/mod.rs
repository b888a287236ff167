//! What the bytes of a record are: `io.confluent.connect.storage.format`.

mod bytes;
mod json;
mod text;

pub use bytes::BytesFormat;
pub use couplet_plugins::json::DecimalFormat;
pub use json::JsonFormat;
pub use text::to_text;

use ::bytes::BytesMut;
use couplet_api::Result;
use couplet_api::data::{Datum, Header};

/// Writes records into files.
#[derive(Debug)]
pub enum Format {
    /// One JSON value a line.
    Json(JsonFormat),
    /// Bytes as they are, with a separator behind each value.
    Bytes(BytesFormat),
}

impl Format {
    /// Extension of the files, with its dot.
    pub fn extension(&self) -> &str {
        match self {
            Format::Json(_) => ".json",
            Format::Bytes(bytes) => bytes.extension(),
        }
    }

    /// Appends one key or value.
    ///
    /// # Errors
    /// `Kind::Data` when the format cannot hold it; `out` may then hold a part.
    pub fn write(&self, datum: &Datum, out: &mut BytesMut) -> Result<()> {
        match self {
            Format::Json(json) => json.write(datum, out),
            Format::Bytes(bytes) => bytes.write(datum, out),
        }
    }

    /// Appends the headers of one record.
    ///
    /// # Errors
    /// `Kind::Data` for a header that is null, or for the bytes format, which has no headers.
    pub fn write_headers(&self, headers: &[Header], out: &mut BytesMut) -> Result<()> {
        match self {
            Format::Json(json) => json.write_headers(headers, out),
            Format::Bytes(bytes) => bytes.refuse_headers(),
        }
    }
}

/// Which part of a record a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Values.
    Values,
    /// Keys.
    Keys,
    /// Headers.
    Headers,
}

impl Part {
    /// What stands between a file's name and its extension.
    pub const fn suffix(self) -> &'static str {
        match self {
            Part::Values => "",
            Part::Keys => ".keys",
            Part::Headers => ".headers",
        }
    }
}
