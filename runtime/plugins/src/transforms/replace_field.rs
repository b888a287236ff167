use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, Setting, Validator, with_message};
use couplet_api::data::{Datum, Record, SchemaRef};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::row::{build, copy_basics, require_map, require_struct, text_keys, values};
use super::schema_cache::SchemaCache;
use super::side::Side;
use crate::first_problem;
use crate::java::HashMapOrder;
use crate::value_check::add_field;

config_def! {
    /// Settings of ReplaceField.
    struct ReplaceFieldConfig {
        /// Fields to leave out; wins over the fields to keep.
        exclude: List = "exclude", Medium, default "";
        /// Fields to keep; all when empty.
        include: List = "include", Medium, default "";
        /// New names of fields, old:new,old:new.
        renames: List = "renames", Medium, default "", rename_pairs();
        /// Whether a null is replaced by the default value of its field, if it has one.
        replace_null_with_default: Bool = "replace.null.with.default", Medium, default "true";
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    ReplaceFieldConfig::config_def()
}

const PURPOSE: &str = "field replacement";

fn rename_pairs() -> Validator {
    with_message(|setting| match setting {
        Setting::List(items) => parse_renames(items).map(drop),
        _ => Ok(()),
    })
}

fn parse_renames(mappings: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut renames: Vec<(String, String)> = Vec::new();
    for mapping in mappings {
        // As Java splits: empty parts at the end do not count.
        match mapping.trim_end_matches(':').split(':').collect::<Vec<_>>()[..] {
            [old, new] => {
                renames.retain(|(name, _)| name != old);
                renames.push((old.to_owned(), new.to_owned()));
            }
            _ => {
                let all = mappings.join(", ");
                return Err(format!(
                    "Invalid value [{all}] for configuration renames: Invalid rename mapping: {mapping}"
                ));
            }
        }
    }
    Ok(renames)
}

/// Leaves out and renames fields.
pub(super) struct ReplaceField {
    side: Side,
    exclude: Vec<String>,
    include: Vec<String>,
    renames: Vec<(String, String)>,
    replace_null_with_default: bool,
    schemas: SchemaCache,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(ReplaceFieldConfig::parse, ReplaceFieldConfig::config_def, props)?;
    Ok(Arc::new(ReplaceField {
        side,
        renames: parse_renames(&config.renames).map_err(Error::config)?,
        exclude: config.exclude,
        include: config.include,
        replace_null_with_default: config.replace_null_with_default,
        schemas: SchemaCache::new(),
    }))
}

impl ReplaceField {
    /// A transform that only leaves out fields.
    pub(super) fn excluding(side: Side, exclude: Vec<String>) -> Self {
        ReplaceField {
            side,
            exclude,
            include: Vec::new(),
            renames: Vec::new(),
            replace_null_with_default: true,
            schemas: SchemaCache::new(),
        }
    }
}

impl Transform for ReplaceField {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let datum = self.side.of(&record);
        if datum.is_null() {
            return Ok(Some(record));
        }
        let replaced = match datum.schema {
            None => {
                let entries = require_map(&datum.value, PURPOSE)?;
                let mut map = HashMapOrder::with_capacity(entries.len());
                for entry in text_keys(entries) {
                    let (name, value) = entry?;
                    if self.keeps(name) {
                        map.put(self.renamed(name), value.clone());
                    }
                }
                Datum::schemaless(map.into_value())
            }
            Some(_) => {
                let row = require_struct(&datum.value, PURPOSE)?;
                let schema = self.schemas.get(row.schema(), || self.schema(row.schema()))?;
                let kept = values(row, self.replace_null_with_default).filter(|(field, _)| self.keeps(field.name()));
                Datum::new(schema.clone(), build(&schema, kept.map(|(_, value)| value))?)
            }
        };
        Ok(Some(self.side.with(record, replaced)))
    }
}

impl ReplaceField {
    fn keeps(&self, field: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == field);
        !named(&self.exclude) && (self.include.is_empty() || named(&self.include))
    }

    fn renamed<'a>(&'a self, field: &'a str) -> &'a str {
        self.renames.iter().find(|(old, _)| old == field).map_or(field, |(_, new)| new)
    }

    fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let mut builder = copy_basics(schema);
        for field in schema.fields().iter().filter(|f| self.keeps(f.name())) {
            let new = self.renamed(field.name());
            // The value is looked up under the old name of the new one, which need not be this field's.
            if let Some((old, _)) = self.renames.iter().rev().find(|(_, name)| name == new)
                && schema.field(old).is_none()
            {
                return Err(Error::data(format!("{old} is not a valid field name")));
            }
            builder = add_field(builder, new, field.schema().clone())?;
        }
        Ok(builder.build())
    }
}
