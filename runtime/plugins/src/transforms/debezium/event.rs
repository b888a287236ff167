//! What change events look like.

use std::sync::Arc;

use couplet_api::data::{Record, Schema, Struct, Value};
use couplet_api::{Error, Result};

use crate::transforms::row::{or_default, require_struct};

pub(super) const BEFORE: &str = "before";
pub(super) const AFTER: &str = "after";
pub(super) const SOURCE: &str = "source";
pub(super) const OPERATION: &str = "op";

/// What the names of the schemas of change events end with.
pub(super) const ENVELOPE_SUFFIX: &str = ".Envelope";

/// Whether `schema` is that of change events.
pub(super) fn is_envelope(schema: &Schema) -> bool {
    schema.name().is_some_and(|name| name.ends_with(ENVELOPE_SUFFIX))
}

/// The change event that a record is; `None` for tombstones, heartbeats, schema changes and foreign records.
///
/// # Errors
/// When the value does not fit its schema; `purpose` says for what it was needed.
pub(super) fn change_event<'a>(record: &'a Record, purpose: &str) -> Result<Option<&'a Arc<Struct>>> {
    let fits = record.value.schema.as_deref().is_some_and(is_envelope);
    if record.value.is_null() || !fits {
        return Ok(None);
    }
    require_struct(&record.value.value, purpose).map(Some)
}

/// `Struct.get`: a field's value, or its default in place of null.
///
/// # Errors
/// When there is no such field.
pub(super) fn get(row: &Struct, name: &str) -> Result<Value> {
    let at = row.schema().field_index(name);
    let at = at.ok_or_else(|| Error::data(format!("{name} is not a valid field name")))?;
    Ok(or_default(&row.values()[at], row.schema().fields()[at].schema(), true))
}

/// `Struct.getStruct`: the struct in a field; `None` for null.
///
/// # Errors
/// When there is no such field, or it holds something else.
pub(super) fn get_struct(row: &Struct, name: &str) -> Result<Option<Arc<Struct>>> {
    match get(row, name)? {
        Value::Struct(inner) => Ok(Some(inner)),
        Value::Null if row.schema().field(name).is_some_and(|f| f.schema().kind().name() == "STRUCT") => Ok(None),
        _ => Err(wrong_type(name, "STRUCT")),
    }
}

/// `Struct.getString`; `None` for null.
///
/// # Errors
/// When there is no such field, or it holds something else.
pub(super) fn get_string(row: &Struct, name: &str) -> Result<Option<String>> {
    match get(row, name)? {
        Value::Str(text) => Ok(Some(text.as_str().to_owned())),
        Value::Null if row.schema().field(name).is_some_and(|f| f.schema().kind().name() == "STRING") => Ok(None),
        _ => Err(wrong_type(name, "STRING")),
    }
}

/// What `Struct.getInt32` and its like say of a field of another type.
pub(super) fn wrong_type(name: &str, wanted: &str) -> Error {
    Error::data(format!("Field '{name}' is not of type {wanted}"))
}
