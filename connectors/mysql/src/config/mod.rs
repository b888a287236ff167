//! The connectors' settings: every key of Debezium's MySQL and MariaDB connectors with its type, default and check, and
//! what they mean together.

mod checks;
mod connection;
mod events;
mod not_built;
mod process;
mod reader;
mod settings;

use std::sync::LazyLock;

use couplet_api::config::{ConfigType, Importance, Width};
use couplet_cdc::{Check, Field, Group};

pub(crate) use settings::validate;
pub(crate) use settings::{HistoryPlace, Inconsistency, LockMode, MyConfig, SnapshotMode, TableOrder, ValueConfig};

use crate::flavour::Flavour;

/// Locking modes, in the order Debezium names them.
const LOCKING: &[&str] =
    &["none", "minimal_percona_no_table_locks", "minimal_percona", "extended", "minimal", "custom"];

/// All settings of `flavour` under the headings Debezium gives them.
pub(crate) fn groups(flavour: Flavour) -> &'static [Group] {
    static MYSQL: LazyLock<Vec<Group>> = LazyLock::new(|| make(Flavour::MySql));
    static MARIADB: LazyLock<Vec<Group>> = LazyLock::new(|| make(Flavour::MariaDb));
    match flavour {
        Flavour::MySql => &MYSQL,
        Flavour::MariaDb => &MARIADB,
    }
}

fn make(flavour: Flavour) -> Vec<Group> {
    let adapted = |fields: &[Field]| -> &'static [Field] {
        let fields: Vec<Field> = fields.iter().filter_map(|field| flavour.adapt(*field)).collect();
        // Made twice in the life of the process.
        Vec::leak(fields)
    };
    vec![
        Group { name: flavour.heading(), fields: adapted(connection::CONNECTION) },
        Group { name: "Connector", fields: adapted(process::PROCESS) },
        Group { name: "Events", fields: adapted(events::EVENTS) },
    ]
}

const fn row(
    name: &'static str,
    kind: ConfigType,
    default: Option<&'static str>,
    importance: Importance,
    (width, display): (Width, &'static str),
    check: Check,
    doc: &'static str,
) -> Field {
    Field { name, kind, default, importance, width, display, check, doc }
}

/// A row of little importance whose label is its name.
const fn unlabelled(name: &'static str, kind: ConfigType, default: Option<&'static str>, doc: &'static str) -> Field {
    row(name, kind, default, Importance::Low, (Width::None, name), Check::None, doc)
}
