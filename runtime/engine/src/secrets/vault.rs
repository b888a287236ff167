//! The secrets in force.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, PoisonError};

use arc_swap::ArcSwapOption;

use super::matcher::Matcher;

/// Most secrets that are kept for good; older ones are forgotten, so that values which change all the time do not add up.
const KEPT_MAX: usize = 4096;

static VAULT: LazyLock<Vault> = LazyLock::new(Vault::default);

#[derive(Default)]
struct Vault {
    secrets: Mutex<Secrets>,
    matcher: ArcSwapOption<Matcher>,
}

#[derive(Default)]
struct Secrets {
    /// How often each is kept or held.
    uses: HashMap<String, usize>,
    /// In the order they came.
    kept: VecDeque<String>,
}

impl Secrets {
    fn add(&mut self, secret: &str) {
        *self.uses.entry(secret.to_owned()).or_default() += 1;
    }

    fn remove(&mut self, secret: &str) {
        if let Some(uses) = self.uses.get_mut(secret) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(secret);
            }
        }
    }
}

impl Vault {
    fn change(&self, change: impl FnOnce(&mut Secrets)) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let before = secrets.uses.len();
        change(&mut secrets);
        // Under the lock, so that the matcher is never older than the secrets. Counts alone change nothing.
        if secrets.uses.len() != before {
            let matcher = Matcher::new(secrets.uses.keys().map(String::as_str));
            self.matcher.store(matcher.map(Into::into));
        }
    }
}

/// Masks `secrets` from now on.
pub(crate) fn keep(secrets: impl IntoIterator<Item = String>) {
    for secret in secrets {
        VAULT.change(|vault| {
            if vault.kept.contains(&secret) {
                return;
            }
            vault.add(&secret);
            vault.kept.push_back(secret);
        });
    }
    VAULT.change(|vault| {
        while vault.kept.len() > KEPT_MAX
            && let Some(oldest) = vault.kept.pop_front()
        {
            vault.remove(&oldest);
        }
    });
}

/// Secrets that are masked for as long as this lives.
#[must_use]
pub(crate) struct Held(Vec<String>);

/// Masks `secrets` while the answer lives: settings that are only looked at.
pub(crate) fn hold(secrets: impl IntoIterator<Item = String>) -> Held {
    let held: Vec<String> = secrets.into_iter().collect();
    held.iter().for_each(|secret| VAULT.change(|vault| vault.add(secret)));
    Held(held)
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.iter().for_each(|secret| VAULT.change(|vault| vault.remove(secret)));
    }
}

/// `text` with all secrets masked.
pub fn redact(text: &str) -> Cow<'_, str> {
    match redact_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(masked) => Cow::Owned(String::from_utf8_lossy(&masked).into_owned()),
    }
}

/// As [`redact`], for bytes on their way out.
pub fn redact_bytes(text: &[u8]) -> Cow<'_, [u8]> {
    match &*VAULT.matcher.load() {
        Some(matcher) => matcher.mask(text),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_secrets_stay_and_held_ones_go() {
        let text = "vault-kept-1 vault-held-1 vault-both-1";
        keep(["vault-kept-1", "vault-both-1", "vault-both-1"].map(str::to_owned));
        let (held, again) = (hold(["vault-held-1".to_owned()]), hold(["vault-both-1".to_owned()]));
        assert_eq!(redact(text), "[hidden] [hidden] [hidden]");
        drop((held, again));
        assert_eq!(redact(text), "[hidden] vault-held-1 [hidden]");
    }
}
