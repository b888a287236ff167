use std::sync::Arc;

use couplet_api::config::{ConfigDef, Props, Setting, Validator, one_of, with};
use couplet_api::data::Record;
use couplet_api::transform::Transform;
use couplet_api::{Error, Result, config_def};

use crate::first_problem;
use crate::json_path::{Found, JsonPath};
use crate::transforms::side::Side;

config_def! {
    /// Settings of Filter.
    struct FilterConfig {
        /// JSON path that a record matches when it leads to something, such as `$[?(@.state == 'paid')]`.
        condition: Str = "filter.condition", High, required, json_path();
        /// What becomes of records that match: include keeps them and drops the others, exclude drops them.
        kind: Str = "filter.type", High, required, one_of(&["include", "exclude"]);
        /// What becomes of records without what the path needs, or with null there: fail, include keeps them, exclude drops
        /// them. A field that is missing inside of a condition just does not meet it.
        missing: Str = "missing.or.null.behavior", Medium, default "fail", one_of(&["fail", "include", "exclude"]);
    }
}

/// A path that can be read.
fn json_path() -> Validator {
    with(|setting| match setting {
        Setting::Str(text) => match text.parse::<JsonPath>() {
            Ok(_) => Ok(()),
            Err(problem) => Err(format!("Invalid JSON path: {problem}")),
        },
        _ => Err("Invalid JSON path: it is null".to_owned()),
    })
}

/// Settings of the class.
pub(super) fn config_def() -> ConfigDef {
    FilterConfig::config_def()
}

/// Keeps or drops the records that a JSON path matches.
struct Filter {
    side: Side,
    condition: JsonPath,
    keeps_matching: bool,
    /// Whether records stay that lack what the path needs; `None`: they are errors.
    keeps_missing: Option<bool>,
}

/// Makes the transform.
pub(super) fn create(props: &Props, side: Side) -> Result<Arc<dyn Transform>> {
    let config = first_problem(FilterConfig::parse, FilterConfig::config_def, props)?;
    Ok(Arc::new(Filter {
        side,
        condition: config.condition.parse().map_err(Error::config)?,
        keeps_matching: config.kind == "include",
        keeps_missing: match config.missing.as_str() {
            "include" => Some(true),
            "exclude" => Some(false),
            _ => None,
        },
    }))
}

impl Transform for Filter {
    fn apply(&self, record: Record) -> Result<Option<Record>> {
        let keeps = match self.condition.find(&self.side.of(&record).value)? {
            Found::Something => self.keeps_matching,
            Found::Nothing => !self.keeps_matching,
            Found::Missing => self.keeps_missing.ok_or_else(|| {
                Error::data(
                    "The record lacks a field that filter.condition needs, or it is null; missing.or.null.behavior can \
                     be include or exclude to go on without",
                )
            })?,
        };
        Ok(keeps.then_some(record))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use couplet_api::data::Datum;

    use super::*;

    #[test]
    fn records_stay_or_go_by_the_condition() {
        const PAID: &str = "$.order[?(@.state == 'paid')]";
        let (paid, open) = (r#"{"order":{"state":"paid"}}"#, r#"{"order":{"state":"open"}}"#);
        let rows = [
            ("include", "fail", paid, Some(true)),
            ("include", "fail", open, Some(false)),
            ("include", "fail", r#"{"order":{}}"#, Some(false)),
            ("exclude", "fail", paid, Some(false)),
            ("exclude", "fail", open, Some(true)),
            ("exclude", "fail", r#"{"order":{}}"#, Some(true)),
            ("exclude", "fail", "{}", None),
            ("exclude", "fail", "null", None),
            ("include", "include", "{}", Some(true)),
            ("include", "exclude", "{}", Some(false)),
            ("exclude", "include", r#"{"order":null}"#, Some(true)),
            ("exclude", "exclude", "5", Some(false)),
        ];
        for (kind, missing, value, want) in rows {
            let props: Props =
                [("filter.condition", PAID), ("filter.type", kind), ("missing.or.null.behavior", missing)]
                    .into_iter()
                    .collect();
            let value = crate::json::read_value(&Bytes::from_static(value.as_bytes())).expect("JSON");
            for side in [Side::Key, Side::Value] {
                let record = Record::new("t", Datum::default(), Datum::default());
                let record = side.with(record, Datum::schemaless(value.clone()));
                let got = create(&props, side).expect("settings").apply(record).ok().map(|kept| kept.is_some());
                assert_eq!(got, want, "{kind} {missing} {value:?}");
            }
        }
    }

    #[test]
    fn settings_are_checked_at_once() {
        let def = config_def();
        let wrong = [("filter.condition", "$.a == 1"), ("missing.or.null.behavior", "skip")].into_iter().collect();
        let errors: Vec<String> = def.validate(&wrong).into_iter().flat_map(|value| value.errors).collect();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[0].contains("Invalid JSON path: expected the end of the path, at character 4"), "{errors:?}");
    }
}
