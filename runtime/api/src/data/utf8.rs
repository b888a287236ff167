use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Error, Result};

/// Text as a slice of the buffer it arrived in; checked to be UTF-8 once, on entry. Cloning is a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Utf8(ByteString);

impl Utf8 {
    /// Text that needs no allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Utf8(ByteString::from_static(text))
    }

    /// Takes `bytes` as text.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when `bytes` is not UTF-8.
    pub fn new(bytes: Bytes) -> Result<Self> {
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Utf8(text)),
            Err(error) => Err(Error::data(format!("text is not UTF-8 at byte {}", error.valid_up_to()))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }
}

impl Deref for Utf8 {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Utf8 {
    fn from(text: &str) -> Self {
        Utf8(ByteString::from(text))
    }
}

impl From<String> for Utf8 {
    fn from(text: String) -> Self {
        Utf8(ByteString::from(text))
    }
}

impl fmt::Debug for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Utf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
