//! Rules of this repository that no compiler checks: who may depend on whom, how long files get, what they are called.

mod edges;
mod files;

use anyhow::{Result, bail};
use couplet_provision::cache;

/// Checks all rules.
///
/// # Errors
/// Lists every breach.
pub fn run() -> Result<()> {
    let root = cache::repository();
    let mut breaches = edges::breaches(&root)?;
    breaches.extend(files::breaches(&root)?);
    if breaches.is_empty() {
        return Ok(());
    }
    bail!("{} breaches of the house rules:\n{}", breaches.len(), breaches.join("\n"))
}
