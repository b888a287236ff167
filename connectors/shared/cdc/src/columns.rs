//! Settings that change single columns: truncation, masking, hashing, and the source type as schema parameters.

use couplet_api::Result;
use couplet_api::config::Props;
use couplet_api::data::{SchemaBuilder, Value};
use couplet_api::error::Error;
use md5::{Digest, Md5};
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::filter::{Patterns, TableId};

/// What is done to a column's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnChange {
    /// Replaced by this many asterisks, nulls too.
    Mask(usize),
    /// Cut to this many UTF-16 units.
    Truncate(usize),
    /// Texts are replaced by their salted hash in hex, cut to `length` digits.
    Hash {
        /// How.
        hash: Hash,
        /// Length of the column.
        length: usize,
    },
}

/// A hash function with its salt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    algorithm: Algorithm,
    salt: String,
    /// Whether the text itself is hashed; else its form under Java's serialization, as the first version did.
    plain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// A length that a column does not have.
const UNSET: i32 = -1;

/// A column's type in the database.
#[derive(Debug, Clone, Copy)]
pub struct SourceType<'a> {
    /// Name of the column.
    pub column: &'a str,
    /// Name of the type.
    pub name: &'a str,
    /// Length or precision; -1: it has none.
    pub length: i32,
    /// Scale, if known.
    pub scale: Option<i32>,
}

/// The settings `column.mask.with.N.chars`, `column.mask.hash.…`, `column.truncate.to.N.chars`,
/// `column.propagate.source.type` and `datatype.propagate.source.type`.
#[derive(Debug, Clone, Default)]
pub struct ColumnChanges {
    changes: Vec<(Patterns, ColumnChange)>,
    propagate_columns: Option<Patterns>,
    propagate_types: Option<Patterns>,
}

impl ColumnChanges {
    /// Reads the settings out of `props`.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for a wrong number, list, or hash function.
    pub fn new(props: &Props) -> Result<Self> {
        let mut all = ColumnChanges::default();
        for (key, list) in props.iter() {
            let Some(list) = list else { continue };
            let patterns = || Patterns::new(list).map_err(|problem| Error::config(crate::invalid(key, &problem)));
            let number = |prefix: &str| -> Option<Result<usize>> {
                let digits = key.strip_prefix(prefix)?.strip_suffix(".chars")?;
                Some(
                    digits.parse().map_err(|_| Error::config(format!("{key}: {digits} is not a number of characters"))),
                )
            };
            if let Some(rest) = key.strip_prefix("column.mask.hash.") {
                let hash = Hash::new(rest).map_err(|problem| Error::config(format!("{key}: {problem}")))?;
                all.changes.push((patterns()?, ColumnChange::Hash { hash, length: usize::MAX }));
            } else if let Some(length) = number("column.mask.with.") {
                all.changes.push((patterns()?, ColumnChange::Mask(length?)));
            } else if let Some(length) = number("column.truncate.to.") {
                all.changes.push((patterns()?, ColumnChange::Truncate(length?)));
            } else if key == "column.propagate.source.type" {
                all.propagate_columns = Some(patterns()?);
            } else if key == "datatype.propagate.source.type" {
                all.propagate_types = Some(patterns()?);
            }
        }
        Ok(all)
    }

    /// What is done to `column` of `table`; `text`: whether it is a character column, `length` its length.
    pub fn of(&self, table: &TableId, column: &str, text: bool, length: i32) -> Option<ColumnChange> {
        let name = format!("{table}.{column}");
        let (_, change) = self.changes.iter().find(|(patterns, _)| patterns.matches(&name))?;
        match change {
            ColumnChange::Mask(_) if text => Some(change.clone()),
            ColumnChange::Hash { hash, .. } if text => {
                let length = usize::try_from(length).ok().filter(|l| *l > 0).unwrap_or(usize::MAX);
                Some(ColumnChange::Hash { hash: hash.clone(), length })
            }
            ColumnChange::Truncate(to) if length < 0 || usize::try_from(length).is_ok_and(|l| l > *to) => {
                Some(change.clone())
            }
            _ => None,
        }
    }

    /// Adds the parameters these settings ask for to the schema of a column.
    pub fn describe(&self, schema: SchemaBuilder, table: &TableId, source: SourceType<'_>) -> SchemaBuilder {
        let name = format!("{table}.{}", source.column);
        let mut schema = schema;
        if let Some((_, change)) = self.changes.iter().find(|(patterns, _)| patterns.matches(&name)) {
            schema = match change {
                ColumnChange::Mask(_) | ColumnChange::Hash { .. } => schema.parameter("masked", "true"),
                ColumnChange::Truncate(to) if usize::try_from(source.length).map_or(true, |l| l > *to) => {
                    schema.parameter("truncateLength", to.to_string())
                }
                ColumnChange::Truncate(_) => schema,
            };
        }
        let typed = format!("{table}.{}", source.name);
        let by_column = self.propagate_columns.as_ref().is_some_and(|p| p.matches(&name));
        let by_type = self.propagate_types.as_ref().is_some_and(|p| p.matches(&typed));
        if !by_column && !by_type {
            return schema;
        }
        schema = schema.parameter("__debezium.source.column.type", source.name.to_uppercase());
        if source.length != UNSET {
            schema = schema.parameter("__debezium.source.column.length", source.length.to_string());
        }
        if let Some(scale) = source.scale {
            schema = schema.parameter("__debezium.source.column.scale", scale.to_string());
        }
        schema.parameter("__debezium.source.column.name", source.column)
    }
}

impl ColumnChange {
    /// The value to send instead of `value`.
    pub fn apply(&self, value: Value) -> Value {
        match (self, value) {
            (ColumnChange::Mask(length), _) => Value::str("*".repeat(*length)),
            (ColumnChange::Truncate(to), Value::Str(text)) if text.encode_utf16().nth(*to).is_some() => {
                let units: Vec<u16> = text.encode_utf16().take(*to).collect();
                Value::str(String::from_utf16_lossy(&units))
            }
            (ColumnChange::Truncate(to), Value::Bytes(bytes)) if bytes.len() > *to => Value::Bytes(bytes.slice(..*to)),
            (ColumnChange::Hash { hash, length }, Value::Str(text)) => {
                let digits = hash.of(&text);
                Value::str(&digits[..digits.len().min(*length)])
            }
            (ColumnChange::Truncate(_) | ColumnChange::Hash { .. }, value) => value,
        }
    }
}

impl Hash {
    /// Reads `SHA-256.with.salt.SALT`, with `v2.` in front for the second version.
    fn new(text: &str) -> Result<Self, String> {
        let (plain, text) = text.strip_prefix("v2.").map_or((false, text), |rest| (true, rest));
        let (name, salt) = text.split_once(".with.salt.").ok_or("ALGORITHM.with.salt.SALT is expected")?;
        let algorithm = match name.to_ascii_uppercase().as_str() {
            "MD5" => Algorithm::Md5,
            "SHA-224" => Algorithm::Sha224,
            "SHA-256" => Algorithm::Sha256,
            "SHA-384" => Algorithm::Sha384,
            "SHA-512" => Algorithm::Sha512,
            _ => return Err(format!("{name} is not one of MD5, SHA-224, SHA-256, SHA-384, SHA-512")),
        };
        Ok(Hash { algorithm, salt: salt.to_owned(), plain })
    }

    fn of(&self, text: &str) -> String {
        let mut input = self.salt.as_bytes().to_vec();
        if !self.plain {
            input.extend(serialized_head(text));
        }
        input.extend(text.as_bytes());
        match self.algorithm {
            Algorithm::Md5 => hex::encode(Md5::digest(&input)),
            Algorithm::Sha224 => hex::encode(Sha224::digest(&input)),
            Algorithm::Sha256 => hex::encode(Sha256::digest(&input)),
            Algorithm::Sha384 => hex::encode(Sha384::digest(&input)),
            Algorithm::Sha512 => hex::encode(Sha512::digest(&input)),
        }
    }
}

/// What `ObjectOutputStream` writes in front of a string: its header, a mark, the length. Beyond the basic plane and for
/// NUL, Java's own UTF-8 differs; such texts hash differently here.
fn serialized_head(text: &str) -> Vec<u8> {
    let mut head = vec![0xac, 0xed, 0x00, 0x05];
    match u16::try_from(text.len()) {
        Ok(length) => {
            head.push(0x74);
            head.extend(length.to_be_bytes());
        }
        Err(_) => {
            head.push(0x7c);
            head.extend((text.len() as u64).to_be_bytes());
        }
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_masked_and_cut() {
        let props = Props::from_iter([
            ("column.mask.with.3.chars", "public.t.a"),
            ("column.truncate.to.2.chars", "public.t.(b|c)"),
        ]);
        let changes = ColumnChanges::new(&props).expect("valid");
        let table = TableId::new("public", "t");
        let of = |column: &str, text, length| changes.of(&table, column, text, length);
        assert_eq!(of("a", true, 10), Some(ColumnChange::Mask(3)));
        assert_eq!(of("a", false, 10), None, "a number is not masked");
        assert_eq!(of("b", true, 2), None, "nothing to cut");
        assert_eq!(of("c", true, i32::MAX).map(|c| c.apply(Value::str("xyz"))), Some(Value::str("xy")));
        assert_eq!(ColumnChange::Mask(2).apply(Value::Null), Value::str("**"));
    }

    #[test]
    fn texts_are_hashed_in_both_versions() {
        let props = Props::from_iter([
            ("column.mask.hash.MD5.with.salt.abc", "public.t.(a|g)"),
            ("column.mask.hash.v2.MD5.with.salt.abc", "public.t.b"),
        ]);
        let changes = ColumnChanges::new(&props).expect("valid");
        let table = TableId::new("public", "t");
        let hashed = |column: &str, length, text: &str| {
            changes.of(&table, column, true, length).map(|change| change.apply(Value::str(text)))
        };
        assert_eq!(hashed("a", 40, "sensitive"), Some(Value::str("a12deef2be165216baea9dc8328a6276")));
        assert_eq!(hashed("b", i32::MAX, "long text value"), Some(Value::str("8a421f9db510452c8b478f8ebe0de217")));
        assert_eq!(hashed("g", 5, "12345"), Some(Value::str("40e68")));
        let unknown = Props::from_iter([("column.mask.hash.CRC.with.salt.x", "public.t.a")]);
        assert!(ColumnChanges::new(&unknown).expect_err("refused").message().contains("CRC is not one of"));
    }
}
