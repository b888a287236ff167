//! Which endpoint a path means, and which methods it has.

use http::Method;

use super::path::decoded;

/// What a path means; names are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    Root,
    Health,
    Connectors,
    Connector(String),
    Config(String),
    Status(String),
    Restart(String),
    Pause(String),
    Resume(String),
    Stop(String),
    Tasks(String),
    TaskStatus(String, String),
    TaskRestart(String, String),
    Topics(String),
    TopicsReset(String),
    Offsets(String),
    Fence(String),
    Plugins,
    PluginConfig(String),
    Validate(String),
    Loggers,
    Logger(String),
    Metrics,
}

/// Which endpoints a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serves {
    /// The endpoints that have no listener of their own.
    Main {
        /// With the admin endpoints.
        admin: bool,
        /// With the metrics.
        metrics: bool,
    },
    /// The admin endpoints only.
    Admin,
    /// The metrics only.
    Metrics,
}

impl Serves {
    /// All there is.
    #[cfg(test)]
    pub(super) const EVERYTHING: Serves = Serves::Main { admin: true, metrics: true };
}

/// The endpoint of a path's segments; none when nothing is there. Names in paths are literal: they are not decoded.
pub(super) fn endpoint(segments: &[&str], serves: Serves) -> Option<Endpoint> {
    let name = |segment: &str| decoded(segment);
    let found = match segments {
        [] => Endpoint::Root,
        ["health"] => Endpoint::Health,
        ["connectors"] => Endpoint::Connectors,
        ["connectors", c] => Endpoint::Connector(name(c)),
        ["connectors", c, "config"] => Endpoint::Config(name(c)),
        ["connectors", c, "status"] => Endpoint::Status(name(c)),
        ["connectors", c, "restart"] => Endpoint::Restart(name(c)),
        ["connectors", c, "pause"] => Endpoint::Pause(name(c)),
        ["connectors", c, "resume"] => Endpoint::Resume(name(c)),
        ["connectors", c, "stop"] => Endpoint::Stop(name(c)),
        ["connectors", c, "tasks"] => Endpoint::Tasks(name(c)),
        ["connectors", c, "tasks", t, "status"] => Endpoint::TaskStatus(name(c), name(t)),
        ["connectors", c, "tasks", t, "restart"] => Endpoint::TaskRestart(name(c), name(t)),
        ["connectors", c, "topics"] => Endpoint::Topics(name(c)),
        ["connectors", c, "topics", "reset"] => Endpoint::TopicsReset(name(c)),
        ["connectors", c, "offsets"] => Endpoint::Offsets(name(c)),
        ["connectors", c, "fence"] => Endpoint::Fence(name(c)),
        ["connector-plugins"] => Endpoint::Plugins,
        ["connector-plugins", p, "config"] => Endpoint::PluginConfig(name(p)),
        ["connector-plugins", p, "config", "validate"] => Endpoint::Validate(name(p)),
        ["metrics"] => Endpoint::Metrics,
        ["admin", "loggers"] => Endpoint::Loggers,
        ["admin", "loggers", l] => Endpoint::Logger(name(l)),
        _ => return None,
    };
    let (is_admin, is_metrics) = (matches!(found, Endpoint::Loggers | Endpoint::Logger(_)), found == Endpoint::Metrics);
    let served = match serves {
        Serves::Main { admin, metrics } => (admin || !is_admin) && (metrics || !is_metrics),
        Serves::Admin => is_admin,
        Serves::Metrics => is_metrics,
    };
    served.then_some(found)
}

impl Endpoint {
    /// Its methods, in the order in which the header `Allow` lists them.
    pub(super) const fn methods(&self) -> &'static [&'static str] {
        match self {
            Endpoint::Root
            | Endpoint::Health
            | Endpoint::Status(_)
            | Endpoint::TaskStatus(..)
            | Endpoint::Topics(_)
            | Endpoint::Plugins
            | Endpoint::PluginConfig(_)
            | Endpoint::Loggers
            | Endpoint::Metrics => &["HEAD", "GET", "OPTIONS"],
            Endpoint::Connectors | Endpoint::Tasks(_) => &["HEAD", "POST", "GET", "OPTIONS"],
            Endpoint::Connector(_) => &["HEAD", "DELETE", "GET", "OPTIONS"],
            Endpoint::Config(_) => &["HEAD", "GET", "OPTIONS", "PUT", "PATCH"],
            Endpoint::Restart(_) | Endpoint::TaskRestart(..) => &["POST", "OPTIONS"],
            Endpoint::Pause(_)
            | Endpoint::Resume(_)
            | Endpoint::Stop(_)
            | Endpoint::TopicsReset(_)
            | Endpoint::Fence(_)
            | Endpoint::Validate(_) => &["OPTIONS", "PUT"],
            Endpoint::Offsets(_) => &["HEAD", "DELETE", "GET", "OPTIONS", "PATCH"],
            Endpoint::Logger(_) => &["HEAD", "GET", "OPTIONS", "PUT"],
        }
    }

    /// Whether it can be asked with `method`.
    pub(super) fn allows(&self, method: &Method) -> bool {
        self.methods().contains(&method.as_str())
    }

    /// Whether `method` here reads a body.
    pub(super) fn reads_body(&self, method: &Method) -> bool {
        match self {
            Endpoint::Connectors | Endpoint::Tasks(_) => *method == Method::POST,
            Endpoint::Config(_) => *method == Method::PUT || *method == Method::PATCH,
            Endpoint::Offsets(_) => *method == Method::PATCH,
            Endpoint::Validate(_) | Endpoint::Logger(_) => *method == Method::PUT,
            _ => false,
        }
    }

    /// Whether requests with `method` must say `application/json` when they name a content type.
    pub(super) fn consumes_json(&self, method: &Method) -> bool {
        !matches!(self, Endpoint::Root | Endpoint::Health | Endpoint::Metrics) && !self.is_internal(method)
    }

    /// Whether its answers are JSON, so that clients must accept that.
    pub(super) fn produces_json(&self) -> bool {
        *self != Endpoint::Metrics
    }

    /// Whether `method` here is a call between workers, which carries a signature instead of a user's credentials.
    pub(super) fn is_internal(&self, method: &Method) -> bool {
        match self {
            Endpoint::Tasks(_) => *method == Method::POST,
            Endpoint::Fence(_) => *method == Method::PUT,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_they_mean_in_connect() {
        let rows: &[(&[&str], Option<Endpoint>)] = &[
            (&[], Some(Endpoint::Root)),
            (&["connectors", "a%20b", "status"], Some(Endpoint::Status("a b".to_owned()))),
            (
                &["connectors", "a", "tasks", "0", "restart"],
                Some(Endpoint::TaskRestart("a".to_owned(), "0".to_owned())),
            ),
            (&["connectors", "a", "tasks", "0"], None),
            (&["connectors", "a", "tasks-config"], None),
            (&["CONNECTORS"], None),
            (&["connectors", "a", "%73tatus"], None),
            (&["connector-plugins", "x"], None),
            (&["connectors", "..", "connectors"], None),
        ];
        for (segments, want) in rows {
            assert_eq!(endpoint(segments, Serves::EVERYTHING), *want, "{segments:?}");
        }
        let main = Serves::Main { admin: false, metrics: false };
        assert_eq!(endpoint(&["admin", "loggers"], main), None);
        assert_eq!(endpoint(&["metrics"], main), None);
        assert_eq!(endpoint(&["metrics"], Serves::Metrics), Some(Endpoint::Metrics));
        assert_eq!(endpoint(&[], Serves::Metrics), None);
        assert_eq!(endpoint(&["health"], Serves::Admin), None);
        assert!(endpoint(&["admin", "loggers", "root"], Serves::Admin).is_some());
    }
}
