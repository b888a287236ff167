use std::cell::Cell;
use std::mem::take;

use couplet_api::Result;
use couplet_api::data::{Utf8, Value};

use super::reader::{Node, Reader};
use crate::java::HashMapOrder;

/// Objects with more members are not remembered: such hold data in their names.
const MEMBERS_MAX: usize = 256;
/// Objects nested deeper are not remembered.
const DEPTH_MAX: usize = 6;
/// Of objects unlike those before, one in so many is remembered.
const LEARN_EVERY: u32 = 8;

/// What the objects at one place of a topic's messages look like: the names that were last seen, which most often come
/// again in the same order. Then names need only be compared, and the order of Java's map is known.
///
/// All objects of an array share a shape.
#[derive(Debug, Default)]
pub struct Shape {
    /// In the order of the messages.
    names: Vec<Utf8>,
    /// The members' values in the object that is being read.
    values: Vec<Value>,
    /// What the members' objects look like.
    shapes: Vec<Shape>,
    /// Places of the names in the order of a Java map.
    order: Vec<usize>,
    /// How many objects in a row looked different.
    different: u32,
}

impl Shape {
    /// As [`Reader::value`].
    pub(super) fn value(&mut self, reader: &mut Reader<'_>) -> Result<Value> {
        let mut value = Value::Null;
        self.value_into(&mut value, reader, 0)?;
        Ok(value)
    }

    fn value_into(&mut self, out: &mut Value, reader: &mut Reader<'_>, depth: usize) -> Result<()> {
        match reader.node()? {
            Node::Object if depth < DEPTH_MAX => *out = self.object(reader, depth)?,
            Node::Array if depth < DEPTH_MAX => {
                let mut items = Vec::new();
                reader.array(|reader| {
                    let mut item = Value::Null;
                    self.value_into(&mut item, reader, depth + 1)?;
                    items.push(item);
                    Ok(())
                })?;
                *out = Value::Array(items.into());
            }
            _ => reader.value_into(out)?,
        }
        Ok(())
    }

    fn object(&mut self, reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
        let Shape { names, values, shapes, .. } = self;
        let known = Cell::new(Some(0));
        let mut unlike = HashMapOrder::new();
        reader.entries(
            |reader| match known.get().and_then(|at| names.get(at)) {
                Some(name) if reader.skip_name(name) => Ok(None),
                _ => reader.text().map(Some),
            },
            |reader, name| {
                match (name, known.get()) {
                    (None, Some(at)) => {
                        shapes[at].value_into(&mut values[at], reader, depth + 1)?;
                        known.set(Some(at + 1));
                    }
                    (Some(name), at) => {
                        known.set(None);
                        put_first(&mut unlike, &names[..at.unwrap_or_default()], values);
                        unlike.put(name, reader.value()?);
                    }
                    (None, None) => unreachable!("names are known up to the first that is not"),
                }
                Ok(())
            },
        )?;
        if known.get() == Some(names.len()) {
            self.different = 0;
            return Ok(self.take_map());
        }
        put_first(&mut unlike, &names[..known.get().unwrap_or_default()], values);
        self.differs(&unlike);
        Ok(unlike.into_value())
    }

    /// The object that was read.
    fn take_map(&mut self) -> Value {
        let Shape { names, values, order, .. } = self;
        Value::Map(order.iter().map(|at| (Value::Str(names[*at].clone()), take(&mut values[*at]))).collect())
    }

    /// Remembers the look of `map`, or counts that there was another one.
    fn differs(&mut self, map: &HashMapOrder) {
        let learn = self.different.is_multiple_of(LEARN_EVERY) && (1..=MEMBERS_MAX).contains(&map.entries().len());
        self.different = self.different.wrapping_add(1);
        if !learn {
            return;
        }
        // Of its own memory: a slice of a message would keep the message.
        let names: Vec<Utf8> = map.entries().iter().filter_map(|(name, _)| name.as_str()).map(Utf8::from).collect();
        // Whoever is in the place where it was looks as it did.
        let stays = self.names.iter().zip(&names).take_while(|(old, new)| old == new).count();
        self.shapes.truncate(stays);
        self.shapes.resize_with(names.len(), Shape::default);
        self.values = vec![Value::Null; names.len()];
        self.order = map.order();
        self.names = names;
    }
}

/// Moves the values of members that looked known into `map`, under `names`.
fn put_first(map: &mut HashMapOrder, names: &[Utf8], values: &mut [Value]) {
    for (name, value) in names.iter().zip(values) {
        map.put(name.clone(), take(value));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Messages one after the other through one shape: each as if it were alone.
    fn check(messages: &[&str]) -> Shape {
        let mut shape = Shape::default();
        for text in messages {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            let read = shape.value(&mut Reader::new(&bytes)).map_err(|e| e.to_string());
            let want = Reader::new(&bytes).value().map_err(|e| e.to_string());
            assert_eq!(read, want, "{text}");
        }
        shape
    }

    #[test]
    fn remembered_objects_read_as_others_do() {
        let rows: [&[&str]; 8] = [
            &[r#"{"b":1,"a":[1.5],"n":null}"#, r#"{"b":2,"a":[],"n":{"x":1}}"#, r#"{"b":3,"a":7,"n":{"x":{}}}"#],
            // Fewer, more, other members; another order; twice the same.
            &[r#"{"b":1,"a":2}"#, r#"{"b":1}"#, "{}", r#"{"b":1,"a":2,"c":3}"#, r#"{"a":1,"b":2}"#, r#"{"b":1,"b":2}"#],
            &[r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#, r#"{"a":3}"#],
            // The bytes of a name that is remembered may not be read as another name.
            &[r#"{"a\\n":1}"#, r#"{"a\n":2}"#, r#"{"\u0061":1}"#, r#"{"a":1}"#, r#"{"\u0061":1}"#],
            &[r#"{"a":1}"#, r#"{"ab":1}"#, r#"{"a" : 1 }"#, r#"{ "a":1}"#, r#"{"":1}"#, r#"{"":2}"#],
            &[
                r#"[{"a":1},{"a":2,"b":[{"a":3}]}]"#,
                r#"[{"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":1}}}}}}}}]"#,
                "[]",
                "1",
            ],
            // What cannot be read leaves nothing behind.
            &[
                r#"{"a":1,"b":2}"#,
                r#"{"a":1,"b":}"#,
                r#"{"a":1,"#,
                r#"{"a":7,"c":1}"#,
                r#"{"a":1,"b":2}"#,
                r#"{"a":1]"#,
            ],
            &["null", "", r#""text""#, r#"{"é":1,"Ω":{"é":2}}"#, r#"{"é":3,"Ω":{"é":4}}"#],
        ];
        for messages in rows {
            check(&messages.repeat(3));
        }
    }

    #[test]
    fn large_objects_are_not_remembered() {
        let object = |members: usize| {
            let members: Vec<String> = (0..members).map(|n| format!("\"m{n}\":{n}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let remembered = [MEMBERS_MAX, MEMBERS_MAX + 1].map(|n| check(&[&object(n), &object(n)]).names.len());
        assert_eq!(remembered, [MEMBERS_MAX, 0]);
    }
}
