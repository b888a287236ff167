use std::sync::Arc;

use bytes::Bytes;
use couplet_api::Result;
use couplet_api::config::{ConfigDef, Props};
use couplet_api::converter::HeaderConverter;
use couplet_api::data::{Datum, Schema, Value};

use crate::values;

/// Class name of the converter that headers have unless told otherwise.
pub(super) const NAME: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

/// Writes values as text and guesses their types when it reads them.
struct SimpleHeaderConverter;

/// It has no settings.
pub(super) fn config_def() -> ConfigDef {
    ConfigDef::new()
}

/// Makes the converter.
#[allow(clippy::unnecessary_wraps, reason = "the signature of all factories")]
pub(super) fn create(_props: &Props) -> Result<Arc<dyn HeaderConverter>> {
    Ok(Arc::new(SimpleHeaderConverter))
}

impl HeaderConverter for SimpleHeaderConverter {
    fn from_connect_header(&self, _topic: &str, _key: &str, data: &Datum) -> Result<Option<Bytes>> {
        Ok(match &data.value {
            Value::Null => None,
            // As it is, without a copy: most headers are the same text in every record.
            Value::Str(text) => Some(text.as_bytes().clone()),
            other => Some(Bytes::from(values::to_text(other))),
        })
    }

    fn to_connect_header(&self, _topic: &str, _key: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else { return Ok(Datum::NULL) };
        let parsed = values::parse(&String::from_utf8_lossy(bytes));
        Ok(parsed.unwrap_or_else(|| Datum::new(Schema::bytes(), bytes.clone())))
    }
}
