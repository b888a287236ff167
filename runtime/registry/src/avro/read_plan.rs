//! How data written with one Avro schema becomes values of the Connect schema of another, compiled once per pair.
//!
//! Source: Avro specification 1.11, "Schema Resolution".

use std::sync::Arc;

use couplet_api::data::{DATE, DECIMAL, SchemaRef, TIME, TIMESTAMP, Type, Value};
use couplet_api::{Error, Result};

use super::defaults;
use super::names::is_union;
use super::schema::{AvroSchema, Field, Id, Name, Shape};

const PARTS_MAX: usize = 200_000;

/// How a value is read.
#[derive(Debug)]
pub(super) enum Read {
    Null,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Date,
    Time,
    Timestamp,
    /// An integer as FLOAT32.
    IntFloat,
    Float,
    /// An integer as FLOAT64.
    IntDouble,
    /// A float as FLOAT64.
    FloatDouble,
    Double,
    Text,
    Bytes,
    Fixed(usize),
    /// The scale; the size when it is a fixed.
    Decimal(i32, Option<usize>),
    /// The text of each symbol; `None`: the reader does not know it.
    Enum(Box<[Option<Value>]>),
    Array(Box<Read>),
    Map(Box<Read>),
    /// A map from an array of key and value.
    Entries(Box<Read>, Box<Read>),
    Record(Box<RecordRead>),
    /// The writer's branches.
    Union(Box<[Read]>),
    /// A field of the struct that stands for a union.
    Member(SchemaRef, usize, Box<Read>),
    /// Data of this type cannot become a value.
    Unreadable(String),
    /// A schemaless value.
    Anything,
}

/// How a record is read.
#[derive(Debug)]
pub(super) struct RecordRead {
    pub(super) schema: SchemaRef,
    /// The writer's fields in order.
    pub(super) steps: Box<[Step]>,
    /// Whether the steps are the fields of `schema`, in their order.
    pub(super) in_order: bool,
    /// What the fields hold before the steps.
    pub(super) defaults: Box<[Value]>,
}

/// One field of the writer's record.
#[derive(Debug)]
pub(super) enum Step {
    Put(usize, Read),
    /// The reader has no such field.
    Skip(Id),
}

/// Compiles how data of `writer` becomes values of `schema`, which is the Connect schema of `reader`.
///
/// # Errors
/// `Kind::Data` when `reader` cannot read what `writer` writes.
pub(super) fn compile(writer: &AvroSchema, reader: &AvroSchema, schema: &SchemaRef) -> Result<Read> {
    let mut compiler = Compiler { writer, reader, parts: 0 };
    compiler.read(writer.root, reader.root, schema)
}

struct Compiler<'a> {
    writer: &'a AvroSchema,
    reader: &'a AvroSchema,
    parts: usize,
}

impl Compiler<'_> {
    fn read(&mut self, from: Id, to: Id, schema: &SchemaRef) -> Result<Read> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::data("the Avro schema is too large"));
        }
        let (writer, reader) = (self.writer, self.reader);
        if let Shape::Union(branches) = writer.shape(from) {
            let branch = |branch: &Id| match self.read(*branch, to, schema) {
                Ok(read) => Ok(read),
                Err(error) if self.parts > PARTS_MAX => Err(error),
                // Only data of this branch cannot be read.
                Err(error) => Ok(Read::Unreadable(error.message().to_owned())),
            };
            return Ok(Read::Union(branches.iter().map(branch).collect::<Result<_>>()?));
        }
        if let Shape::Union(branches) = reader.shape(to) {
            return self.one_of_union(from, to, branches, schema);
        }
        self.plain(from, to, schema)
    }

    /// Data of one type where the reader has a union.
    fn one_of_union(&mut self, from: Id, to: Id, branches: &[Id], schema: &SchemaRef) -> Result<Read> {
        let shape = self.writer.shape(from);
        let ranked =
            branches.iter().enumerate().filter_map(|(at, branch)| Some((rank(shape, self.reader.shape(*branch))?, at)));
        let Some((_, at)) = ranked.min() else { return Err(self.misfit(from, to)) };
        if *shape == Shape::Null {
            return Ok(if schema.is_optional() { Read::Null } else { self.no_null() });
        }
        if !is_union(schema) {
            return self.read(from, branches[at], schema);
        }
        let field = branches[..at].iter().filter(|branch| *self.reader.shape(**branch) != Shape::Null).count();
        let member = schema.fields().get(field).ok_or_else(|| self.misfit(from, to))?;
        Ok(Read::Member(schema.clone(), field, Box::new(self.read(from, branches[at], member.schema())?)))
    }

    fn no_null(&self) -> Read {
        Read::Unreadable("Found null value for non-optional schema".to_owned())
    }

    fn misfit(&self, from: Id, to: Id) -> Error {
        let text = |shape: &Shape| shape.name().map_or_else(|| shape.type_name().to_owned(), Name::full);
        let (found, wanted) = (text(self.writer.shape(from)), text(self.reader.shape(to)));
        Error::data(format!("Found {found}, expecting {wanted}")).with_class("org.apache.avro.AvroTypeException")
    }

    /// Neither side is a union.
    fn plain(&mut self, from: Id, to: Id, schema: &SchemaRef) -> Result<Read> {
        let (writer, reader) = (self.writer, self.reader);
        Ok(match (writer.shape(from), reader.shape(to)) {
            (Shape::Null, Shape::Null) if schema.is_optional() => Read::Null,
            (Shape::Null, Shape::Null) => self.no_null(),
            (Shape::Boolean, Shape::Boolean) => Read::Boolean,
            (Shape::Int, Shape::Int) | (Shape::Int | Shape::Long, Shape::Long) => integer(schema),
            (Shape::Int | Shape::Long, Shape::Float) => Read::IntFloat,
            (Shape::Float, Shape::Float) => Read::Float,
            (Shape::Int | Shape::Long, Shape::Double) => Read::IntDouble,
            (Shape::Float, Shape::Double) => Read::FloatDouble,
            (Shape::Double, Shape::Double) => Read::Double,
            (Shape::String | Shape::Bytes, Shape::String) => Read::Text,
            (Shape::String | Shape::Bytes, Shape::Bytes) => match schema.name() {
                Some(DECIMAL) => Read::Decimal(couplet_plugins::json::scale(schema)?, None),
                _ => Read::Bytes,
            },
            (Shape::Fixed { size, .. }, Shape::Fixed { size: wanted, .. }) if size == wanted => match schema.name() {
                Some(DECIMAL) => Read::Decimal(couplet_plugins::json::scale(schema)?, Some(*size)),
                _ => Read::Fixed(*size),
            },
            (Shape::Enum { symbols, .. }, Shape::Enum { symbols: known, default, .. }) => {
                let value = |symbol: &String| {
                    let symbol = Some(symbol).filter(|symbol| known.contains(symbol)).or(default.as_ref())?;
                    Some(Value::str(symbol.as_str()))
                };
                Read::Enum(symbols.iter().map(value).collect())
            }
            (Shape::Map(from), Shape::Map(to)) => Read::Map(Box::new(self.read(*from, *to, value_schema(schema)?)?)),
            (Shape::Array(from), Shape::Array(to)) if schema.kind() == Type::Map => self.entries(*from, *to, schema)?,
            (Shape::Array(from), Shape::Array(to)) => {
                Read::Array(Box::new(self.read(*from, *to, value_schema(schema)?)?))
            }
            (Shape::Record { fields, .. }, Shape::Record { fields: wanted, .. }) => {
                self.record(fields, wanted, schema)?
            }
            _ => return Err(self.misfit(from, to)),
        })
    }

    fn entries(&mut self, from: Id, to: Id, schema: &SchemaRef) -> Result<Read> {
        let (Shape::Record { fields, .. }, Shape::Record { fields: wanted, .. }) =
            (self.writer.shape(from), self.reader.shape(to))
        else {
            return Err(self.misfit(from, to));
        };
        let key = schema.key_schema().ok_or_else(|| self.misfit(from, to))?;
        match (&fields[..], &wanted[..]) {
            ([a, b], [c, d]) if a.name == c.name && b.name == d.name && c.name == "key" => {
                let key = self.read(a.schema, c.schema, key)?;
                Ok(Read::Entries(Box::new(key), Box::new(self.read(b.schema, d.schema, value_schema(schema)?)?)))
            }
            _ => Err(self.misfit(from, to)),
        }
    }

    fn record(&mut self, fields: &[Field], wanted: &[Field], schema: &SchemaRef) -> Result<Read> {
        let mut seen = vec![false; wanted.len()];
        let mut steps = Vec::with_capacity(fields.len());
        for field in fields {
            let by_name = wanted.iter().position(|to| to.name == field.name);
            let found = by_name.or_else(|| wanted.iter().position(|to| to.aliases.contains(&field.name)));
            match found {
                Some(at) => {
                    seen[at] = true;
                    let read = self.read(field.schema, wanted[at].schema, schema.fields()[at].schema())?;
                    steps.push(Step::Put(at, read));
                }
                None => steps.push(Step::Skip(field.schema)),
            }
        }
        let mut values = vec![Value::Null; wanted.len()];
        for (at, field) in wanted.iter().enumerate().filter(|(at, _)| !seen[*at]) {
            let missing = || {
                Error::data(format!("missing required field {}", field.name))
                    .with_class("org.apache.avro.AvroTypeException")
            };
            let json = field.default.as_ref().ok_or_else(missing)?;
            let to = schema.fields()[at].schema();
            values[at] = defaults::from_json(to, self.reader, field.schema, json).ok_or_else(missing)?;
        }
        let in_order = steps.len() == wanted.len()
            && steps.iter().enumerate().all(|(at, step)| matches!(step, Step::Put(to, _) if *to == at));
        let (steps, defaults) = (steps.into(), values.into());
        Ok(Read::Record(Box::new(RecordRead { schema: schema.clone(), steps, in_order, defaults })))
    }
}

fn value_schema(schema: &SchemaRef) -> Result<&SchemaRef> {
    schema.value_schema().ok_or_else(|| Error::bug("an Avro collection became a schema without items"))
}

fn integer(schema: &Arc<couplet_api::data::Schema>) -> Read {
    match (schema.name(), schema.kind()) {
        (Some(DATE), Type::Int32) => Read::Date,
        (Some(TIME), Type::Int32) => Read::Time,
        (Some(TIMESTAMP), Type::Int64) => Read::Timestamp,
        (_, Type::Int8) => Read::Int8,
        (_, Type::Int16) => Read::Int16,
        (_, Type::Int32) => Read::Int32,
        _ => Read::Int64,
    }
}

/// How well a branch of the reader takes data of a type, best first; `None`: not at all.
fn rank(from: &Shape, to: &Shape) -> Option<u32> {
    Some(match (from, to) {
        (Shape::Record { name, .. }, Shape::Record { name: wanted, .. })
        | (Shape::Enum { name, .. }, Shape::Enum { name: wanted, .. }) => named(name, wanted),
        (Shape::Fixed { name, size }, Shape::Fixed { name: wanted, size: bytes }) if size == bytes => {
            named(name, wanted)
        }
        (Shape::Array(_), Shape::Array(_)) | (Shape::Map(_), Shape::Map(_)) => 0,
        (from, to) if from == to && from.name().is_none() => 0,
        (Shape::Int, Shape::Long) => 3,
        (Shape::Int | Shape::Long, Shape::Float) => 4,
        (Shape::Int | Shape::Long | Shape::Float, Shape::Double) => 5,
        (Shape::String, Shape::Bytes) | (Shape::Bytes, Shape::String) => 6,
        _ => return None,
    })
}

fn named(name: &Name, wanted: &Name) -> u32 {
    let full = name.full();
    match () {
        () if full == wanted.full() || wanted.aliases.contains(&full) => 0,
        () if name.simple == wanted.simple => 1,
        () => 2,
    }
}
