//! The assignor of the protocol `eager`: everybody stops, and everything is dealt out anew.

use std::collections::BTreeMap;

use super::work::Work;

/// Deals `configured` out to `members` in turn: all connectors first, then all tasks, each in the order of their names.
///
/// Source: Kafka's `EagerAssignor`.
pub fn assign_eagerly<'a>(configured: &Work, members: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Work> {
    let mut dealt: BTreeMap<String, Work> =
        members.into_iter().map(|member| (member.to_owned(), Work::default())).collect();
    let sorted = configured.without(&[]);
    let names: Vec<String> = dealt.keys().cloned().collect();
    let mut turn = names.iter().cycle();
    for connector in sorted.connectors {
        if let Some(work) = turn.next().and_then(|member| dealt.get_mut(member)) {
            work.connectors.insert(connector);
        }
    }
    for task in sorted.tasks {
        if let Some(work) = turn.next().and_then(|member| dealt.get_mut(member)) {
            work.tasks.insert(task);
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::super::golden_tests::work;
    use super::*;

    /// The turn goes on from connectors to tasks, as in Kafka's `EagerAssignorTest`.
    #[test]
    fn connectors_then_tasks_are_dealt_in_turn() {
        type Row = (&'static [&'static str], Work, Vec<Work>);
        let rows: [Row; 4] = [
            (&["a"], work(&["c1"], &["c1-0", "c1-1"]), vec![work(&["c1"], &["c1-0", "c1-1"])]),
            (
                &["b", "a"],
                work(&["c2", "c1"], &["c2-0", "c1-0", "c1-1"]),
                vec![work(&["c1"], &["c1-0", "c2-0"]), work(&["c2"], &["c1-1"])],
            ),
            (&["a", "b"], work(&["c1"], &["c1-0"]), vec![work(&["c1"], &[]), work(&[], &["c1-0"])]),
            (&["a", "b"], work(&[], &[]), vec![work(&[], &[]), work(&[], &[])]),
        ];
        for (members, configured, want) in rows {
            let dealt = assign_eagerly(&configured, members.iter().copied());
            assert_eq!(dealt.into_values().collect::<Vec<_>>(), want, "{members:?}");
        }
        assert!(assign_eagerly(&work(&["c"], &[]), []).is_empty());
    }
}
