//! What tells the two connectors apart.

use couplet_cdc::{Check, Field};

/// Which connector, and with it which kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// `MySqlConnector`.
    MySql,
    /// `MariaDbConnector`.
    MariaDb,
}

impl Flavour {
    /// The connector's class.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Flavour::MySql => "io.debezium.connector.mysql.MySqlConnector",
            Flavour::MariaDb => "io.debezium.connector.mariadb.MariaDbConnector",
        }
    }

    /// Its short name, which sources and schemas carry.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Flavour::MySql => "mysql",
            Flavour::MariaDb => "mariadb",
        }
    }

    /// The version whose contract it follows.
    pub(crate) const fn version(self) -> &'static str {
        match self {
            Flavour::MySql => couplet_cdc::DEBEZIUM_VERSION,
            Flavour::MariaDb => "3.3.0.Final",
        }
    }

    /// Heading of its settings.
    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Flavour::MySql => "MySQL",
            Flavour::MariaDb => "MariaDB",
        }
    }

    /// `field` as this connector defines it; `None`: it does not.
    pub(crate) fn adapt(self, mut field: Field) -> Option<Field> {
        if self == Flavour::MySql {
            return Some(field);
        }
        match field.name {
            "database.jdbc.driver" | "database.protocol" => return None,
            "database.ssl.mode" => {
                field.default = Some("disable");
                field.check = Check::OneOf(&["disable", "trust", "verify-ca", "verify-full"]);
            }
            "snapshot.locking.mode" => field.check = Check::OneOf(&["none", "extended", "minimal", "custom"]),
            "sourceinfo.struct.maker" => {
                field.default = Some("io.debezium.connector.mariadb.MariaDbSourceInfoStructMaker");
            }
            _ => {}
        }
        Some(field)
    }
}
