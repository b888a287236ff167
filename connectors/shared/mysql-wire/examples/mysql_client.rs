//! A client of a MySQL server on this machine, for measurements: runs statements, and reads rows or the binary log and throws
//! them away. `cargo x bench cdc` compares a connector with it.
//!
//! ```text
//! mysql_client PORT run STATEMENT...             prints the rows of the last one, tabs between values
//! mysql_client PORT rows QUERY                   reads all rows
//! mysql_client PORT binlog FILE POSITION END     reads the log from POSITION to END of FILE
//! ```

#![allow(clippy::print_stdout, reason = "a program for the command line")]

use std::error::Error;
use std::time::Duration;

use couplet_api::config::Password;
use couplet_mysql_wire::{Access, Connection, DumpStart, TlsMode};

/// No other replica of a server that is measured has it.
const SERVER_ID: u32 = 4_000_000;
/// Where an event's header says at which position of the log it ends.
const END_POSITION: std::ops::Range<usize> = 13..17;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [port, command, rest @ ..] = &arguments[..] else { return Err("a port and a command".into()) };
    let access = Access {
        host: "127.0.0.1".to_owned(),
        port: port.parse()?,
        user: "dbz".to_owned(),
        password: Some(Password::new("dbz")),
        tls: TlsMode::Disabled,
        keep_alive: false,
        connect_timeout: Duration::from_secs(30),
    };
    let connection = Connection::open(&access).await?;
    match (*command, rest) {
        ("run", statements) => run(connection, statements).await,
        ("rows", [query]) => rows(connection, query).await,
        ("binlog", [file, position, end]) => binlog(connection, file, position.parse()?, end.parse()?).await,
        _ => Err("run STATEMENT..., rows QUERY, or binlog FILE POSITION END".into()),
    }
}

async fn run(mut connection: Connection, statements: &[&str]) -> Result<(), Box<dyn Error>> {
    let mut last = Vec::new();
    for statement in statements {
        last = connection.all(statement).await?;
    }
    for row in last {
        let values: Vec<String> = (0..row.values().len()).map(|i| row.text(i).unwrap_or_default()).collect();
        println!("{}", values.join("\t"));
    }
    Ok(())
}

async fn rows(mut connection: Connection, query: &str) -> Result<(), Box<dyn Error>> {
    let mut rows = connection.query(query).await?;
    while rows.next().await?.is_some() {}
    Ok(())
}

async fn binlog(connection: Connection, file: &str, position: u64, end: u32) -> Result<(), Box<dyn Error>> {
    let start = DumpStart::Position { file: file.to_owned(), position };
    let mut dump = connection.dump(SERVER_ID, &start, false, 1_000_000_000).await?;
    loop {
        while let Some(event) = dump.buffered()? {
            let reached =
                event.get(END_POSITION).map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
            if reached.is_some_and(|reached| reached >= end) {
                return Ok(());
            }
        }
        dump.fill().await?;
    }
}
