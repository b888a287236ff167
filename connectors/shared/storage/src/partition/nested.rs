//! Fields named by a path: `a.b.c`.

use couplet_api::data::{Field, SchemaRef, Struct, Value};
use couplet_api::{Error, Result};

/// The field at `path`, descending through structs.
pub(super) fn schema_at<'a>(schema: &'a SchemaRef, path: &str) -> Option<&'a Field> {
    let mut names = path.split('.');
    let mut field = schema.field(names.next()?)?;
    for name in names {
        field = field.schema().field(name)?;
    }
    Some(field)
}

/// The value at `path`, defaults filled in as Java's `Struct.get` does.
///
/// # Errors
/// `Kind::Data` when a part of the path is missing or null.
pub(super) fn value_at<'a>(value: &'a Value, path: &str) -> Result<&'a Value> {
    let missing = || Error::data(format!("The field '{path}' does not exist."));
    let mut inner = value;
    for name in path.split('.') {
        inner = match inner {
            Value::Struct(row) => field_or_default(row, name).ok_or_else(missing)?,
            Value::Map(_) => inner.get(name).ok_or_else(missing)?,
            _ => return Err(missing()),
        };
        if inner.is_null() {
            return Err(missing());
        }
    }
    Ok(inner)
}

fn field_or_default<'a>(row: &'a Struct, name: &str) -> Option<&'a Value> {
    let index = row.schema().field_index(name)?;
    match &row.values()[index] {
        Value::Null => row.schema().fields()[index].schema().default().or(Some(&Value::Null)),
        value => Some(value),
    }
}
