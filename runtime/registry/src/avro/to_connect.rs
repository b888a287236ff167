//! Connect schemas of Avro schemas, as `AvroData.toConnectSchema` makes them.

use couplet_api::data::{DECIMAL, Schema, SchemaBuilder, SchemaRef, Type};
use couplet_api::{Error, Result};
use serde_json::Value as Json;

use super::defaults;
use super::names::*;
use super::options::Options;
use super::schema::{AvroSchema, Field, Id, Name, Props, Shape};

/// Most schemas made of one; types that are used in many places count each time.
const SCHEMAS_MAX: usize = 200_000;

/// The Connect schema of `avro`, with `version` if it says none itself.
///
/// # Errors
/// `Kind::Data` for schemas that Connect has no form for; records that contain themselves are among them.
pub(super) fn to_connect(avro: &AvroSchema, version: Option<i32>, options: Options) -> Result<SchemaRef> {
    let mut maker = Maker { avro, options, open: Vec::new(), made: 0, unions: 0 };
    let context = Context { version, ..Context::default() };
    maker.make(avro.root, &context)
}

struct Maker<'a> {
    avro: &'a AvroSchema,
    options: Options,
    /// Records whose fields are being made.
    open: Vec<Id>,
    made: usize,
    unions: usize,
}

/// What the place of a type adds to it.
#[derive(Default)]
struct Context<'a> {
    optional: bool,
    /// Default and documentation of the field.
    default: Option<&'a Json>,
    doc: Option<&'a str>,
    version: Option<i32>,
}

fn text<'p>(props: &'p Props, key: &str) -> Option<&'p str> {
    props.get(key).and_then(Json::as_str)
}

impl Maker<'_> {
    fn make(&mut self, id: Id, context: &Context<'_>) -> Result<SchemaRef> {
        self.made += 1;
        if self.made > SCHEMAS_MAX {
            return Err(Error::data("the Avro schema is too large"));
        }
        if let Some(only) = self.flattened(id) {
            let has_null = self.avro.null_branch(id).is_some();
            return self.make(only, &Context { optional: has_null, doc: context.doc, ..Context::default() });
        }
        let builder = self.base(id)?;
        self.attributes(id, builder, context)
    }

    /// The one type that a union stands for.
    fn flattened(&self, id: Id) -> Option<Id> {
        let branches = self.avro.branches(id);
        match branches {
            [only] if self.options.flattens && *self.avro.shape(*only) != Shape::Null => Some(*only),
            [_, _] if self.avro.null_branch(id).is_some() => {
                branches.iter().copied().find(|branch| *self.avro.shape(*branch) != Shape::Null)
            }
            _ => None,
        }
    }

    fn base(&mut self, id: Id) -> Result<SchemaBuilder> {
        let avro = self.avro;
        let node = avro.node(id);
        let logical = text(&node.props, "logicalType").map(str::to_ascii_lowercase);
        let logical = logical.as_deref();
        Ok(match &node.shape {
            Shape::Boolean => SchemaBuilder::new(Type::Boolean),
            Shape::Double => SchemaBuilder::new(Type::Float64),
            Shape::Float => SchemaBuilder::new(Type::Float32),
            Shape::String => SchemaBuilder::new(Type::String),
            Shape::Bytes | Shape::Fixed { .. } => bytes(&node.shape, &node.props, logical)?,
            Shape::Int => match (logical, text(&node.props, CONNECT_TYPE)) {
                (Some("date"), _) => SchemaBuilder::date(),
                (Some("time-millis"), _) => SchemaBuilder::time(),
                (Some(_), _) | (None, None) => SchemaBuilder::new(Type::Int32),
                (None, Some("int8")) => SchemaBuilder::new(Type::Int8),
                (None, Some("int16")) => SchemaBuilder::new(Type::Int16),
                (None, Some(_)) => return Err(Error::data("Connect type annotation for Avro int field is null")),
            },
            Shape::Long if logical == Some("timestamp-millis") => SchemaBuilder::timestamp(),
            Shape::Long => SchemaBuilder::new(Type::Int64),
            Shape::Array(items) => match self.map_entry(*items)? {
                Some((key, value)) => {
                    let key = self.make(key, &Context::default())?;
                    SchemaBuilder::map(key, self.make(value, &Context::default())?)
                }
                None => SchemaBuilder::array(self.make(*items, &Context::default())?),
            },
            Shape::Map(values) => SchemaBuilder::map(Schema::string(), self.make(*values, &Context::default())?),
            Shape::Record { name, doc, fields } => {
                if self.open.contains(&id) {
                    let text = format!("the Avro record {} contains itself, which is not supported", name.full());
                    return Err(Error::data(text));
                }
                self.open.push(id);
                let built = self.record(doc.as_deref(), fields);
                self.open.pop();
                built?
            }
            Shape::Enum { name, doc, symbols, default } => {
                self.enumeration(name, doc.as_deref(), symbols, default.as_deref())
            }
            Shape::Union(branches) => self.union(branches)?,
            Shape::Null => return Err(Error::data("Standalone null schemas are not supported by this converter")),
        })
    }

    /// Key and value of the items of an array that stands for a map.
    fn map_entry(&self, items: Id) -> Result<Option<(Id, Id)>> {
        let node = self.avro.node(items);
        let Shape::Record { name, fields, .. } = &node.shape else { return Ok(None) };
        let ours = name.space.as_deref() == Some(NAMESPACE) && name.simple == MAP_ENTRY;
        if !ours && text(&node.props, CONNECT_INTERNAL_TYPE) != Some(MAP_ENTRY) {
            return Ok(None);
        }
        let field = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.schema);
        match (field("key"), field("value"), fields.len()) {
            (Some(key), Some(value), 2) => Ok(Some((key, value))),
            _ => Err(Error::data(
                "Found map encoded as array of key-value pairs, but array elements do not match the expected format.",
            )),
        }
    }

    fn record(&mut self, doc: Option<&str>, fields: &[Field]) -> Result<SchemaBuilder> {
        let mut builder = SchemaBuilder::structure();
        let documents = !self.options.discards && self.options.meta_data;
        if let Some(doc) = doc.filter(|_| documents) {
            builder = builder.parameter(RECORD_DOC, doc);
        }
        for field in fields {
            if let Some(doc) = field.doc.as_deref().filter(|_| documents) {
                builder = builder.parameter(format!("{FIELD_DOC_PREFIX}{}", field.name), doc);
            }
            let context = Context { default: field.default.as_ref(), doc: field.doc.as_deref(), ..Context::default() };
            builder = builder.field(&*field.name, self.make(field.schema, &context)?);
        }
        Ok(builder)
    }

    fn enumeration(&self, name: &Name, doc: Option<&str>, symbols: &[String], default: Option<&str>) -> SchemaBuilder {
        let mut builder = SchemaBuilder::new(Type::String);
        let Options { meta_data, discards, general, .. } = self.options;
        if let Some(doc) = doc.filter(|_| meta_data) {
            let key = if discards { CONNECT_ENUM_DOC.to_owned() } else { format!("{ENUM_DOC_PREFIX}{}", name.simple) };
            builder = builder.parameter(key, doc);
        }
        if let Some(default) = default.filter(|_| meta_data && !discards) {
            builder = builder.parameter(format!("{ENUM_DEFAULT_PREFIX}{}", name.simple), default);
        }
        let parameter = if general { GENERAL_ENUM } else { ENUM };
        builder = builder.parameter(parameter, name.full());
        for (at, symbol) in symbols.iter().enumerate() {
            let value = if general { at.to_string() } else { symbol.clone() };
            builder = builder.parameter(format!("{parameter}.{symbol}"), value);
        }
        builder
    }

    fn union(&mut self, branches: &[Id]) -> Result<SchemaBuilder> {
        let mut builder = SchemaBuilder::structure();
        if self.options.general {
            let name = format!("{GENERAL_UNION_PREFIX}{}", self.unions);
            self.unions += 1;
            builder = builder.name(&*name).parameter(GENERAL_UNION, name);
        } else {
            builder = builder.name(UNION);
        }
        let mut names: Vec<String> = Vec::new();
        for (at, branch) in branches.iter().enumerate() {
            if *self.avro.shape(*branch) == Shape::Null {
                builder = builder.optional();
                continue;
            }
            let name = self.member_name(*branch, at);
            if names.contains(&name) {
                return Err(Error::data("Multiple union schemas map to the Connect union field name"));
            }
            let schema = self.make(*branch, &Context { optional: true, ..Context::default() })?;
            builder = builder.field(&*name, schema);
            names.push(name);
        }
        Ok(builder)
    }

    /// The name of a union's branch among the fields of its struct.
    fn member_name(&self, id: Id, at: usize) -> String {
        let shape = self.avro.shape(id);
        match shape.name() {
            _ if self.options.general => format!("{GENERAL_FIELD_PREFIX}{at}"),
            Some(name) if self.options.enhanced => name.full(),
            Some(name) if self.options.scrubs => scrub(&name.simple),
            Some(name) => name.simple.clone(),
            None => shape.type_name().to_owned(),
        }
    }

    /// Documentation, version, parameters, default and name.
    fn attributes(&self, id: Id, mut builder: SchemaBuilder, context: &Context<'_>) -> Result<SchemaRef> {
        let node = self.avro.node(id);
        let (props, options) = (&node.props, self.options);
        let own_doc = match &node.shape {
            Shape::Record { doc, .. } | Shape::Enum { doc, .. } => doc.as_deref(),
            _ => None,
        };
        let connect_doc = text(props, CONNECT_DOC);
        if options.discards {
            if let Some(doc) = context.doc.or(own_doc).or(connect_doc) {
                builder = builder.doc(doc);
            }
            if let Some(doc) = own_doc.filter(|_| options.meta_data) {
                builder = builder.parameter(CONNECT_RECORD_DOC, doc);
            }
        } else if let Some(doc) = connect_doc.filter(|_| options.meta_data) {
            builder = builder.doc(doc);
        }
        builder = version(builder, props, context.version)?;
        if let Some(parameters) = props.get(CONNECT_PARAMETERS).filter(|_| options.meta_data) {
            let wrong =
                |json: &Json| Error::data(format!("Expected JSON object for schema parameters but found: {json}"));
            for (key, value) in parameters.as_object().ok_or_else(|| wrong(parameters))? {
                let value = value.as_str().ok_or_else(|| {
                    Error::data(format!("Expected schema parameter values to be strings but found: {value}"))
                })?;
                builder = builder.parameter(&**key, value);
            }
        }
        for (key, value) in props.iter().filter(|(key, _)| key.starts_with(AVRO_PREFIX)) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            builder = builder.parameter(&**key, value);
        }
        let connect_default = props.get(CONNECT_DEFAULT);
        if context.default.is_some() && connect_default.is_none() && !options.discards && options.meta_data {
            builder = builder.parameter(FIELD_DEFAULT_FLAG, "true");
        }
        builder =
            named(builder, &node.shape, props)?.optional_if(context.optional || is_optional(&node.shape, self.avro));
        let plain = builder.clone().build();
        let Some(json) = context.default.or(connect_default) else { return Ok(plain) };
        match defaults::from_json(&plain, self.avro, id, json) {
            Some(value) if !value.is_null() => Ok(builder.default(value).build()),
            Some(_) => Ok(plain),
            None => {
                tracing::warn!(schema = plain.name(), "Ignoring invalid default for schema");
                Ok(plain)
            }
        }
    }
}

fn is_optional(shape: &Shape, avro: &AvroSchema) -> bool {
    matches!(shape, Shape::Union(branches) if branches.iter().any(|branch| *avro.shape(*branch) == Shape::Null))
}

fn bytes(shape: &Shape, props: &Props, logical: Option<&str>) -> Result<SchemaBuilder> {
    let mut builder = SchemaBuilder::new(Type::Bytes);
    if logical == Some("decimal") {
        let scale = props.get("scale").and_then(Json::as_i64).and_then(|scale| i32::try_from(scale).ok());
        builder = SchemaBuilder::decimal(scale.unwrap_or(0));
        if let Some(precision) = props.get("precision") {
            let precision = precision.as_i64().ok_or_else(|| {
                Error::data(
                    "precision property must be a JSON Integer. https://avro.apache.org/docs/1.9.1/spec.html#Decimal",
                )
            })?;
            if precision != PRECISION_DEFAULT {
                builder = builder.parameter(DECIMAL_PRECISION, precision.to_string());
            }
        }
    }
    Ok(match shape {
        Shape::Fixed { size, .. } => builder.parameter(FIXED_SIZE, size.to_string()),
        _ => builder,
    })
}

/// The version that the schema itself says, else the registry's.
fn version(builder: SchemaBuilder, props: &Props, registered: Option<i32>) -> Result<SchemaBuilder> {
    let own = builder.clone().build().version();
    let said = match props.get(CONNECT_VERSION) {
        None => None,
        Some(json) => Some(
            json.as_i64()
                .and_then(|version| i32::try_from(version).ok())
                .ok_or_else(|| Error::data(format!("Invalid Connect version found: {json}")))?,
        ),
    };
    match (said.filter(|version| *version >= 0), own) {
        (Some(said), Some(own)) if said != own => Err(Error::data(format!(
            "Mismatched versions: version already added to SchemaBuilder ({own}) differs from version in source schema \
             ({said})"
        ))),
        (Some(said), None) => Ok(builder.version(said)),
        (None, None) => Ok(builder.version(registered)),
        // A logical type keeps its own; the JVM fails when the registry counts further.
        _ => Ok(builder),
    }
}

fn named(builder: SchemaBuilder, shape: &Shape, props: &Props) -> Result<SchemaBuilder> {
    let own = builder.clone().build().name().map(str::to_owned);
    let name = match (props.get(CONNECT_NAME), shape) {
        (Some(Json::String(name)), _) => Some(name.clone()),
        (Some(other), _) => return Err(Error::data(format!("Invalid schema name: {other}"))),
        (None, Shape::Record { name, .. } | Shape::Enum { name, .. }) => Some(name.full()),
        (None, Shape::Fixed { name, .. }) if own.as_deref() != Some(DECIMAL) => Some(name.full()),
        (None, _) => None,
    };
    match (name.filter(|name| !name.starts_with(DEFAULT_FULL_NAME)), own) {
        (None, _) => Ok(builder),
        (Some(name), None) => Ok(builder.name(name)),
        (Some(name), Some(own)) if name == own => Ok(builder),
        (Some(name), Some(own)) => Err(Error::data(format!(
            "Mismatched names: name already added to SchemaBuilder ({own}) differs from name in source schema ({name})"
        ))),
    }
}
