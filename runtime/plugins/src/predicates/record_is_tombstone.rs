use std::sync::Arc;

use couplet_api::Result;
use couplet_api::config::{ConfigDef, Props};
use couplet_api::data::Record;
use couplet_api::predicate::Predicate;

use super::Class;

pub(super) const CLASS: Class = Class {
    name: "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    config_def: ConfigDef::new,
    create,
};

/// Whether a record has no value.
struct RecordIsTombstone;

#[allow(clippy::unnecessary_wraps, reason = "the signature of all factories")]
fn create(_props: &Props) -> Result<Arc<dyn Predicate>> {
    Ok(Arc::new(RecordIsTombstone))
}

impl Predicate for RecordIsTombstone {
    fn test(&self, record: &Record) -> Result<bool> {
        Ok(record.value.is_null())
    }
}
