use std::sync::Arc;

use couplet_api::Result;
use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::Record;
use couplet_api::transform::Transform;

/// It has no settings.
pub(super) fn config_def() -> ConfigDef {
    ConfigDef::new()
}

/// Drops every record; used with a predicate.
struct Filter;

/// Makes the transform.
#[allow(clippy::unnecessary_wraps, reason = "the signature of all factories")]
pub(super) fn create(_props: &Props) -> Result<Arc<dyn Transform>> {
    Ok(Arc::new(Filter))
}

impl Transform for Filter {
    fn apply(&self, _record: Record) -> Result<Option<Record>> {
        Ok(None)
    }
}
