//! Logs: to standard error, filtered by `RUST_LOG` and, at run time, by `/admin/loggers`.

use couplet_engine::rest::Loggers;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// What is logged when `RUST_LOG` does not say.
const DEFAULT_FILTER: &str = "info,librdkafka=warn,rdkafka=warn,aws_config=warn,hyper=warn";

/// Starts logging; the loggers change its filter.
pub fn init() -> Loggers {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let (filter, control) = reload::Layer::new(filter);
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(filter).with(lines).init();
    Loggers::new(move |directives| {
        if let Err(error) = control.reload(EnvFilter::new(directives)) {
            tracing::warn!(%error, "the level of a logger could not be changed");
        }
    })
}
