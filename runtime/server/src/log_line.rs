//! Lines of the log: text for people, or a JSON object each (`couplet.log.format`).
//!
//! Every line that a connector or one of its tasks causes bears its context, `[name|worker] ` or `[name|task-0] `, as Kafka
//! Connect's `connector.context` does (KIP-449).

use std::fmt;

use couplet_engine::secrets;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Event, Id, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context as LayerContext;
use tracing_subscriber::registry::LookupSpan;

/// Field of spans, name in JSON.
const CONTEXT: &str = "connector.context";

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// Remembers the contexts of spans.
pub struct Contexts;

struct SpanContext(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Contexts {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: LayerContext<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let (Some(Value::String(text)), Some(span)) = (fields.all.remove(CONTEXT), context.span(id)) {
            span.extensions_mut().insert(SpanContext(text));
        }
    }
}

/// The fields of an event or span, without secrets.
#[derive(Default)]
struct Fields {
    message: String,
    all: Map<String, Value>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        self.all.insert(field.name().to_owned(), value);
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        // Before it is escaped: afterwards a secret might not be found.
        let text = String::from_utf8_lossy(&secrets::redact_bytes(text.as_bytes())).into_owned();
        match field.name() {
            "message" => self.message = text,
            _ => self.add(field, text.into()),
        }
    }

    /// The context that the event itself names, outside of every span.
    fn context(&self) -> Option<String> {
        let text = |name| self.all.get(name).and_then(Value::as_str);
        match (text("task").and_then(|task| task.rsplit_once('-')), text("connector")) {
            (Some((connector, task)), _) => Some(format!("[{connector}|task-{task}] ")),
            (None, Some(connector)) => Some(format!("[{connector}|worker] ")),
            (None, None) => None,
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let of_span = context.event_scope().and_then(|mut spans| {
            spans.find_map(|span| span.extensions().get::<SpanContext>().map(|context| context.0.clone()))
        });
        let connector = of_span.or_else(|| fields.context());
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        match self {
            Self::Json => writeln!(line, "{}", json(time, level, target, connector, fields)),
            Self::Text => {
                let level = if line.has_ansi_escapes() { coloured(level) } else { level.as_str().to_owned() };
                write!(line, "{time} {level:>5} {}{target}: ", connector.unwrap_or_default())?;
                context.field_format().format_fields(line.by_ref(), event)?;
                line.write_char('\n')
            }
        }
    }
}

fn json(time: String, level: Level, target: &str, connector: Option<String>, fields: Fields) -> Value {
    let mut object = Map::new();
    let mut add = |name: &str, value: Value| object.insert(name.to_owned(), value);
    add("timestamp", time.into());
    add("level", level.as_str().into());
    add("logger", target.into());
    if let Some(connector) = connector {
        add(CONTEXT, connector.into());
    }
    add("message", fields.message.into());
    if !fields.all.is_empty() {
        add("fields", fields.all.into());
    }
    object.into()
}

fn coloured(level: Level) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    format!("\u{1b}[{colour}m{:>5}\u{1b}[0m", level.as_str())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;

        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    /// What is logged in `format`, line by line.
    fn logged(format: LineFormat) -> Vec<String> {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().event_format(format).with_writer(lines.clone()).with_ansi(false);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Contexts).with(layer), || {
            tracing::info!(target: "t", "Kafka Connect started");
            tracing::error_span!("task", connector.context = "[lines|task-3] ").in_scope(|| {
                tracing::warn!(target: "t", records = 7, why = "a \"quote\"\nand a line", "slow");
            });
            tracing::info!(target: "t", connector = "a-b", "created");
            tracing::info!(target: "t", task = %"a-b-0", "stopped");
        });
        let bytes = lines.0.lock().expect("one thread").clone();
        String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect()
    }

    #[test]
    fn json_has_one_object_a_line() {
        let lines: Vec<Value> =
            logged(LineFormat::Json).iter().map(|line| serde_json::from_str(line).expect("an object")).collect();
        let told = |line: usize, name: &str| lines[line][name].as_str().unwrap_or_default().to_owned();
        assert_eq!(lines.len(), 4);
        assert_eq!((told(0, "message").as_str(), told(0, "level").as_str()), ("Kafka Connect started", "INFO"));
        assert!(lines[0].get(CONTEXT).is_none() && lines[0].get("fields").is_none(), "{}", lines[0]);
        assert!(told(0, "timestamp").ends_with('Z') && told(0, "logger") == "t", "{}", lines[0]);
        assert_eq!(told(1, CONTEXT), "[lines|task-3] ");
        assert_eq!(lines[1]["fields"], serde_json::json!({"records": 7, "why": "a \"quote\"\nand a line"}));
        assert_eq!((told(2, CONTEXT), told(3, CONTEXT)), ("[a-b|worker] ".to_owned(), "[a-b|task-0] ".to_owned()));
    }

    #[test]
    fn text_has_the_context_before_the_logger() {
        let lines = logged(LineFormat::Text);
        assert!(lines[0].ends_with("INFO t: Kafka Connect started"), "{}", lines[0]);
        assert!(lines[1].contains(" WARN [lines|task-3] t: slow records=7"), "{}", lines[1]);
        assert!(lines.iter().any(|line| line.contains("INFO [a-b|task-0] t: stopped")), "{lines:?}");
    }
}
