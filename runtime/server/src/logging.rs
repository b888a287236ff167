//! Logs: to standard error, filtered by `RUST_LOG` and, at run time, by `/admin/loggers`.

use std::io::{self, Write};
use std::path::Path;

use couplet_engine::java_properties;
use couplet_engine::rest::Loggers;
use couplet_engine::secrets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, reload};

use crate::log_line::{Contexts, LineFormat};

/// Property of the worker: `text` or `json`. Read before logging begins; validated with all others.
const FORMAT_KEY: &str = "couplet.log.format";

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

/// The format that the settings in `properties` wish for.
pub fn format_of(properties: Option<&Path>) -> LineFormat {
    // A file that cannot be read is told of when the worker starts.
    let props = properties.and_then(|file| java_properties::load(file).ok());
    let is_json = |format: &str| format.trim().eq_ignore_ascii_case("json");
    match props.as_ref().and_then(|props| props.get(FORMAT_KEY)).is_some_and(is_json) {
        true => LineFormat::Json,
        false => LineFormat::Text,
    }
}

/// Starts logging; the loggers change its filter.
pub fn init(format: LineFormat) -> Loggers {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let (filter, control) = reload::Layer::new(filter);
    let lines = fmt::layer()
        .event_format(format)
        .with_writer(|| Redacted(std::io::stderr()))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(filter).with(Contexts).with(lines).init();
    // A panic's words may hold a secret, and by default they go to standard error as they are.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    Loggers::new(move |directives| {
        if let Err(error) = control.reload(EnvFilter::new(directives)) {
            tracing::warn!(%error, "the level of a logger could not be changed");
        }
    })
}
