//! The one error type of the plugin world, and the one table that says what an error means for a task.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Result of everything a plugin does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms the engine acts on. New variants need a row in [`Kind::disposition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A setting is wrong; retrying cannot help.
    Config,
    /// This one record cannot be converted, transformed or written.
    Data,
    /// The external system is unreachable, slow or throttling.
    Remote,
    /// The external system refused our credentials or rights.
    Auth,
    /// A converter first has to get something by I/O; see [`crate::converter::Converter::resolve`]. Never leaves the
    /// engine's pipeline.
    Lookup,
    /// Another generation of this task owns the work now.
    Fenced,
    /// Something failed that neither waiting nor skipping a record can mend.
    Fatal,
    /// An invariant of ours does not hold.
    Bug,
}

/// What the engine does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Wait, then do the same again.
    Retry,
    /// `errors.tolerance` decides: skip, report or fail.
    TolerateRecord,
    /// The task becomes FAILED and carries the trace.
    FailTask,
    /// The task ends without a status: its successor already runs.
    StopQuietly,
}

impl Kind {
    /// The consequence of an error of this kind.
    pub const fn disposition(self) -> Disposition {
        match self {
            Kind::Remote => Disposition::Retry,
            Kind::Data => Disposition::TolerateRecord,
            Kind::Config | Kind::Auth | Kind::Lookup | Kind::Fatal | Kind::Bug => Disposition::FailTask,
            Kind::Fenced => Disposition::StopQuietly,
        }
    }

    /// The Java class whose name stands for this kind where clients see one (status traces, dead letter headers).
    const fn default_class(self) -> &'static str {
        match self {
            Kind::Config => "org.apache.kafka.common.config.ConfigException",
            Kind::Data => "org.apache.kafka.connect.errors.DataException",
            Kind::Remote => "org.apache.kafka.connect.errors.RetriableException",
            Kind::Auth | Kind::Lookup | Kind::Fenced | Kind::Fatal | Kind::Bug => {
                "org.apache.kafka.connect.errors.ConnectException"
            }
        }
    }
}

/// What a converter has to get before it can convert; only that converter knows what is inside.
#[derive(Clone)]
pub struct Lookup(Arc<dyn Any + Send + Sync>);

impl Lookup {
    /// What was put in, if it is a `T`.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// An error with its kind, its message, and the chain of what caused it.
///
/// Messages name keys, counts and positions, never record values or secrets.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    class: &'static str,
    message: String,
    cause: Option<Error>,
    lookup: Option<Lookup>,
}

impl Error {
    /// An error of `kind`. Wire-visible messages are spelled as the JVM spells them.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Inner { kind, class: kind.default_class(), message: message.into(), cause: None, lookup: None }))
    }

    /// [`Kind::Config`].
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// [`Kind::Data`].
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(Kind::Data, message)
    }

    /// [`Kind::Remote`].
    pub fn remote(message: impl Into<String>) -> Self {
        Self::new(Kind::Remote, message)
    }

    /// [`Kind::Auth`].
    pub fn auth(message: impl Into<String>) -> Self {
        Self::new(Kind::Auth, message)
    }

    /// [`Kind::Fatal`].
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(Kind::Fatal, message)
    }

    /// [`Kind::Bug`].
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Kind::Bug, message)
    }

    /// [`Kind::Lookup`]: `what` has to be got first.
    pub fn lookup(what: impl Any + Send + Sync) -> Self {
        let mut error = Self::new(Kind::Lookup, "the converter needs a lookup where none can be made");
        error.0.lookup = Some(Lookup(Arc::new(what)));
        error
    }

    /// Shows `class` (a Java class name) instead of the kind's default where clients see a class.
    #[must_use]
    pub fn with_class(mut self, class: &'static str) -> Self {
        self.0.class = class;
        self
    }

    /// Appends `cause` at the end of the chain.
    #[must_use]
    pub fn caused_by(mut self, cause: Error) -> Self {
        match self.0.cause.take() {
            None => self.0.cause = Some(cause),
            Some(deeper) => self.0.cause = Some(deeper.caused_by(cause)),
        }
        self
    }

    /// Wraps this error: same kind, `message` in front, this one as its cause.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        let kind = self.kind();
        let class = match kind {
            Kind::Config | Kind::Data => self.class(),
            _ => kind.default_class(),
        };
        Error(Box::new(Inner { kind, class, message: message.into(), cause: Some(self), lookup: None }))
    }

    /// What the engine acts on.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What has to be got first, if that is what the error says.
    pub fn wanted(&self) -> Option<&Lookup> {
        self.0.lookup.as_ref()
    }

    /// The Java class name shown to clients.
    pub fn class(&self) -> &'static str {
        self.0.class
    }

    /// The outermost message, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The next error of the chain.
    pub fn cause(&self) -> Option<&Error> {
        self.0.cause.as_ref()
    }

    /// The text of a status trace: `class: message`, then one `Caused by:` line per cause.
    pub fn trace(&self) -> String {
        let mut text = format!("{}: {}\n", self.class(), self.message());
        let mut cause = self.cause();
        while let Some(error) = cause {
            text.push_str(&format!("Caused by: {}: {}\n", error.class(), error.message()));
            cause = error.cause();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        match self.cause() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.kind())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().map(|cause| cause as _)
    }
}

/// Adds context to the error of a result.
pub trait ResultExt<T> {
    /// See [`Error::context`]; `message` is made only when there is an error.
    fn context(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T> ResultExt<T> for Result<T> {
    fn context(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.context(message()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_shows_the_chain_outermost_first() {
        let error = Error::remote("connection refused").context("slot of mybank").caused_by(Error::bug("root"));
        let want = "org.apache.kafka.connect.errors.RetriableException: slot of mybank\n\
                    Caused by: org.apache.kafka.connect.errors.RetriableException: connection refused\n\
                    Caused by: org.apache.kafka.connect.errors.ConnectException: root\n";
        assert_eq!(error.trace(), want);
        assert_eq!(error.to_string(), "slot of mybank: connection refused: root");
    }

    #[test]
    fn every_kind_has_one_consequence() {
        let rows = [
            (Kind::Remote, Disposition::Retry),
            (Kind::Data, Disposition::TolerateRecord),
            (Kind::Auth, Disposition::FailTask),
            (Kind::Fenced, Disposition::StopQuietly),
        ];
        for (kind, want) in rows {
            assert_eq!(kind.disposition(), want, "{kind:?}");
        }
    }
}
