use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::{Header, Record};
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use super::validators::non_null;
use crate::{first_problem, values};

config_def! {
    /// Settings of InsertHeader.
    struct InsertHeaderConfig {
        /// Name of the header.
        header: Str = "header", High, required, non_null();
        /// Its value, read as SimpleHeaderConverter reads text: the smallest type that fits.
        value_literal: Str = "value.literal", High, required, non_null();
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    InsertHeaderConfig::config_def()
}

/// Adds a fixed header.
struct InsertHeader(Header);

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(InsertHeaderConfig::parse, InsertHeaderConfig::config_def, props)?;
    let value = values::parse(&config.value_literal)
        .ok_or_else(|| Error::config("value.literal is nested too deeply to be read"))?;
    Ok(Arc::new(InsertHeader(Header { key: config.header.into(), value })))
}

impl Transform for InsertHeader {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        record.headers.push(self.0.clone());
        Ok(Some(record))
    }
}
