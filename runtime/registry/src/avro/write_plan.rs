//! How values of a Connect schema are written as an Avro schema, compiled once per pair.

use bytes::BytesMut;
use couplet_api::data::{DATE, DECIMAL, Schema, SchemaRef, TIME, TIMESTAMP, Type, Value};
use couplet_api::{Error, Result};
use serde_json::Value as Json;

use super::defaults;
use super::names::*;
use super::options::Options;
use super::schema::{AvroSchema, Field, Id, Name, Shape};
use super::writer::put_long;

/// Most parts of a plan; a schema whose types are used in many places has many.
const PARTS_MAX: usize = 200_000;

/// How values of one schema are written.
#[derive(Debug)]
pub(super) struct Plan {
    /// Index of the branch before the value, when a union is written.
    pub(super) branch: Option<i64>,
    /// How null is written; `None`: null is an error.
    pub(super) null: Option<Box<[u8]>>,
    pub(super) form: Form,
}

/// How a value that is not null is written.
#[derive(Debug)]
pub(super) enum Form {
    Boolean,
    /// INT8 to INT64 as int or long.
    Integer(Type),
    /// A number as float.
    Float(Type),
    /// A number as double.
    Double(Type),
    Text,
    /// Text as the bytes of an enum's symbol number.
    Enum(Box<[Box<str>]>),
    Bytes,
    Fixed(usize),
    /// The scale; the size when it is a fixed.
    Decimal(i32, Option<usize>),
    Date,
    Time,
    Timestamp,
    Array(Box<Plan>),
    Map(Box<Plan>),
    /// A map as an array of key and value.
    Entries(Box<Plan>, Box<Plan>),
    Record(SchemaRef, Box<[Part]>),
    /// A struct of which one field is written: plans by field.
    Union(SchemaRef, Box<[Plan]>),
    /// No schema: Avro's record that can hold anything.
    Anything,
}

/// One field of a record.
#[derive(Debug)]
pub(super) enum Part {
    /// A field of the struct, and what stands for its null.
    Field { index: usize, plan: Plan, default: Option<Value> },
    /// A field that the struct does not have: its default.
    Fixed(Box<[u8]>),
}

/// Compiles how values of `schema` are written as `avro`.
///
/// # Errors
/// `Kind::Data` when values of the one have no form in the other.
pub(super) fn compile(schema: Option<&SchemaRef>, avro: &AvroSchema, options: Options) -> Result<Plan> {
    let mut compiler = Compiler { avro, options, parts: 0 };
    compiler.plan(schema, avro.root)
}

struct Compiler<'a> {
    avro: &'a AvroSchema,
    options: Options,
    parts: usize,
}

fn misfit(schema: &Schema, avro: &Shape) -> Error {
    let kind = schema.kind().name();
    Error::data(format!("values of type {kind} cannot be written as Avro {}", avro.type_name()))
        .with_class("org.apache.avro.AvroTypeException")
}

impl Compiler<'_> {
    fn plan(&mut self, schema: Option<&SchemaRef>, id: Id) -> Result<Plan> {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return Err(Error::data("the schema is too large"));
        }
        let Some(schema) = schema else { return self.anything(id) };
        let Shape::Union(branches) = self.avro.shape(id) else {
            return Ok(Plan { branch: None, null: None, form: self.form(schema, id)? });
        };
        let null = self.avro.null_branch(id).filter(|_| schema.is_optional()).map(|at| long(at as i64));
        if is_union(schema) {
            let plans = schema.fields().iter().enumerate().map(|(at, field)| self.member(field.schema(), at, branches));
            let form = Form::Union(schema.clone(), plans.collect::<Result<_>>()?);
            return Ok(Plan { branch: None, null, form });
        }
        let at = self.branch_for(schema, branches).ok_or_else(|| misfit(schema, self.avro.shape(id)))?;
        Ok(Plan { branch: Some(at as i64), null, form: self.form(schema, branches[at])? })
    }

    /// The plan of one field of a union's struct.
    fn member(&mut self, schema: &SchemaRef, at: usize, branches: &[Id]) -> Result<Plan> {
        // Of our own schemas the branches are in the order of the fields.
        let others = (0..branches.len()).filter(|b| *self.avro.shape(branches[*b]) != Shape::Null);
        let own = others.clone().nth(at).filter(|own| self.fits(schema, branches[*own]) == Some(0));
        let branch = own.or_else(|| self.branch_for(schema, branches));
        let branch = branch.ok_or_else(|| Error::data("Did not find matching union field for data"))?;
        Ok(Plan { branch: Some(branch as i64), null: None, form: self.form(schema, branches[branch])? })
    }

    fn anything(&mut self, id: Id) -> Result<Plan> {
        let wrong = || Error::data("schemaless data needs the schema io.confluent.connect.avro.Anything");
        match self.avro.shape(id).name().map(Name::full).as_deref() {
            Some(ANYTHING) => Ok(Plan { branch: None, null: None, form: Form::Anything }),
            _ => Err(wrong()),
        }
    }

    /// The best branch for values of `schema`.
    fn branch_for(&self, schema: &Schema, branches: &[Id]) -> Option<usize> {
        let ranks = branches.iter().enumerate().filter_map(|(at, branch)| Some((self.fits(schema, *branch)?, at)));
        ranks.min().map(|(_, at)| at)
    }

    /// How well values of `schema` fit the type at `id`: 0 for the type they would be given, more for wider ones.
    fn fits(&self, schema: &Schema, id: Id) -> Option<u32> {
        let own_name = || schema.name().map(|name| scrub_full(name, self.options.scrubs));
        Some(match (schema.kind(), self.avro.shape(id)) {
            (Type::Boolean, Shape::Boolean) => 0,
            (Type::Int8 | Type::Int16 | Type::Int32, Shape::Int) | (Type::Int64, Shape::Long) => 0,
            (Type::Float32, Shape::Float) | (Type::Float64, Shape::Double) => 0,
            (Type::String, Shape::Enum { name, .. }) => {
                let wanted = schema.parameter(ENUM).or_else(|| schema.parameter(GENERAL_ENUM));
                if wanted == Some(&name.full()) { 0 } else { 3 }
            }
            (Type::String, Shape::String) => {
                u32::from(is_enum(schema) && (self.options.enhanced || self.options.general))
            }
            (Type::Bytes, Shape::Fixed { name, size }) => {
                let size = size.to_string();
                match fixed_size(schema) == Some(size.as_str()) {
                    true if own_name().as_deref() == Some(&name.full()) => 0,
                    true => 1,
                    false if schema.name() == Some(DECIMAL) => 2,
                    false => return None,
                }
            }
            (Type::Bytes, Shape::Bytes) => u32::from(fixed_size(schema).is_some()),
            (Type::Array, Shape::Array(_)) => 0,
            (Type::Map, Shape::Map(_) | Shape::Array(_)) => 0,
            (Type::Struct, Shape::Record { name, .. }) => match own_name() {
                Some(own) if own == name.full() => 0,
                None if name.full().starts_with(DEFAULT_FULL_NAME) => 0,
                _ => 1,
            },
            (Type::Int8 | Type::Int16 | Type::Int32, Shape::Long) => 1,
            (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64, Shape::Float) => 2,
            (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64 | Type::Float32, Shape::Double) => 3,
            (Type::String, Shape::Bytes) | (Type::Bytes, Shape::String) => 4,
            _ => return None,
        })
    }

    fn form(&mut self, schema: &SchemaRef, id: Id) -> Result<Form> {
        let shape = self.avro.shape(id);
        if self.fits(schema, id).is_none() {
            return Err(misfit(schema, shape));
        }
        Ok(match (schema.kind(), shape) {
            (Type::Int32, Shape::Int | Shape::Long) if schema.name() == Some(DATE) => Form::Date,
            (Type::Int32, Shape::Int | Shape::Long) if schema.name() == Some(TIME) => Form::Time,
            (Type::Int64, Shape::Long) if schema.name() == Some(TIMESTAMP) => Form::Timestamp,
            (Type::Bytes, Shape::Bytes) if schema.name() == Some(DECIMAL) => {
                Form::Decimal(couplet_plugins::json::scale(schema)?, None)
            }
            (Type::Bytes, Shape::Fixed { size, .. }) if schema.name() == Some(DECIMAL) => {
                Form::Decimal(couplet_plugins::json::scale(schema)?, Some(*size))
            }
            (Type::Boolean, _) => Form::Boolean,
            (kind, Shape::Int | Shape::Long) => Form::Integer(kind),
            (kind, Shape::Float) => Form::Float(kind),
            (kind, Shape::Double) => Form::Double(kind),
            (Type::String, Shape::Enum { symbols, .. }) => {
                Form::Enum(symbols.iter().map(|symbol| symbol.as_str().into()).collect())
            }
            (Type::String, _) => Form::Text,
            (Type::Bytes, Shape::Fixed { size, .. }) => Form::Fixed(*size),
            (Type::Bytes, _) => Form::Bytes,
            (Type::Array, Shape::Array(items)) => Form::Array(Box::new(self.plan(schema.value_schema(), *items)?)),
            (Type::Map, Shape::Map(values)) => Form::Map(Box::new(self.plan(schema.value_schema(), *values)?)),
            (Type::Map, Shape::Array(entry)) => self.entries(schema, *entry)?,
            (Type::Struct, Shape::Record { fields, .. }) => self.record(schema, fields)?,
            (_, shape) => return Err(misfit(schema, shape)),
        })
    }

    fn entries(&mut self, schema: &SchemaRef, entry: Id) -> Result<Form> {
        match self.avro.shape(entry) {
            Shape::Record { fields, .. }
                if fields.len() == 2 && fields[0].name == "key" && fields[1].name == "value" =>
            {
                let (key, value) = (fields[0].schema, fields[1].schema);
                let key = self.plan(schema.key_schema(), key)?;
                Ok(Form::Entries(Box::new(key), Box::new(self.plan(schema.value_schema(), value)?)))
            }
            other => Err(misfit(schema, other)),
        }
    }

    fn record(&mut self, schema: &SchemaRef, fields: &[Field]) -> Result<Form> {
        let scrubbed: Vec<String> = match self.options.scrubs {
            true => schema.fields().iter().map(|field| scrub(field.name())).collect(),
            false => schema.fields().iter().map(|field| field.name().to_owned()).collect(),
        };
        let part = |field: &Field| {
            let known = |name: &String| *name == field.name || field.aliases.contains(name);
            let Some(index) = scrubbed.iter().position(known) else {
                let default = field.default.as_ref().and_then(|json| self.encoded(field.schema, json));
                return default.map(Part::Fixed).ok_or_else(|| {
                    Error::data(format!(
                        "the field {} of the Avro schema is missing in the data, and has no default",
                        field.name
                    ))
                });
            };
            let own = schema.fields()[index].schema();
            let default = own.default().filter(|_| !(self.options.ignore_default && own.is_optional())).cloned();
            Ok(Part::Field { index, plan: self.plan(Some(own), field.schema)?, default })
        };
        Ok(Form::Record(schema.clone(), fields.iter().map(part).collect::<Result<_>>()?))
    }

    /// The bytes of a default value.
    fn encoded(&self, id: Id, json: &Json) -> Option<Box<[u8]>> {
        let mut out = BytesMut::new();
        self.encode(id, json, &mut out)?;
        Some(Box::from(&*out))
    }

    fn encode(&self, id: Id, json: &Json, out: &mut BytesMut) -> Option<()> {
        let text = |bytes: &[u8], out: &mut BytesMut| {
            put_long(bytes.len() as i64, out);
            out.extend_from_slice(bytes);
        };
        let latin1 = |text: &str| text.chars().map(|c| u8::try_from(c).ok()).collect::<Option<Vec<u8>>>();
        match (self.avro.shape(id), json) {
            (Shape::Null, Json::Null) => {}
            (Shape::Boolean, Json::Bool(b)) => out.extend_from_slice(&[u8::from(*b)]),
            (Shape::Int | Shape::Long, Json::Number(n)) => put_long(n.as_i64()?, out),
            (Shape::Float, Json::Number(n)) => out.extend_from_slice(&(n.as_f64()? as f32).to_le_bytes()),
            (Shape::Double, Json::Number(n)) => out.extend_from_slice(&n.as_f64()?.to_le_bytes()),
            (Shape::String, Json::String(s)) => text(s.as_bytes(), out),
            (Shape::Bytes, Json::String(s)) => text(&latin1(s)?, out),
            (Shape::Fixed { size, .. }, Json::String(s)) => {
                out.extend_from_slice(&latin1(s).filter(|bytes| bytes.len() == *size)?);
            }
            (Shape::Enum { symbols, .. }, Json::String(s)) => {
                put_long(symbols.iter().position(|symbol| symbol == s)? as i64, out);
            }
            (Shape::Array(items), Json::Array(list)) => {
                if !list.is_empty() {
                    put_long(list.len() as i64, out);
                    list.iter().try_for_each(|item| self.encode(*items, item, out))?;
                }
                put_long(0, out);
            }
            (Shape::Map(values), Json::Object(object)) => {
                if !object.is_empty() {
                    put_long(object.len() as i64, out);
                    for (key, value) in object {
                        text(key.as_bytes(), out);
                        self.encode(*values, value, out)?;
                    }
                }
                put_long(0, out);
            }
            (Shape::Union(branches), json) => {
                let at = branches.iter().position(|branch| defaults::is_valid(self.avro, *branch, json))?;
                put_long(at as i64, out);
                self.encode(branches[at], json, out)?;
            }
            (Shape::Record { fields, .. }, Json::Object(object)) => {
                for field in fields {
                    self.encode(field.schema, object.get(&field.name).or(field.default.as_ref())?, out)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn long(n: i64) -> Box<[u8]> {
    let mut out = BytesMut::new();
    put_long(n, &mut out);
    Box::from(&*out)
}
