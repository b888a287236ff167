//! Connectors and tasks: what is configured, held, given or taken.

use indexmap::IndexSet;

use crate::protocol::TaskId;

/// Connectors and tasks. Order is kept: it decides what is taken first from a member that holds too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// Connectors.
    pub connectors: IndexSet<String>,
    /// Tasks.
    pub tasks: IndexSet<TaskId>,
}

impl Work {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    /// Adds what is not there yet.
    pub fn add(&mut self, other: &Work) {
        self.connectors.extend(other.connectors.iter().cloned());
        self.tasks.extend(other.tasks.iter().cloned());
    }

    /// Takes away what is also in `other`.
    pub fn remove(&mut self, other: &Work) {
        self.connectors.retain(|connector| !other.connectors.contains(connector));
        self.tasks.retain(|task| !other.tasks.contains(task));
    }

    /// What is here and not in any of `others`, in the order of names and numbers.
    pub(super) fn without(&self, others: &[&Work]) -> Work {
        let mut left = self.clone();
        others.iter().for_each(|other| left.remove(other));
        left.connectors.sort();
        left.tasks.sort();
        left
    }

    /// What is here and in `other`.
    pub(super) fn also_in(&self, other: &Work) -> Work {
        let mut both = self.clone();
        both.connectors.retain(|connector| other.connectors.contains(connector));
        both.tasks.retain(|task| other.tasks.contains(task));
        both
    }

    /// Whether something is both here and in `other`.
    pub(super) fn overlaps(&self, other: &Work) -> bool {
        self.connectors.iter().any(|connector| other.connectors.contains(connector))
            || self.tasks.iter().any(|task| other.tasks.contains(task))
    }
}
