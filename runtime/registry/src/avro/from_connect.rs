//! Avro schemas of Connect schemas, as `AvroData.fromConnectSchema` makes them.

use std::collections::HashMap;

use couplet_api::data::{DATE, DECIMAL, DECIMAL_SCALE, Schema, SchemaRef, TIME, TIMESTAMP, Type};
use couplet_api::{Error, Result};
use serde_json::{Map, Value as Json};

use super::defaults;
use super::names::*;
use super::options::Options;
use super::schema::{AvroSchema, Field, Id, Name, Shape};

/// The Avro schema of `schema`.
///
/// # Errors
/// `Kind::Data` for schemas that Avro has no form for.
pub(super) fn from_connect(schema: &SchemaRef, options: Options) -> Result<AvroSchema> {
    let mut maker =
        Maker { avro: AvroSchema::default(), options, made: Vec::new(), structs: HashMap::new(), unnamed: 0 };
    maker.avro.root = maker.make(schema, false)?;
    Ok(maker.avro)
}

struct Maker {
    avro: AvroSchema,
    options: Options,
    /// Required schemas that are made already.
    made: Vec<(SchemaRef, Id)>,
    /// Structs by name: the first of a name stands for all.
    structs: HashMap<String, Id>,
    unnamed: u32,
}

impl Maker {
    fn make(&mut self, schema: &SchemaRef, ignore_optional: bool) -> Result<Id> {
        let reusable = !is_union(schema) && !schema.is_optional();
        if let Some((_, id)) = self.made.iter().find(|(known, _)| reusable && Schema::same(known, schema)) {
            return Ok(*id);
        }
        let base = self.base(schema)?;
        let mut id = base;
        if !matches!(self.avro.shape(base), Shape::Union(_)) {
            if self.options.meta_data {
                self.add_meta_data(schema, base)?;
            }
            self.add_logical_type(schema, base)?;
            for (key, value) in schema.parameters().iter().filter(|(key, _)| key.starts_with(AVRO_PREFIX)) {
                self.put(base, key, &**value);
            }
            if !ignore_optional {
                id = self.optional(schema, base);
            }
        }
        if !schema.is_optional() {
            self.made.push((schema.clone(), id));
        }
        Ok(id)
    }

    /// As [`Maker::make`], but a struct whose name is known is that one.
    fn make_or_reuse(&mut self, schema: Option<&SchemaRef>, ignore_optional: bool) -> Result<Id> {
        let schema = schema.ok_or_else(|| Error::data("a schema without a schema of its items"))?;
        match schema.name().and_then(|name| self.structs.get(name)).copied() {
            Some(known) if ignore_optional => Ok(known),
            Some(known) => Ok(self.optional(schema, known)),
            None => self.make(schema, ignore_optional),
        }
    }

    fn put(&mut self, id: Id, key: &str, value: impl Into<Json>) {
        self.avro.node_mut(id).props.insert(key.to_owned(), value.into());
    }

    fn optional(&mut self, schema: &Schema, base: Id) -> Id {
        if !schema.is_optional() {
            return base;
        }
        let null = self.avro.add(Shape::Null);
        let branches = if schema.default().is_some() { vec![base, null] } else { vec![null, base] };
        self.avro.add(Shape::Union(branches))
    }

    fn base(&mut self, schema: &SchemaRef) -> Result<Id> {
        let shape = match schema.kind() {
            Type::Int8 | Type::Int16 | Type::Int32 => Shape::Int,
            Type::Int64 => Shape::Long,
            Type::Float32 => Shape::Float,
            Type::Float64 => Shape::Double,
            Type::Boolean => Shape::Boolean,
            Type::String if (self.options.general || self.options.enhanced) && is_enum(schema) => {
                self.enumeration(schema)
            }
            Type::String => Shape::String,
            Type::Bytes => match fixed_size(schema) {
                None => Shape::Bytes,
                Some(size) => {
                    let size = size.parse().map_err(|_| bad_parameter(FIXED_SIZE, size))?;
                    Shape::Fixed { name: self.name(schema.name()), size }
                }
            },
            Type::Array => Shape::Array(self.make_or_reuse(schema.value_schema(), false)?),
            Type::Map => return self.map(schema),
            Type::Struct => return self.structure(schema),
        };
        let id = self.avro.add(shape);
        if schema.kind() == Type::Bytes && schema.name() == Some(DECIMAL) {
            let (scale, precision) = decimal(schema)?;
            self.put(id, "scale", scale);
            self.put(id, "precision", precision);
        }
        Ok(id)
    }

    fn enumeration(&mut self, schema: &Schema) -> Shape {
        let parameter = if self.options.general { GENERAL_ENUM } else { ENUM };
        let prefix = format!("{parameter}.");
        let symbols = schema.parameters().iter().filter_map(|(key, _)| key.strip_prefix(&prefix).map(str::to_owned));
        let symbols = symbols.collect();
        let simple = self.name(schema.name()).simple;
        let text = |key: &str| schema.parameter(key).map(str::to_owned);
        let name = Name::of_full(schema.parameter(parameter).unwrap_or_default());
        match self.options.discards {
            true => Shape::Enum { name, doc: text(CONNECT_ENUM_DOC), symbols, default: None },
            false => Shape::Enum {
                name,
                doc: text(&format!("{ENUM_DOC_PREFIX}{simple}")),
                symbols,
                default: text(&format!("{ENUM_DEFAULT_PREFIX}{simple}")),
            },
        }
    }

    fn map(&mut self, schema: &SchemaRef) -> Result<Id> {
        let key = schema.key_schema().ok_or_else(|| Error::data("a map schema without a schema of its keys"))?.clone();
        if key.kind() == Type::String && (!key.is_optional() || self.options.optional_map_keys) {
            let values = self.make_or_reuse(schema.value_schema(), false)?;
            return Ok(self.avro.add(Shape::Map(values)));
        }
        let value = schema.value_schema().ok_or_else(|| Error::data("a map schema without a schema of its values"))?;
        let name = match schema.name() {
            None => Name::of_full(&format!("{NAMESPACE}.{MAP_ENTRY}")),
            name => self.name(name),
        };
        let fields = vec![self.field("key", &key, None)?, self.field("value", value, None)?];
        let entry = self.avro.add(Shape::Record { name, doc: None, fields });
        if schema.name().is_some() {
            self.put(entry, CONNECT_INTERNAL_TYPE, MAP_ENTRY);
        }
        Ok(self.avro.add(Shape::Array(entry)))
    }

    fn structure(&mut self, schema: &SchemaRef) -> Result<Id> {
        if is_union(schema) {
            let mut branches = Vec::new();
            if schema.is_optional() {
                branches.push(self.avro.add(Shape::Null));
            }
            for field in schema.fields() {
                branches.push(self.make_or_reuse(Some(&required(field.schema())), true)?);
            }
            return Ok(self.avro.add(Shape::Union(branches)));
        }
        if schema.is_optional() {
            let null = self.avro.add(Shape::Null);
            let record = self.make_or_reuse(Some(&required(schema)), false)?;
            return Ok(self.avro.add(Shape::Union(vec![null, record])));
        }
        let name = self.name(schema.name());
        let doc = schema.parameter(if self.options.discards { CONNECT_RECORD_DOC } else { RECORD_DOC });
        let doc = doc.map(str::to_owned);
        let id = self.avro.add(Shape::Record { name: name.clone(), doc: doc.clone(), fields: Vec::new() });
        if let Some(name) = schema.name() {
            self.structs.insert(name.to_owned(), id);
        }
        let mut fields = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let doc = schema.parameter(&format!("{FIELD_DOC_PREFIX}{}", field.name()));
            let name = if self.options.scrubs { scrub(field.name()) } else { field.name().to_owned() };
            fields.push(self.field(&name, field.schema(), doc.filter(|_| !self.options.discards))?);
        }
        self.avro.node_mut(id).shape = Shape::Record { name, doc, fields };
        Ok(id)
    }

    fn field(&mut self, name: &str, schema: &SchemaRef, doc: Option<&str>) -> Result<Field> {
        let default = match schema.default() {
            Some(value) => Some(defaults::to_json(schema, value, &self.options)?),
            None if schema.is_optional() => Some(Json::Null),
            None => None,
        };
        let id = self.make(schema, false)?;
        let default = default.filter(|json| {
            let valid = defaults::is_valid(&self.avro, id, json);
            if !valid {
                tracing::warn!(field = name, "Ignoring invalid default for field");
            }
            valid
        });
        let doc = if self.options.discards { schema.doc() } else { doc };
        Ok(Field {
            name: name.to_owned(),
            doc: doc.map(str::to_owned),
            default,
            schema: id,
            aliases: Vec::new(),
            props: Map::new(),
        })
    }

    fn add_meta_data(&mut self, schema: &Schema, id: Id) -> Result<()> {
        if let Some(doc) = schema.doc() {
            self.put(id, CONNECT_DOC, doc);
        }
        if let Some(version) = schema.version() {
            self.put(id, CONNECT_VERSION, version);
        }
        let kept = |key: &str| self.options.discards || key != FIELD_DEFAULT_FLAG;
        let parameters = schema.parameters().iter().filter(|(key, _)| kept(key));
        let parameters: Map<String, Json> = parameters.map(|(k, v)| (k.to_string(), (&**v).into())).collect();
        if !parameters.is_empty() {
            self.put(id, CONNECT_PARAMETERS, parameters);
        }
        let of_field_only = !self.options.discards && schema.parameter(FIELD_DEFAULT_FLAG).is_some();
        if let Some(default) = schema.default().filter(|_| !of_field_only) {
            let json = defaults::to_json(schema, default, &self.options)?;
            self.put(id, CONNECT_DEFAULT, json);
        }
        if let Some(name) = schema.name() {
            self.put(id, CONNECT_NAME, name);
        }
        match schema.kind() {
            Type::Int8 => self.put(id, CONNECT_TYPE, "int8"),
            Type::Int16 => self.put(id, CONNECT_TYPE, "int16"),
            _ => {}
        }
        Ok(())
    }

    fn add_logical_type(&mut self, schema: &Schema, id: Id) -> Result<()> {
        match schema.name() {
            Some(DECIMAL) => {
                decimal(schema)?;
                self.put(id, "logicalType", "decimal");
            }
            Some(TIME) => self.put(id, "logicalType", "time-millis"),
            Some(TIMESTAMP) => self.put(id, "logicalType", "timestamp-millis"),
            Some(DATE) => self.put(id, "logicalType", "date"),
            _ => {}
        }
        Ok(())
    }

    fn name(&mut self, name: Option<&str>) -> Name {
        match name {
            Some(name) => Name::of_full(&scrub_full(name, self.options.scrubs)),
            None => {
                self.unnamed += 1;
                let number = if self.unnamed > 1 { self.unnamed.to_string() } else { String::new() };
                Name::of_full(&format!("{DEFAULT_FULL_NAME}{number}"))
            }
        }
    }
}

fn required(schema: &SchemaRef) -> SchemaRef {
    if schema.is_optional() { schema.to_builder().optional_if(false).build() } else { schema.clone() }
}

fn bad_parameter(key: &str, text: &str) -> Error {
    Error::data(format!("schema parameter {key} is not a number: {text}"))
}

/// Scale and precision of a decimal.
fn decimal(schema: &Schema) -> Result<(i64, i64)> {
    let number = |key: &str| {
        let text = schema.parameter(key);
        text.map(|text| text.parse::<i64>().map_err(|_| bad_parameter(key, text))).transpose()
    };
    let scale = number(DECIMAL_SCALE)?.ok_or_else(|| bad_parameter(DECIMAL_SCALE, "null"))?;
    Ok((scale, number(DECIMAL_PRECISION)?.unwrap_or(PRECISION_DEFAULT)))
}
