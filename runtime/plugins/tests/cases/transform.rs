use couplet_api::{Error, Plugin};
use couplet_testkit::{envelope, golden};
use serde_json::{Value as Json, json};

use super::{comparable_error, error, plugin, props};

/// Plays all files of `folder`.
pub fn check_transforms(folder: &str) {
    let mut differences = golden::Differences::new(folder);
    for file in golden::names(folder, ".jsonl") {
        for case in golden::cases(&format!("{folder}/{file}")) {
            check(&case, &mut differences);
        }
    }
    differences.finish();
}

fn check(case: &Json, differences: &mut golden::Differences) {
    let name = case["name"].as_str().unwrap_or_default();
    let want = match case.get("error") {
        Some(error) => json!({ "error": error }),
        None if case.get("predicate").is_some() => json!({ "result": case["result"] }),
        None => json!({ "output": case["output"] }),
    };
    let record = match envelope::read_record(&case["record"]) {
        Ok(record) => record,
        // Values of Java classes that no Connect type stands for: nothing of ours can make one.
        Err(problem) if problem.contains("the data model has no") => return,
        Err(problem) => return differences.note(name, &problem),
    };
    let props = props(&case["config"]);
    let outcome = |stage: &'static str| move |e: Error| json!({ "error": error(stage, &e) });
    let got = match plugin(case["transform"].as_str().or(case["predicate"].as_str()).unwrap_or_default(), |_| true) {
        Some(Plugin::Transform(factory)) => {
            (factory.create)(&props).map_err(outcome("configure")).and_then(|transform| {
                let applied = transform.apply(record).map_err(outcome("apply"))?;
                Ok(json!({ "output": applied.as_ref().map(envelope::write_record) }))
            })
        }
        Some(Plugin::Predicate(factory)) => (factory.create)(&props)
            .map_err(outcome("configure"))
            .and_then(|predicate| Ok(json!({ "result": predicate.test(&record).map_err(outcome("test"))? }))),
        _ => return differences.note(name, "no such plugin"),
    };
    let mut got = got.unwrap_or_else(|error| error);
    let mut want = want;
    if let (Some(want), Some(got)) = (want.get_mut("error"), got.get_mut("error")) {
        let (w, g) = comparable_error(want, got);
        (*want, *got) = (w, g);
    }
    differences.check(name, &want, &got);
}
