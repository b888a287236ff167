//! What happens to a record that cannot be processed (KIP-298, KIP-610): tried again, skipped and reported, or fatal.

mod context;
mod dead_letter;
mod policy;
mod report;
mod retry;
mod source_letters;

pub use context::{RecordPlace, Stage, StageError};
pub use dead_letter::{DeadLetter, DeadLetterQueue, Origin};
pub use policy::ErrorPolicy;
pub use report::{CurrentBatch, ErrantReporter, Reporter};
pub use retry::Backoff;
pub use source_letters::SourceLetters;
