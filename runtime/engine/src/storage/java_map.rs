//! Java's serialization of `HashMap<byte[], byte[]>`: the bytes of a standalone worker's offsets file. Pure.
//!
//! Source: Java Object Serialization Specification, chapter 6; contract: golden `connect/topics/standalone-offsets-file.jsonl`.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Keys and values; a value may be null.
pub(super) type Entries = BTreeMap<Bytes, Option<Bytes>>;

/// Stream header, then the description of class `java.util.HashMap` and its fields `loadFactor` and `threshold`.
const HEAD: &[u8] = b"\xac\xed\x00\x05\x73\x72\x00\x11java.util.HashMap\x05\x07\xda\xc1\xc3\x16\x60\xd1\x03\x00\x02\
                      F\x00\x0aloadFactorI\x00\x09threshold\x78\x70";
/// The load factor 0.75.
const LOAD_FACTOR: &[u8] = b"\x3f\x40\x00\x00";
/// The description of class `byte[]`, as the first array has it.
const BYTES_CLASS: &[u8] = b"\x72\x00\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\x00\x00\x78\x70";
/// What later arrays have instead: a reference to the stream's third object.
const BYTES_CLASS_AGAIN: &[u8] = b"\x71\x00\x7e\x00\x02";
/// Number of the first object of a stream.
const FIRST_HANDLE: u32 = 0x007e_0000;
/// Objects that come before the first array: class HashMap, the map, class `byte[]`.
const ARRAYS_BEGIN: u32 = FIRST_HANDLE + 3;

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const ARRAY: u8 = 0x75;
const BLOCK: u8 = 0x77;
const END: u8 = 0x78;

/// The bytes of a map.
pub(super) fn write(entries: &Entries) -> Vec<u8> {
    let mut capacity: u32 = 16;
    while entries.len() > capacity as usize / 4 * 3 {
        capacity *= 2;
    }
    let threshold = if entries.is_empty() { 0 } else { capacity / 4 * 3 };
    let mut out = [HEAD, LOAD_FACTOR].concat();
    out.extend(threshold.to_be_bytes());
    out.extend([BLOCK, 8]);
    out.extend(capacity.to_be_bytes());
    out.extend(length(entries.len()));
    let mut class = BYTES_CLASS;
    for (key, value) in entries {
        for bytes in [Some(key), value.as_ref()] {
            match bytes {
                None => out.push(NULL),
                Some(bytes) => {
                    out.push(ARRAY);
                    out.extend(std::mem::replace(&mut class, BYTES_CLASS_AGAIN));
                    out.extend(length(bytes.len()));
                    out.extend(&bytes[..]);
                }
            }
        }
    }
    out.push(END);
    out
}

/// Java's arrays have at most 2^31-1 elements.
fn length(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

/// The map in `bytes`.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn read(bytes: &Bytes) -> Result<Entries, String> {
    let mut reader = Reader { bytes, at: 0, arrays: Vec::new() };
    reader.expect(HEAD)?;
    reader.take(8)?;
    reader.expect(&[BLOCK, 8])?;
    reader.take(4)?;
    let size = reader.number()?;
    let mut entries = Entries::new();
    for _ in 0..size {
        let key = reader.array()?.ok_or_else(|| reader.wrong("a null key"))?;
        let value = reader.array()?;
        entries.insert(key, value);
    }
    reader.expect(&[END])?;
    Ok(entries)
}

struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    /// Arrays read so far; the stream may refer to them again.
    arrays: Vec<Bytes>,
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("not a Java map of byte arrays: {what} at byte {}", self.at)
    }

    fn take(&mut self, len: usize) -> Result<Bytes, String> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.wrong("the file ends too early"))?;
        let taken = self.bytes.slice(self.at..end);
        self.at = end;
        Ok(taken)
    }

    fn expect(&mut self, want: &[u8]) -> Result<(), String> {
        match self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(want)) {
            true => self.take(want.len()).map(|_| ()),
            false => Err(self.wrong("something else")),
        }
    }

    fn number(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().fold(0, |n, byte| (n << 8) | u32::from(*byte)))
    }

    /// An array of bytes, or null.
    fn array(&mut self) -> Result<Option<Bytes>, String> {
        match self.take(1)?[0] {
            NULL => Ok(None),
            REFERENCE => {
                let index = self.number()?.checked_sub(ARRAYS_BEGIN).and_then(|i| usize::try_from(i).ok());
                let array = index.and_then(|i| self.arrays.get(i)).cloned();
                array.map(Some).ok_or_else(|| self.wrong("an unknown reference"))
            }
            ARRAY => {
                let class = if self.arrays.is_empty() { BYTES_CLASS } else { BYTES_CLASS_AGAIN };
                self.expect(class)?;
                let len = self.number()?;
                let array = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
                self.arrays.push(array.clone());
                Ok(Some(array))
            }
            _ => Err(self.wrong("something else")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(n: usize) -> Entries {
        let value = |i: usize| (!i.is_multiple_of(3)).then(|| Bytes::from(format!("v{i}")));
        let entry = |i: usize| (Bytes::from(format!("k{i}")), value(i));
        (0..n).map(entry).collect()
    }

    #[test]
    fn round_trips_hold() {
        for n in [0, 1, 2, 12, 13, 24, 25, 100] {
            assert_eq!(read(&write(&entries(n)).into()).as_ref(), Ok(&entries(n)), "{n} entries");
        }
    }

    #[test]
    fn damaged_bytes_are_refused_without_a_panic() {
        let bytes = write(&entries(3));
        for end in 0..bytes.len() {
            assert!(read(&Bytes::copy_from_slice(&bytes[..end])).is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            let _ = read(&changed.into());
        }
    }

    /// Every line of the recording: the JVM's bytes are read, and ours are the JVM's where order is not arbitrary.
    #[test]
    fn bytes_are_those_of_the_jvm() {
        let root = std::env::var("COUPLET_GOLDEN")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../integration/golden").to_owned());
        let text = std::fs::read_to_string(format!("{root}/connect/topics/standalone-offsets-file.jsonl"))
            .expect("goldens missing: see integration/golden/README.md");
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("a case");
            let bytes = |value: &serde_json::Value| value.as_str().map(|text| Bytes::from(text.to_owned()));
            let want: Entries = case["entries"]
                .as_object()
                .expect("entries")
                .iter()
                .map(|(k, v)| (k.clone().into(), bytes(v)))
                .collect();
            let hex = case["hex"].as_str().expect("hex");
            let recorded: Vec<u8> =
                (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hex")).collect();
            assert_eq!(read(&recorded.clone().into()).as_ref(), Ok(&want));
            if case["order_is_arbitrary"] == false {
                assert_eq!(write(&want), recorded);
            }
        }
    }
}
