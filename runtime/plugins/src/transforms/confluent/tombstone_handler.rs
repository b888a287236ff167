use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, one_of};
use couplet_api::data::Record;
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use crate::first_problem;

config_def! {
    /// Settings of TombstoneHandler.
    struct TombstoneHandlerConfig {
        /// What happens to records whose value is null: ignore and warn drop them, with a line in the log at DEBUG or WARN;
        /// fail makes them errors.
        behavior: Str = "behavior", Medium, default "warn", one_of(&["ignore", "warn", "fail"]);
    }
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    TombstoneHandlerConfig::config_def()
}

/// Drops or refuses records whose value is null.
enum TombstoneHandler {
    Ignore,
    Warn,
    Fail,
}

/// Makes the transform.
pub(super) fn create(props: &Props) -> Result<Arc<dyn Transform>> {
    let config = first_problem(TombstoneHandlerConfig::parse, TombstoneHandlerConfig::config_def, props)?;
    Ok(Arc::new(match config.behavior.as_str() {
        "ignore" => TombstoneHandler::Ignore,
        "fail" => TombstoneHandler::Fail,
        _ => TombstoneHandler::Warn,
    }))
}

impl Transform for TombstoneHandler {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        if !record.value.is_null() {
            return Ok(Some(record));
        }
        match self {
            TombstoneHandler::Ignore => tracing::debug!(topic = %record.topic, "tombstone dropped"),
            TombstoneHandler::Warn => tracing::warn!(topic = %record.topic, "tombstone dropped"),
            TombstoneHandler::Fail => {
                return Err(Error::data(format!(
                    "A record of topic {} is a tombstone, and TombstoneHandler's behavior is fail",
                    record.topic
                )));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema, Value};

    use super::*;

    #[test]
    fn tombstones_are_dropped_or_refused() {
        let rows =
            [(None, Some(false)), (Some("ignore"), Some(false)), (Some("warn"), Some(false)), (Some("fail"), None)];
        for (behavior, want) in rows {
            let props = behavior.map(|b| ("behavior", b)).into_iter().collect();
            let transform = create(&props).expect("settings");
            for value in [Datum::NULL, Datum::new(Schema::optional_string(), Value::Null)] {
                let got = transform.apply(Record::new("t", Datum::schemaless("k"), value)).ok().map(|r| r.is_some());
                assert_eq!(got, want, "{behavior:?}");
            }
            let other = transform.apply(Record::new("t", Datum::NULL, Datum::schemaless(1)));
            assert!(other.is_ok_and(|kept| kept.is_some()), "{behavior:?}");
        }
        assert!(create(&[("behavior", "drop")].into_iter().collect()).is_err());
    }
}
