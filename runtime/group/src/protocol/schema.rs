//! Kafka's generic schema types (`org.apache.kafka.common.protocol.types`), with their errors.

use couplet_api::{Error, Result};

/// The class that the JVM's errors name.
const CLASS: &str = "org.apache.kafka.common.protocol.types.SchemaException";

/// What Java says when a buffer ends too early.
const UNDERFLOW: &str = "java.nio.BufferUnderflowException";

fn error(message: impl Into<String>) -> Error {
    Error::data(message).with_class(CLASS)
}

/// Reads a struct from bytes of others. Every length is checked against what is there before anything is allocated.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes }
    }

    /// Reads the version in front of everything.
    pub(super) fn version(&mut self) -> Result<i16> {
        let version = self.field("version", Reader::i16)?;
        if version < 0 {
            return Err(error(format!("Unsupported subscription version: {version}")));
        }
        Ok(version)
    }

    /// Reads a field with `read`; errors name it.
    pub(super) fn field<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T> {
        read(self).map_err(|why| error(format!("Error reading field '{name}': {why}")))
    }

    /// Reads a field of a schema that tolerates missing fields, when this one has no default.
    pub(super) fn required<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T> {
        if self.bytes.is_empty() {
            let why = format!("Missing value for field '{name}' which has no default value.");
            return Err(error(format!("Error reading field '{name}': {why}")));
        }
        self.field(name, read)
    }

    /// Reads a field of a schema that tolerates missing fields, when this one has a default.
    pub(super) fn optional<T: Default>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T> {
        if self.bytes.is_empty() { Ok(T::default()) } else { self.field(name, read) }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) = self.bytes.split_first_chunk::<N>().ok_or(UNDERFLOW)?;
        self.bytes = rest;
        Ok(*head)
    }

    pub(super) fn i16(&mut self) -> Result<i16, String> {
        self.fixed().map(i16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, String> {
        self.fixed().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, String> {
        self.fixed().map(i64::from_be_bytes)
    }

    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], String> {
        let Some((taken, rest)) = self.bytes.split_at_checked(length) else {
            let there = self.bytes.len();
            return Err(format!("Error reading {what} {length}, only {there} bytes available"));
        };
        self.bytes = rest;
        Ok(taken)
    }

    /// `STRING`. Malformed UTF-8 is replaced, as Java does.
    pub(super) fn string(&mut self) -> Result<String, String> {
        let length = self.i16()?;
        let length = usize::try_from(length).map_err(|_| format!("String length {length} cannot be negative"))?;
        Ok(String::from_utf8_lossy(self.take(length, "string of length")?).into_owned())
    }

    /// `NULLABLE_BYTES`.
    pub(super) fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, String> {
        match usize::try_from(self.i32()?) {
            Ok(length) => self.take(length, "bytes of size").map(Some),
            Err(_) => Ok(None),
        }
    }

    /// An array of at most as many items as bytes are left. `nullable`: null reads as empty.
    pub(super) fn array<T>(
        &mut self,
        nullable: bool,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let size = self.i32()?;
        let Ok(size) = usize::try_from(size) else {
            return if nullable { Ok(Vec::new()) } else { Err(format!("Array size {size} cannot be negative")) };
        };
        if size > self.bytes.len() {
            let there = self.bytes.len();
            return Err(format!("Error reading array of size {size}, only {there} bytes available"));
        }
        (0..size).map(|_| item(self)).collect()
    }

    /// A struct within a struct: its fields' errors become the reason of the outer field's.
    pub(super) fn nested<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<T, String> {
        read(self).map_err(|why| format!("Error reading field '{name}': {why}"))
    }
}

/// Appends a `STRING`.
///
/// # Errors
/// `Kind::Data` when it is longer than 32767 bytes; the error names the field.
pub(super) fn put_string(out: &mut Vec<u8>, field: &str, text: &str) -> Result<()> {
    let length = i16::try_from(text.len()).map_err(|_| {
        let length = text.len();
        error(format!(
            "Error writing field '{field}': String length {length} is larger than the maximum string length."
        ))
    })?;
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
    Ok(())
}

/// Appends the length of an array or of bytes.
///
/// # Errors
/// `Kind::Data` when it does not fit; the error names the field.
pub(super) fn put_length(out: &mut Vec<u8>, field: &str, length: usize) -> Result<()> {
    let length = i32::try_from(length).map_err(|_| error(format!("Error writing field '{field}': it is too long")))?;
    out.extend(length.to_be_bytes());
    Ok(())
}
