//! Telling the person what takes so long.

/// Writes one line to standard error: for steps that take minutes the first time and nothing later.
#[allow(clippy::print_stderr, reason = "a person waits at a terminal for these steps")]
pub fn say(what: &str) {
    eprintln!("[setup] {what}");
}
