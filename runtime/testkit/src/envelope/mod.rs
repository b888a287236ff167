//! The notation of recorded data: `{"schema": …, "payload": …}`, schemas as Connect's JSON converter writes them,
//! values without a schema in JSON with tags (`@int8`, `@bytes`, …) for what JSON cannot say.
//!
//! Written apart from the JSON converter on purpose: what tests it must not share its mistakes.

mod payload;
mod record;
mod schema;

pub use payload::{read_tagged, write_payload, write_tagged};
pub use record::{read_record, write_record};
pub use schema::{read_schema, write_schema};

use couplet_api::data::Datum;
use serde_json::{Value as Json, json};

/// The data of an envelope; JSON's null is schemaless null.
///
/// # Errors
/// What cannot be expressed in the data model, or is malformed.
pub fn read(envelope: &Json) -> Result<Datum, String> {
    let schema = match &envelope["schema"] {
        Json::Null => None,
        schema => Some(read_schema(schema)?),
    };
    let value = payload::read_payload(schema.as_ref(), &envelope["payload"])?;
    Ok(Datum { schema, value })
}

/// The envelope of `datum`.
pub fn write(datum: &Datum) -> Json {
    json!({
        "schema": datum.schema.as_ref().map_or(Json::Null, |s| write_schema(s)),
        "payload": write_payload(datum.schema.as_ref(), &datum.value),
    })
}
