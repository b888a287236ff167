//! What really happened in the database: a second replication slot, decoded by PostgreSQL's own `test_decoding`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use tokio_postgres::Client;

const SLOT: &str = "demo_truth";

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Insert,
    Update,
    Delete,
}

impl Operation {
    /// From the letter in a change event.
    pub fn from_letter(letter: &str) -> Option<Self> {
        Some(match letter {
            "c" => Self::Insert,
            "u" => Self::Update,
            "d" => Self::Delete,
            _ => return None,
        })
    }
}

/// One changed row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub table: String,
    pub id: i64,
    /// Position of the change in PostgreSQL's log; the event's `source.lsn`.
    pub lsn: u64,
    pub operation: Operation,
}

/// The slot and what was read from it so far.
pub struct Truth {
    client: Client,
    changes: Vec<Change>,
}

impl Truth {
    /// Everything committed from now on will be seen.
    pub async fn begin(client: Client) -> Result<Self> {
        let made = client.query("select pg_create_logical_replication_slot($1, 'test_decoding')", &[&SLOT]).await;
        made.context("cannot make the slot of the check")?;
        Ok(Self { client, changes: Vec::new() })
    }

    /// Reads what was committed since the last call.
    pub async fn drain(&mut self) -> Result<()> {
        let query = "select lsn::text, data from pg_logical_slot_get_changes($1, null, null, 'skip-empty-xacts', '1')";
        for row in self.client.query(query, &[&SLOT]).await? {
            let (lsn, data): (&str, &str) = (row.get(0), row.get(1));
            if let Some(rest) = data.strip_prefix("table ") {
                self.changes.push(parse(lsn, rest).with_context(|| format!("unexpected change {data}"))?);
            }
        }
        Ok(())
    }

    /// All changes in commit order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many of each kind.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<Operation, usize> = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.operation).or_default() += 1;
        }
        let count = |operation| counts.get(&operation).copied().unwrap_or(0);
        let (inserts, updates, deletes) =
            (count(Operation::Insert), count(Operation::Update), count(Operation::Delete));
        format!("{inserts} inserts, {updates} updates, {deletes} deletes")
    }
}

/// `rest` as in `public.accounts: UPDATE: id[bigint]:1 owner[text]:'x'`.
fn parse(lsn: &str, rest: &str) -> Result<Change> {
    let mut parts = rest.splitn(3, ": ");
    let (table, operation, columns) = (parts.next(), parts.next(), parts.next());
    let (Some(table), Some(operation), Some(columns)) = (table, operation, columns) else { bail!("too short") };
    let id = columns.split_whitespace().find_map(|c| c.strip_prefix("id[bigint]:")).context("no id")?;
    let operation = match operation {
        "INSERT" => Operation::Insert,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        other => bail!("unknown operation {other}"),
    };
    Ok(Change { table: table.to_owned(), id: id.parse()?, lsn: parse_lsn(lsn)?, operation })
}

/// `16/B374D848`: two hexadecimal halves.
fn parse_lsn(text: &str) -> Result<u64> {
    let (high, low) = text.split_once('/').context("a log position has two halves")?;
    Ok(u64::from_str_radix(high, 16)? << 32 | u64::from_str_radix(low, 16)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_test_decoding() {
        let change = |lsn, rest: &str| parse(lsn, rest).unwrap();
        let got = change("1/A0", "public.accounts: UPDATE: id[bigint]:7 owner[text]:'a: b' balance[numeric]:1.00");
        let want = Change { table: "public.accounts".into(), id: 7, lsn: 0x1_0000_00A0, operation: Operation::Update };
        assert_eq!(got, want);
        assert_eq!(change("0/1", "public.bank_transactions: DELETE: id[bigint]:9").operation, Operation::Delete);
        assert!(parse("0/1", "public.t: TRUNCATE: (no-flags)").is_err());
    }
}
