//! The REST extension `BasicAuthSecurityRestExtension`: users and passwords from a properties file, named by a JAAS file.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use couplet_api::{Error, Result};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::internal::illegal_base64;
use super::respond::{self, Failure};

const EXTENSION: &str = "BasicAuthSecurityRestExtension";
const JAAS_OPTION: &str = "-Djava.security.auth.login.config=";

/// Who may call.
pub(super) struct BasicAuth {
    passwords: HashMap<String, String>,
}

impl BasicAuth {
    /// None unless `rest.extension.classes` names the extension. The JAAS file is the one that the JVM's option
    /// `-Djava.security.auth.login.config=` names in `KAFKA_OPTS`, `JAVA_TOOL_OPTIONS` or `JDK_JAVA_OPTIONS`.
    ///
    /// # Errors
    /// `Kind::Config` for other extensions, which are Java classes, and for files that cannot be read.
    pub(super) fn from_extensions(classes: &[String]) -> Result<Option<Self>> {
        let is_known = |class: &String| class.rsplit('.').next() == Some(EXTENSION);
        if let Some(other) = classes.iter().find(|class| !is_known(class)) {
            return Err(refuse(format!("{other} is a Java class; only {EXTENSION} is built in")));
        }
        if classes.is_empty() {
            return Ok(None);
        }
        let options = ["KAFKA_OPTS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"].map(std::env::var);
        let file = options.iter().flatten().find_map(|options| {
            options.split_whitespace().find_map(|option| option.strip_prefix(JAAS_OPTION)).map(str::to_owned)
        });
        let file =
            file.ok_or_else(|| refuse(format!("set {JAAS_OPTION}<file> in the environment variable KAFKA_OPTS")))?;
        let users = users_file(&read(Path::new(&file))?)
            .ok_or_else(|| refuse(format!("{file} has no section KafkaConnect with file=\"…\"")))?;
        Ok(Some(BasicAuth { passwords: passwords(&read(Path::new(&users))?) }))
    }

    /// Whether the request's credentials are good.
    ///
    /// # Errors
    /// The answer to one that has none.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let encoded = match given.split_once(' ') {
            Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("Basic") => encoded.trim(),
            _ => return Err(denied(method)),
        };
        let decoded = STANDARD.decode(encoded).map_err(|error| Failure::internal(illegal_base64(&error)))?;
        let text = String::from_utf8_lossy(&decoded);
        let known = text.split_once(':').is_some_and(|(user, password)| {
            self.passwords.get(user).is_some_and(|expected| same(expected.as_bytes(), password.as_bytes()))
        });
        if known { Ok(()) } else { Err(denied(method)) }
    }
}

fn refuse(why: impl std::fmt::Display) -> Error {
    Error::config(format!("Invalid value for configuration rest.extension.classes: {why}"))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| refuse(format!("{} cannot be read: {error}", path.display())))
}

/// The file of users in the section `KafkaConnect` of a JAAS file.
fn users_file(jaas: &str) -> Option<String> {
    let section = jaas.split_once("KafkaConnect")?.1.split('}').next()?;
    let value = section.split_once("file=")?.1.trim_start();
    let value = value.strip_prefix('"')?;
    Some(value.split('"').next()?.to_owned())
}

/// Users and passwords of a properties file.
fn passwords(text: &str) -> HashMap<String, String> {
    let entry = |line: &str| {
        let line = line.trim_start();
        let (user, password) = line.split_once(['=', ':'])?;
        (!line.starts_with(['#', '!'])).then(|| (user.trim().to_owned(), password.trim_start().to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

/// Takes the same time wherever the texts differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (x, y)| differing | (x ^ y)) == 0
}

fn denied(method: &Method) -> Failure {
    let content_type = if *method == Method::OPTIONS { "text/plain" } else { "application/json" };
    let text = "User cannot access the resource.".to_owned();
    Failure::ready(respond::with_type(StatusCode::UNAUTHORIZED, HeaderValue::from_static(content_type), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_checked() {
        let auth = BasicAuth { passwords: passwords("# users\nalice=wonder\ncarol = a:b\n") };
        let status = |header: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(header))]);
            auth.check(&Method::GET, &headers)
                .map_or_else(|failure| failure.into_response().status().as_u16(), |()| 200)
        };
        let rows = [
            ("Basic YWxpY2U6d29uZGVy", 200),
            ("basic YWxpY2U6d29uZGVy", 200),
            ("Basic Y2Fyb2w6YTpi", 200),
            ("Basic YWxpY2U6d3Jvbmc=", 401),
            ("Basic Og==", 401),
            ("Basic YWxpY2U=", 401),
            ("Bearer abc", 401),
            ("", 401),
            ("Basic $$$", 500),
        ];
        for (header, want) in rows {
            assert_eq!(status(header), want, "{header}");
        }
    }

    #[test]
    fn the_jaas_file_names_the_users() {
        let jaas = "KafkaConnect {\n  org.apache.kafka.PropertyFileLoginModule required\n  file=\"/etc/users\";\n};\n";
        assert_eq!(users_file(jaas).as_deref(), Some("/etc/users"));
        assert_eq!(users_file("Other { x required; };"), None);
        assert!(BasicAuth::from_extensions(&["com.example.Mine".to_owned()]).is_err());
    }
}
