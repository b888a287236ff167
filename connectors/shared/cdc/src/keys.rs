//! `message.key.columns`: which columns make the key of a record instead of the primary key.

use regex::Regex;

use crate::filter::{TableId, compile};

/// Expressions over `schema.table.column`, in the order the key takes them.
#[derive(Debug, Clone, Default)]
pub struct KeyColumns(Vec<Regex>);

impl KeyColumns {
    /// Reads `table:column,column;table:column`, both sides regular expressions.
    ///
    /// # Errors
    /// The part with the wrong form.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for part in text.split(';') {
            let wrong = || format!("{part} has an invalid format (expecting '^\\s*([^\\s:]+):([^:\\s]+)\\s*$')");
            let (table, columns) = part.trim().split_once(':').ok_or_else(wrong)?;
            if table.is_empty() || columns.is_empty() || columns.contains([':', ' ']) || table.contains(' ') {
                return Err(wrong());
            }
            for column in columns.split(',') {
                patterns.push(compile(&format!("{table}.{column}"))?);
            }
        }
        Ok(KeyColumns(patterns))
    }

    /// Positions in `columns` of the key columns of `table`, in key order; empty: use the primary key.
    pub fn of(&self, table: &TableId, columns: &[&str]) -> Vec<usize> {
        let names: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
        let matching = |regex: &Regex| {
            let found: Vec<usize> = (0..names.len()).filter(|i| regex.is_match(&names[*i])).collect();
            found
        };
        self.0.iter().flat_map(matching).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_the_order_of_the_setting() {
        let keys = KeyColumns::new("public.t:b,a;(.*).nopk:x").expect("valid");
        assert_eq!(keys.of(&TableId::new("public", "t"), &["id", "a", "b"]), [2, 1]);
        assert_eq!(keys.of(&TableId::new("s", "nopk"), &["x"]), [0]);
        assert!(keys.of(&TableId::new("s", "other"), &["x"]).is_empty());
        for bad in ["t", "t:", "t:a b", ":a"] {
            assert!(KeyColumns::new(bad).is_err(), "{bad}");
        }
    }
}
