use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::Record;
use couplet_api::transform::Transform;
use couplet_api::{Result, config_def};

use super::validators::non_empty_list;
use crate::first_problem;

config_def! {
    /// Settings of DropHeaders.
    struct DropHeadersConfig {
        /// Names of the headers to remove.
        headers: List = "headers", High, required, non_empty_list();
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    DropHeadersConfig::config_def()
}

/// Removes headers by name.
struct DropHeaders {
    headers: Vec<String>,
}

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(DropHeadersConfig::parse, DropHeadersConfig::config_def, props)?;
    Ok(Arc::new(DropHeaders { headers: config.headers }))
}

impl Transform for DropHeaders {
    fn apply(&self, mut record: Record) -> Result<Option<Record>> {
        record.headers.retain(|header| !self.headers.iter().any(|name| **name == *header.key));
        Ok(Some(record))
    }
}
