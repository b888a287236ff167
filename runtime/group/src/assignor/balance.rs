//! What each member must give up so that none has more than its share.

use std::collections::BTreeMap;
use std::hash::Hash;

use indexmap::IndexSet;

use super::work::Work;

/// What to take from whom until nobody has more than in a balanced cluster of `configured`. Nothing that is already due to
/// be taken may be in `held`.
pub(super) fn revocations(configured: &Work, held: &BTreeMap<String, Work>) -> BTreeMap<String, Work> {
    let mut taken = BTreeMap::new();
    // Everybody is new, or gives up all it has in this round.
    if configured.is_empty() || held.values().all(Work::is_empty) {
        return taken;
    }
    for (member, connectors) in surplus(configured.connectors.len(), held, |work| &work.connectors) {
        taken.entry(member).or_insert_with(Work::default).connectors = connectors;
    }
    for (member, tasks) in surplus(configured.tasks.len(), held, |work| &work.tasks) {
        taken.entry(member).or_insert_with(Work::default).tasks = tasks;
    }
    taken
}

/// The first of what each member holds, as much as it holds too much of it. `total` is what there is to hold.
fn surplus<T: Clone + Hash + Eq>(
    total: usize,
    held: &BTreeMap<String, Work>,
    kind: impl Fn(&Work) -> &IndexSet<T>,
) -> Vec<(String, IndexSet<T>)> {
    let share = total / held.len();
    // So many members have one more, as `total` need not be a multiple of their number.
    let extras = total % held.len();
    let counts: Vec<usize> = held.values().map(|work| kind(work).len()).collect();
    let with = |count: usize| counts.iter().filter(|n| **n == count).count();
    if with(share + 1) == extras && with(share) + with(share + 1) == held.len() {
        return Vec::new();
    }
    let (mut given, mut taken) = (0, Vec::new());
    for (member, work) in held {
        let holds = kind(work);
        if holds.len() <= share {
            continue;
        }
        let mut keeps = share;
        if given < extras {
            given += 1;
            keeps += 1;
        }
        if holds.len() > keeps {
            taken.push((member.clone(), holds.iter().take(holds.len() - keeps).cloned().collect()));
        }
    }
    taken
}
