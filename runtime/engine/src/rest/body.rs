//! Bodies of requests, read as the JVM's JSON parser reads them: a number keeps the text it was written with.

use std::fmt;

use couplet_api::config::Props;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::respond::Failure;

/// A JSON value as it was written.
pub(super) type Json = Box<RawValue>;

/// The members of an object in order; of equal names the last value counts, in the first one's place.
#[derive(Debug, Default)]
pub(super) struct Object(Vec<(String, Json)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members: Vec<(String, Json)> = Vec::new();
                let mut places = std::collections::HashMap::new();
                while let Some((name, value)) = map.next_entry::<String, Json>()? {
                    match places.get(&name) {
                        Some(&place) => members[place] = (name, value),
                        None => {
                            places.insert(name.clone(), members.len());
                            members.push((name, value));
                        }
                    }
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

impl Object {
    /// The member `name`; none when it is absent or null.
    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_ref()).filter(|value| value.get() != "null")
    }

    /// Refuses members that the object does not have.
    ///
    /// # Errors
    /// 500, naming the first of them.
    pub(super) fn only_known(&self, known: &[&str]) -> Result<(), Failure> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) => {
                Err(Failure::internal(format!("Unrecognized field {name:?}; known fields are: {}", known.join(", "))))
            }
        }
    }

    /// Settings: text as it is, numbers and truth values as they were written, null as null.
    ///
    /// # Errors
    /// 500 for a list or an object.
    pub(super) fn into_props(self) -> Result<Props, Failure> {
        let mut props = Props::new();
        for (name, value) in self.0 {
            let value = text(&value, &name)?;
            props.set_nullable(name, value);
        }
        Ok(props)
    }
}

/// A body's JSON; none for an empty body and for `null`. A byte order mark is skipped, nothing may follow the value.
///
/// # Errors
/// 500: the JVM answers malformed bodies so.
pub(super) fn parse(body: &[u8]) -> Result<Option<Json>, Failure> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    if body.trim_ascii().is_empty() {
        return Ok(None);
    }
    let value: Json = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    Ok(Some(value).filter(|value| value.get() != "null"))
}

/// The body as an object; `what` is its name in messages.
///
/// # Errors
/// 500 when there is no body, or it is `null` or of another type.
pub(super) fn object(body: &[u8], what: &str) -> Result<Object, Failure> {
    match parse(body)? {
        Some(value) => as_object(&value, what),
        None => Err(Failure::internal(format!("The body must be {what}, but there is none"))),
    }
}

/// `value` as an object; `what` is its name in messages.
///
/// # Errors
/// 500 for any other type.
pub(super) fn as_object(value: &RawValue, what: &str) -> Result<Object, Failure> {
    match value.get().starts_with('{') {
        true => serde_json::from_str(value.get()).map_err(|error| malformed(&error)),
        false => Err(Failure::internal(format!("There must be {what}, not {}", kind(value)))),
    }
}

/// `value` as a list; `what` is its name in messages.
///
/// # Errors
/// 500 for any other type.
pub(super) fn as_list(value: &RawValue, what: &str) -> Result<Vec<Json>, Failure> {
    match value.get().starts_with('[') {
        true => serde_json::from_str(value.get()).map_err(|error| malformed(&error)),
        false => Err(Failure::internal(format!("There must be {what}, not {}", kind(value)))),
    }
}

/// The text of a scalar; none for null. `place` is its name in the message.
///
/// # Errors
/// 500 for a list or an object.
pub(super) fn text(value: &RawValue, place: &str) -> Result<Option<String>, Failure> {
    match value.get().as_bytes().first() {
        Some(b'n') => Ok(None),
        Some(b'"') => serde_json::from_str(value.get()).map(Some).map_err(|error| malformed(&error)),
        Some(b'{' | b'[') => {
            Err(Failure::internal(format!("The value of {place:?} must be text, not {}", kind(value))))
        }
        _ => Ok(Some(value.get().to_owned())),
    }
}

fn malformed(error: &serde_json::Error) -> Failure {
    Failure::internal(format!("The body is not JSON: {error}"))
}

/// What a value is, in a sentence.
pub(super) fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a truth value",
        Some(b'"') => "text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_become_their_text() {
        let body = br#"{"a":"x","b":1.50,"c":1e3,"d":1E-7,"e":true,"f":-0,"g":123456789012345678901234567890,"h":null,"a":"y"}"#;
        let props = object(body, "an object").and_then(Object::into_props).expect("scalars");
        let got: Vec<_> = props.iter().collect();
        let want = [
            ("a", Some("y")),
            ("b", Some("1.50")),
            ("c", Some("1e3")),
            ("d", Some("1E-7")),
            ("e", Some("true")),
            ("f", Some("-0")),
            ("g", Some("123456789012345678901234567890")),
            ("h", None),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn bodies_that_are_refused() {
        let bodies: [&[u8]; 9] =
            [b"{bad", b"{\"a\":", b"{} trailing", b"{'a':1}", b"{/**/}", b"[]", b"null", b"", b"{\"a\":{}}"];
        for body in bodies {
            assert!(object(body, "an object").and_then(Object::into_props).is_err(), "{body:?}");
        }
        assert!(object(b"\xEF\xBB\xBF{}", "an object").is_ok(), "a byte order mark is no error");
    }
}
