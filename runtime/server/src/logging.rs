//! Logs: to standard error, filtered by `RUST_LOG` and, at run time, by `/admin/loggers`.

use std::io::{self, Write};

use couplet_engine::rest::Loggers;
use couplet_engine::secrets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

/// What is logged when `RUST_LOG` does not say.
const DEFAULT_FILTER: &str = "info,librdkafka=warn,rdkafka=warn,aws_config=warn,hyper=warn";

/// Writes lines with all secrets masked. Each event is one write, so no secret is cut in two.
struct Redacted<W>(W);

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.write_all(&secrets::redact_bytes(lines))?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Starts logging; the loggers change its filter.
pub fn init() -> Loggers {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let (filter, control) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .with_writer(|| Redacted(std::io::stderr()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(filter).with(lines).init();
    // A panic's words may hold a secret, and by default they go to standard error as they are.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Loggers::new(move |directives| {
        if let Err(error) = control.reload(EnvFilter::new(directives)) {
            tracing::warn!(%error, "the level of a logger could not be changed");
        }
    })
}
