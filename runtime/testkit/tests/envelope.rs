//! Every recorded input can be read, and reads back as it was written.

use couplet_testkit::{envelope, golden};

#[test]
fn golden_inputs_survive_a_round_trip() {
    let mut differences = golden::Differences::new("connect/smt");
    for name in golden::names("connect/smt", ".jsonl") {
        for case in golden::cases(&format!("connect/smt/{name}")) {
            let label = case["name"].as_str().unwrap_or_default();
            match envelope::read_record(&case["record"]) {
                Ok(record) => differences.check(label, &case["record"], &envelope::write_record(&record)),
                // Java has values of classes that no Connect type stands for; nothing of ours can make one.
                Err(problem) => assert!(problem.contains("the data model has no"), "{label}: {problem}"),
            }
        }
    }
    differences.finish();
}
