//! Avro's bytes as values.
//!
//! Source: Avro specification 1.11, "Binary Encoding".

use std::sync::Arc;

use bytes::Bytes;
use couplet_api::data::{Decimal, Struct, Utf8, Value};
use couplet_api::{Error, Result};
use couplet_plugins::json::ms_to_time;

use super::read_plan::{Read, RecordRead, Step};
use super::schema::{AvroSchema, Id, Shape};

const DAY_MS: i64 = 86_400_000;
/// Deepest nesting of schemaless values, and of skipped ones.
const DEPTH_MAX: u32 = 256;
/// Items that need no bytes which a message may have.
const FREE_ITEMS_MAX: usize = 65_536;

/// A message on its way through a plan. Text and bytes of the values are slices of it.
pub(super) struct Input<'a> {
    bytes: &'a Bytes,
    at: usize,
    /// Items that may still come: more than bytes cannot, except for a few that need none.
    items_left: usize,
    /// The schema of the data, to skip what nobody wants.
    writer: &'a AvroSchema,
}

fn short() -> Error {
    Error::data("the message ends in the middle of a value").with_class("java.io.EOFException")
}

fn malformed(what: &str) -> Error {
    Error::data(format!("Malformed data. {what}")).with_class("org.apache.avro.AvroRuntimeException")
}

impl<'a> Input<'a> {
    /// Begins at the first byte.
    pub(super) fn new(bytes: &'a Bytes, writer: &'a AvroSchema) -> Self {
        Input { bytes, at: 0, items_left: bytes.len().saturating_add(FREE_ITEMS_MAX), writer }
    }

    /// Bytes that are not read yet.
    pub(super) fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Reads a value.
    ///
    /// # Errors
    /// `Kind::Data` when the bytes are not what the plan says.
    pub(super) fn value(&mut self, read: &Read) -> Result<Value> {
        Ok(match read {
            Read::Null => Value::Null,
            Read::Boolean => Value::Bool(self.boolean()?),
            Read::Int8 => Value::Int8(self.int()? as i8),
            Read::Int16 => Value::Int16(self.int()? as i16),
            Read::Int32 => Value::Int32(self.int()?),
            Read::Int64 => Value::Int64(self.long()?),
            Read::Date => Value::Date(i64::from(self.int()?) * DAY_MS),
            Read::Time => Value::Date(ms_to_time(self.int()?)?),
            Read::Timestamp => Value::Date(self.long()?),
            Read::IntFloat => Value::Float32(self.long()? as f32),
            Read::Float => Value::Float32(f32::from_le_bytes(self.array()?)),
            Read::IntDouble => Value::Float64(self.long()? as f64),
            Read::FloatDouble => Value::Float64(f64::from(f32::from_le_bytes(self.array()?))),
            Read::Double => Value::Float64(f64::from_le_bytes(self.array()?)),
            Read::Text => Value::Str(self.text()?),
            Read::Bytes => Value::Bytes(self.sized()?),
            Read::Fixed(size) => Value::Bytes(self.take(*size)?),
            Read::Decimal(scale, size) => {
                let bytes = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                Value::Decimal(Arc::new(Decimal::from_bytes(&bytes, *scale)))
            }
            Read::Enum(symbols) => {
                let at = usize::try_from(self.int()?).ok();
                let symbol = at.and_then(|at| symbols.get(at)).ok_or_else(|| malformed("No such enum symbol"))?;
                symbol.clone().ok_or_else(|| malformed("The reader does not know the enum symbol"))?
            }
            Read::Array(items) => Value::Array(self.blocks(|input| input.value(items))?.into()),
            Read::Map(values) => {
                let entry = |input: &mut Self| Ok((Value::Str(input.text()?), input.value(values)?));
                Value::Map(self.blocks(entry)?.into())
            }
            Read::Entries(keys, values) => {
                let entry = |input: &mut Self| Ok((input.value(keys)?, input.value(values)?));
                Value::Map(self.blocks(entry)?.into())
            }
            Read::Record(record) => Value::Struct(Arc::new(self.record(record)?)),
            Read::Union(branches) => {
                let at = usize::try_from(self.int()?).ok();
                let branch = at.and_then(|at| branches.get(at)).ok_or_else(|| malformed("No such union branch"))?;
                self.value(branch)?
            }
            Read::Member(schema, field, read) => {
                let mut values = vec![Value::Null; schema.fields().len()];
                values[*field] = self.value(read)?;
                Value::Struct(Arc::new(Struct::new(schema.clone(), values)))
            }
            Read::Unreadable(why) => return Err(Error::data(why.as_str())),
            Read::Anything => self.anything(0)?,
        })
    }

    fn record(&mut self, record: &RecordRead) -> Result<Struct> {
        if record.in_order {
            let mut values = Vec::with_capacity(record.steps.len());
            for step in &record.steps {
                if let Step::Put(_, read) = step {
                    values.push(self.value(read)?);
                }
            }
            return Ok(Struct::new(record.schema.clone(), values));
        }
        let mut values = record.defaults.clone();
        for step in &record.steps {
            match step {
                Step::Put(at, read) => values[*at] = self.value(read)?,
                Step::Skip(id) => self.skip(*id, 0)?,
            }
        }
        Ok(Struct::new(record.schema.clone(), values))
    }

    /// The items of an array or map, however they are cut into blocks.
    fn blocks<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let count = self.block()?;
            if count == 0 {
                return Ok(items);
            }
            items.reserve(count.min(1024));
            for _ in 0..count {
                items.push(item(self)?);
            }
        }
    }

    /// The number of items in the block that begins here.
    fn block(&mut self) -> Result<usize> {
        let count = self.long()?;
        if count < 0 {
            // The size in bytes follows: of use to those who skip.
            self.long()?;
        }
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| malformed("Too many items"))?;
        self.items_left = self.items_left.checked_sub(count).ok_or_else(|| malformed("Too many items"))?;
        Ok(count)
    }

    /// A schemaless value: the field that is set of a record with a field per type.
    fn anything(&mut self, depth: u32) -> Result<Value> {
        if depth > DEPTH_MAX {
            return Err(malformed("Nested too deeply"));
        }
        let mut found = Value::Null;
        for field in 0..9 {
            match self.int()? {
                0 => continue,
                1 => {}
                _ => return Err(malformed("No such union branch")),
            }
            let value = match field {
                0 => Value::Bool(self.boolean()?),
                1 => Value::Bytes(self.sized()?),
                2 => Value::Float64(f64::from_le_bytes(self.array()?)),
                3 => Value::Float32(f32::from_le_bytes(self.array()?)),
                4 => Value::Int32(self.int()?),
                5 => Value::Int64(self.long()?),
                6 => Value::Str(self.text()?),
                7 => Value::Array(self.blocks(|input| input.anything(depth + 1))?.into()),
                _ => {
                    let entry = |input: &mut Self| Ok((input.anything(depth + 1)?, input.anything(depth + 1)?));
                    Value::Map(self.blocks(entry)?.into())
                }
            };
            if found.is_null() {
                found = value;
            }
        }
        Ok(found)
    }

    /// Leaves out a value of the writer's type at `id`.
    fn skip(&mut self, id: Id, depth: u32) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(malformed("Nested too deeply"));
        }
        let writer = self.writer;
        match writer.shape(id) {
            Shape::Null => {}
            Shape::Boolean => drop(self.boolean()?),
            Shape::Int | Shape::Long | Shape::Enum { .. } => drop(self.long()?),
            Shape::Float => drop(self.take(4)?),
            Shape::Double => drop(self.take(8)?),
            Shape::Bytes | Shape::String => drop(self.sized()?),
            Shape::Fixed { size, .. } => drop(self.take(*size)?),
            Shape::Array(items) => drop(self.blocks(|input| input.skip(*items, depth + 1))?),
            Shape::Map(values) => drop(self.blocks(|input| {
                input.sized()?;
                input.skip(*values, depth + 1)
            })?),
            Shape::Union(branches) => {
                let at = usize::try_from(self.int()?).ok();
                let branch = at.and_then(|at| branches.get(at)).ok_or_else(|| malformed("No such union branch"))?;
                self.skip(*branch, depth + 1)?;
            }
            Shape::Record { fields, .. } => {
                for field in fields {
                    self.skip(field.schema, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn byte(&mut self) -> Result<u8> {
        let byte = *self.bytes.get(self.at).ok_or_else(short)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn boolean(&mut self) -> Result<bool> {
        Ok(self.byte()? == 1)
    }

    #[inline]
    fn long(&mut self) -> Result<i64> {
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(malformed("Invalid long encoding"))
    }

    #[inline]
    fn int(&mut self) -> Result<i32> {
        i32::try_from(self.long()?).map_err(|_| malformed("Invalid int encoding"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or_else(short)?;
        self.at += N;
        Ok(*bytes)
    }

    fn take(&mut self, len: usize) -> Result<Bytes> {
        if len > self.rest() {
            return Err(short());
        }
        let bytes = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(bytes)
    }

    fn sized(&mut self) -> Result<Bytes> {
        let len = self.long()?;
        let len = usize::try_from(len).map_err(|_| malformed(&format!("Length is negative: {len}")))?;
        self.take(len)
    }

    fn text(&mut self) -> Result<Utf8> {
        Utf8::new(self.sized()?)
    }
}
