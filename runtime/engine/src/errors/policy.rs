//! The settings of error handling, and what they mean for one failed record.

use couplet_api::{Error, Kind, Result};

use super::{Backoff, Stage, StageError};
use crate::connector_config::ConnectorConfig;

/// Whether a record may be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// Any failure is fatal.
    None,
    /// Failed records are skipped.
    All,
}

/// `errors.*` of a connector.
#[derive(Debug, Clone)]
pub struct ErrorPolicy {
    /// `errors.tolerance`.
    pub tolerance: Tolerance,
    /// `errors.log.enable`.
    pub log: bool,
    /// `errors.log.include.messages`.
    pub log_places: bool,
    retry: Backoff,
}

impl ErrorPolicy {
    /// The policy of a connector.
    pub fn of(config: &ConnectorConfig) -> Self {
        ErrorPolicy {
            tolerance: if config.errors_tolerance == "all" { Tolerance::All } else { Tolerance::None },
            log: config.errors_log_enable,
            log_places: config.errors_log_include_messages,
            retry: Backoff::new(config.errors_retry_timeout, config.errors_retry_delay_max_ms),
        }
    }

    /// Pauses between tries of one operation.
    pub fn backoff(&self) -> Backoff {
        self.retry.clone()
    }

    /// Decides about a record that failed for good and was reported: `Ok` skips it.
    ///
    /// # Errors
    /// The error that fails the task, first line as the JVM words it.
    pub fn judge(&self, failed: StageError) -> Result<()> {
        let tolerable = failed.error.kind() != Kind::Fenced;
        match self.tolerance {
            Tolerance::All if tolerable => Ok(()),
            _ if failed.stage == Stage::KafkaProduce => Err(failed.error),
            _ => Err(Error::fatal("Tolerance exceeded in error handler").caused_by(failed.error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::config::Props;

    use super::*;

    fn policy(tolerance: &str) -> ErrorPolicy {
        let base = [("name", "c"), ("connector.class", "C"), ("errors.tolerance", tolerance)];
        ErrorPolicy::of(&ConnectorConfig::parse(&Props::from_iter(base)).expect("valid"))
    }

    #[test]
    fn tolerance_decides_and_the_trace_begins_as_the_jvms() {
        let failed = || StageError { stage: Stage::ValueConverter, class: "C", error: Error::data("broken") };
        assert!(policy("all").judge(failed()).is_ok());
        let error = policy("none").judge(failed()).expect_err("not tolerated");
        assert_eq!(
            error.trace(),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             Caused by: org.apache.kafka.connect.errors.DataException: broken\n"
        );
    }
}
