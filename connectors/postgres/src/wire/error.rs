//! What the server's errors mean to the worker.

use couplet_api::Kind;
use couplet_api::error::Error;

/// The class the JDBC driver's errors have in traces.
const DRIVER_ERROR: &str = "org.postgresql.util.PSQLException";

/// An error the server reported: severity, SQLSTATE and message.
pub(crate) fn server_error(severity: &str, state: &str, message: &str) -> Error {
    Error::new(kind(state), format!("{severity}: {message}")).with_class(DRIVER_ERROR)
}

/// An error of the SQL client.
pub(crate) fn sql_error(error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(db) => server_error(db.severity(), db.code().code(), db.message()),
        None => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            let text = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
            Error::remote(text).with_class(DRIVER_ERROR)
        }
    }
}

/// By the SQLSTATE's class: what waiting can mend is `Remote`.
fn kind(state: &str) -> Kind {
    match state {
        // Connection trouble, lack of resources, shutdown, start-up, cancelled statements and lock time-outs.
        _ if state.starts_with("08") || state.starts_with("53") || state.starts_with("57") => Kind::Remote,
        "55P03" | "40001" | "40P01" => Kind::Remote,
        _ if state.starts_with("28") => Kind::Auth,
        "42501" => Kind::Auth,
        "3D000" | "3F000" => Kind::Config,
        _ => Kind::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_helps_against_a_restart_and_not_against_a_wrong_password() {
        let rows = [("57P01", Kind::Remote), ("28P01", Kind::Auth), ("3D000", Kind::Config), ("42601", Kind::Fatal)];
        for (state, want) in rows {
            let error = server_error("FATAL", state, "text");
            assert_eq!((error.kind(), error.message()), (want, "FATAL: text"));
        }
    }
}
