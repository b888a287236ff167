//! `cargo x new connector NAME --sink|--source`.
use anyhow::Result;
use clap::Args;

/// What to write.
#[derive(Args)]
pub struct NewConnectorArgs {
    /// Name of the crate's folder, as in `acme`
    name: String,
}

pub fn run(args: &NewConnectorArgs) -> Result<()> {
    anyhow::bail!("not yet: {}", args.name)
}
