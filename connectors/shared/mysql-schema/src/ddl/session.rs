//! What statements leave behind for those that follow: variables and the character sets of databases.

use std::collections::HashMap;

/// Where a variable is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// For all sessions to come.
    Global,
    /// For this session, which is looked at first.
    Session,
}

/// Variables, the current database, and what is known of databases.
#[derive(Debug, Clone, Default)]
pub(super) struct Session {
    pub(super) database: String,
    /// Character sets of databases, by name.
    pub(super) charsets: HashMap<String, String>,
    session: HashMap<String, String>,
    global: HashMap<String, String>,
}

impl Session {
    /// Sets a variable, or forgets it. Only those about character sets matter, and are kept.
    pub(super) fn set(&mut self, scope: Option<Scope>, name: &str, value: Option<&str>) {
        let name = name.to_lowercase();
        if !name.starts_with("character_set_") {
            return;
        }
        let variables = if scope == Some(Scope::Global) { &mut self.global } else { &mut self.session };
        match value {
            Some(value) => variables.insert(name, value.to_owned()),
            None => variables.remove(&name),
        };
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.session.get(name).or_else(|| self.global.get(name)).map(String::as_str)
    }

    /// Character set of the current database, or the server's.
    pub(super) fn current_charset(&self) -> Option<&str> {
        let database = self.get("character_set_database").filter(|name| !name.eq_ignore_ascii_case("DEFAULT"));
        database.or_else(|| self.get("character_set_server"))
    }

    /// Character set of tables in `database` that name none.
    pub(super) fn charset_of_database(&self, database: &str) -> Option<&str> {
        self.charsets.get(database).map(String::as_str).or_else(|| self.current_charset())
    }
}
