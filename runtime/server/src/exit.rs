//! Why the process ends, and with which code.

use std::process::ExitCode;

use couplet_api::{Error, Kind};

/// The reason for an end that is not the user's wish.
#[derive(Debug)]
pub struct Stop {
    code: u8,
    reason: String,
}

impl Stop {
    /// The worker could not be started: code 1 when a setting is wrong, else 2 as Kafka's.
    pub fn at_start(error: &Error) -> Self {
        let code = if error.kind() == Kind::Config { 1 } else { 2 };
        Stop { code, reason: error.to_string() }
    }

    /// Something that is not about settings: code 2.
    pub fn failed(reason: impl Into<String>) -> Self {
        Stop { code: 2, reason: reason.into() }
    }

    /// What was checked is not valid: code 1.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Stop { code: 1, reason: reason.into() }
    }

    /// A connector of the command line could not be created: code 3, as Kafka's.
    pub fn connector(reason: impl Into<String>) -> Self {
        Stop { code: 3, reason: reason.into() }
    }

    /// Says why, one line per problem, and gives the code.
    #[allow(clippy::print_stderr, reason = "the last words of the process are for whoever started it")]
    pub fn report(self) -> ExitCode {
        for line in couplet_engine::secrets::redact(&self.reason).lines() {
            eprintln!("couplet: {line}");
        }
        ExitCode::from(self.code)
    }
}
