use serde_json::Value;

/// Most characters of a difference that are shown.
const SHOWN_MAX: usize = 600;

/// Collects what differs from a recording, so that one test names all differing cases.
#[derive(Debug)]
pub struct Differences {
    file: String,
    checked: usize,
    found: Vec<String>,
}

impl Differences {
    /// For the cases of `file`.
    pub fn new(file: impl Into<String>) -> Self {
        Differences { file: file.into(), checked: 0, found: Vec::new() }
    }

    /// Compares JSON; see [`equal`].
    pub fn check(&mut self, case: &str, want: &Value, got: &Value) {
        self.checked += 1;
        if !equal(want, got) {
            let mut place = String::new();
            let (want, got) = narrow(want, got, &mut place);
            self.note(case, &format!("at {place:?}\n  want {}\n  got  {}", short(&want), short(&got)));
        }
    }

    /// Compares bytes, shown as text where they are text.
    pub fn check_bytes(&mut self, case: &str, want: &[u8], got: &[u8]) {
        self.checked += 1;
        if want != got {
            let show = |bytes: &[u8]| short(&String::from_utf8_lossy(bytes));
            let same = want.iter().zip(got).take_while(|(a, b)| a == b).count();
            self.note(case, &format!("from byte {same}\n  want {}\n  got  {}", show(want), show(got)));
        }
    }

    /// Notes a difference found by other means.
    pub fn note(&mut self, case: &str, difference: &str) {
        self.found.push(format!("DIFFERS {} {case}\n  {difference}", self.file));
    }

    /// Whether nothing differs so far.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Takes over what `other` compared and found.
    pub fn absorb(&mut self, other: Differences) {
        self.checked += other.checked;
        self.found.extend(other.found);
    }

    /// Ends the comparison.
    ///
    /// # Panics
    /// When nothing was compared, or anything differs: names each case in a line `DIFFERS <file> <case>`.
    pub fn finish(self) {
        assert!(self.checked > 0 || !self.found.is_empty(), "{}: nothing was compared", self.file);
        assert!(
            self.found.is_empty(),
            "{} of {} comparisons differ\n{}",
            self.found.len(),
            self.checked.max(self.found.len()),
            self.found.join("\n")
        );
    }
}

/// Whether two JSON values mean the same: the order of members does not count, and numbers are compared by value,
/// integers exactly.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (x, y) = (a.to_string(), b.to_string());
            x == y || (is_fraction(&x) && is_fraction(&y) && a.as_f64() == b.as_f64())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| equal(x, y)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, x)| b.get(k).is_some_and(|y| equal(x, y)))
        }
        _ => a == b,
    }
}

fn is_fraction(number: &str) -> bool {
    number.contains(['.', 'e', 'E'])
}

/// The smallest parts that differ, with the path to them in `place`.
fn narrow(want: &Value, got: &Value, place: &mut String) -> (String, String) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) if a.keys().all(|k| b.contains_key(k)) && a.len() == b.len() => {
            for (key, x) in a {
                if !equal(x, &b[key]) {
                    place.push_str(&format!("/{key}"));
                    return narrow(x, &b[key], place);
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (x, y)) in a.iter().zip(b).enumerate() {
                if !equal(x, y) {
                    place.push_str(&format!("/{at}"));
                    return narrow(x, y, place);
                }
            }
        }
        _ => {}
    }
    (want.to_string(), got.to_string())
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn members_have_no_order_and_fractions_no_notation() {
        let same = [
            (r#"{"a":1,"b":[2]}"#, r#"{"b":[2],"a":1}"#),
            ("1e-07", "1e-7"),
            ("1.50", "1.5"),
            ("99999999999999999999", "99999999999999999999"),
        ];
        for (a, b) in same {
            assert!(equal(&parse(a), &parse(b)), "{a} and {b}");
        }
        for (a, b) in [("1", "1.0"), ("[1,2]", "[2,1]"), ("9007199254740993", "9007199254740992"), ("{}", "[]")] {
            assert!(!equal(&parse(a), &parse(b)), "{a} and {b}");
        }
    }

    #[test]
    fn finish_names_each_differing_case() {
        let mut differences = Differences::new("x.jsonl");
        differences.check("first", &json!({"a": [1, 2]}), &json!({"a": [1, 3]}));
        differences.check("second", &json!(1), &json!(1));
        differences.check_bytes("third", b"ab", b"ac");
        let panic = std::panic::catch_unwind(|| differences.finish()).expect_err("two differ");
        let text = panic.downcast_ref::<String>().expect("text");
        assert!(text.contains("DIFFERS x.jsonl first\n  at \"/a/1\"\n  want 2\n  got  3"), "{text}");
        assert!(text.contains("DIFFERS x.jsonl third") && !text.contains("second"), "{text}");
    }

    #[test]
    #[should_panic(expected = "nothing was compared")]
    fn comparing_nothing_fails() {
        Differences::new("x.jsonl").finish();
    }
}
