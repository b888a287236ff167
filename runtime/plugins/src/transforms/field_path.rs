//! Paths to nested fields, KIP-821.

use couplet_api::data::{Field, Schema, Struct, Value};
use couplet_api::{Error, Result};

use super::row::{or_default, require_map, require_struct};

const PURPOSE: &str = "nested field access";

/// A path of one or more steps.
#[derive(Debug)]
pub(super) struct FieldPath(Vec<String>);

impl FieldPath {
    /// Reads `text`; in syntax `V2` dots separate steps and backticks quote, in `V1` the text is one name.
    ///
    /// # Errors
    /// [`couplet_api::Kind::Config`] for a backtick without its pair.
    pub(super) fn new(text: &str, syntax: &str) -> Result<Self> {
        if syntax.eq_ignore_ascii_case("V1") {
            return Ok(FieldPath(vec![text.to_owned()]));
        }
        steps(text).map(FieldPath)
    }

    fn split(&self) -> (&str, &[String]) {
        // There is always a last step.
        self.0.split_last().map_or(("", &[]), |(last, parents)| (last, parents))
    }

    /// The field at the end of the path.
    ///
    /// # Errors
    /// When a step leads into something that has no fields.
    pub(super) fn field<'a>(&self, schema: &'a Schema) -> Result<Option<&'a Field>> {
        let (last, parents) = self.split();
        let mut current = schema;
        for step in parents {
            match look_up(current, step)? {
                Some(field) => current = field.schema(),
                None => return Ok(None),
            }
        }
        look_up(current, last)
    }

    /// The value at the end of the path, null where the path ends early.
    ///
    /// # Errors
    /// When a step leads into something that is no struct.
    pub(super) fn value(&self, row: &Struct, replace_null_with_default: bool) -> Result<Value> {
        let (last, parents) = self.split();
        let get = |row: &Struct, name: &str, replace: bool| {
            let index = row.schema().field_index(name)?;
            Some(or_default(&row.values()[index], row.schema().fields()[index].schema(), replace))
        };
        let mut current = std::borrow::Cow::Borrowed(row);
        for step in parents {
            match get(&current, step, true) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(value) => current = std::borrow::Cow::Owned((**require_struct(&value, PURPOSE)?).clone()),
            }
        }
        Ok(get(&current, last, replace_null_with_default).unwrap_or_default())
    }

    /// The value at the end of the path through maps, null where the path ends early.
    ///
    /// # Errors
    /// When a step leads into something that is no map.
    pub(super) fn map_value(&self, map: &Value) -> Result<Value> {
        let (last, parents) = self.split();
        let mut current = map;
        for step in parents {
            match current.get(step) {
                None | Some(Value::Null) => return Ok(Value::Null),
                Some(value) => {
                    require_map(value, PURPOSE)?;
                    current = value;
                }
            }
        }
        Ok(current.get(last).cloned().unwrap_or_default())
    }
}

fn look_up<'a>(schema: &'a Schema, name: &str) -> Result<Option<&'a Field>> {
    if schema.kind() != couplet_api::data::Type::Struct {
        return Err(Error::data("Cannot look up fields on non-struct type"));
    }
    Ok(schema.field(name))
}

fn steps(path: &str) -> Result<Vec<String>> {
    let mut steps = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        if !rest.starts_with('`') {
            let length = rest.find('.');
            steps.push(rest[..length.unwrap_or(rest.len())].to_owned());
            at += length.map_or(rest.len(), |length| length + 1);
            continue;
        }
        let (step, length) = quoted(rest).ok_or_else(|| {
            Error::config(format!(
                "Incomplete backtick pair in path: [{path}], consider adding a backslash before backtick at position {at} \
                 to escape it"
            ))
        })?;
        steps.push(step);
        at += length;
    }
    if path.is_empty() || path.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
}

/// The step between backticks at the start of `text`, and the length with the dot behind it. A backtick that neither a
/// dot nor the end follows is part of the name, and so is one behind a backslash.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut step = String::new();
    let mut start = 1;
    let mut from = 1;
    loop {
        let at = from + text[from..].find('`')?;
        let escaped = text[..at].ends_with('\\');
        if at + 1 == text.len() {
            step.push_str(&text[start..at]);
            return (!escaped).then_some((step, at + 1));
        }
        if text.as_bytes()[at + 1] == b'.' {
            if !escaped {
                step.push_str(&text[start..at]);
                return Some((step, at + 2));
            }
            step.push_str(&text[start..at - 1]);
            step.push('`');
            start = at + 1;
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_at_dots_outside_backticks() {
        let rows: [(&str, &[&str]); 9] = [
            ("a", &["a"]),
            ("a.b.c", &["a", "b", "c"]),
            ("`a.b`.c", &["a.b", "c"]),
            ("a.`b.c`", &["a", "b.c"]),
            ("`a\\`.b`.c", &["a`.b", "c"]),
            ("`a`b`", &["a`b"]),
            ("a..b", &["a", "", "b"]),
            ("a.", &["a", ""]),
            ("in`ner", &["in`ner"]),
        ];
        for (path, want) in rows {
            assert_eq!(steps(path).expect(path), want, "{path}");
        }
        for bad in ["`a", "`a\\`", "`a.b"] {
            assert!(steps(bad).is_err(), "{bad}");
        }
    }
}
