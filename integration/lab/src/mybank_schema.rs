//! The database of the demo: accounts and the transactions booked on them.

use anyhow::Result;
use tokio_postgres::Client;

/// Name of the database.
pub const DATABASE: &str = "mybank";

/// Accounts of the bank.
pub const ACCOUNTS: u64 = 999;

const TABLES: &str = "
create table if not exists accounts (
    id bigint primary key,
    owner text not null,
    iban char(22) not null unique,
    balance numeric(14,2) not null default 0,
    opened_at timestamptz not null default clock_timestamp()
);
create table if not exists bank_transactions (
    id bigserial primary key,
    account_id bigint not null references accounts(id),
    amount numeric(12,2) not null,
    currency char(3) not null default 'EUR',
    status text not null default 'booked',
    description text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);";

/// Makes the tables and `accounts` accounts; those that are there are kept.
pub async fn create(client: &Client, accounts: i64) -> Result<()> {
    client.batch_execute(TABLES).await?;
    let insert = "insert into accounts(id, owner, iban)
        select i, 'customer ' || i, 'DE' || lpad((i * 7919 % 97)::text, 2, '0') || lpad(i::text, 18, '0')
        from generate_series(1::bigint, $1) i on conflict do nothing";
    client.execute(insert, &[&accounts]).await?;
    Ok(())
}
