use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::{Error, Result};

/// Text as a slice of the buffer it arrived in; checked to be UTF-8 once, on entry. Cloning is a reference count.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Utf8(Bytes);

impl Utf8 {
    /// Text that needs no allocation.
    pub const fn from_static(text: &'static str) -> Self {
        Utf8(Bytes::from_static(text.as_bytes()))
    }

    /// Takes `bytes` as text.
    ///
    /// # Errors
    /// [`crate::Kind::Data`] when `bytes` is not UTF-8.
    pub fn new(bytes: Bytes) -> Result<Self> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Utf8(bytes)),
            Err(error) => Err(Error::data(format!("text is not UTF-8 at byte {}", error.valid_up_to()))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // The check on entry makes the fallback unreachable; a wrong byte would show as an empty string, never as a panic.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes of the text.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
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
        Utf8(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Utf8 {
    fn from(text: String) -> Self {
        Utf8(Bytes::from(text.into_bytes()))
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
