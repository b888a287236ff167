//! JAAS texts: `Module required name="value" other='x' ;`.

/// An entry of `sasl.jaas.config`.
pub(crate) struct Jaas {
    pub(crate) module: String,
    options: Vec<(String, String)>,
}

impl Jaas {
    /// Reads an entry. Quotes are optional, `\` escapes within them.
    ///
    /// # Errors
    /// What is wrong, without any part of a value.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some(body) = text.strip_suffix(';') else {
            return Err("JAAS config entry not terminated by semi-colon".into());
        };
        let mut words = Words { rest: body.trim_end() };
        let module = words.bare().ok_or("Login module not specified in JAAS config")?;
        let flag = words.bare().unwrap_or_default().to_lowercase();
        if !["required", "requisite", "sufficient", "optional"].contains(&flag.as_str()) {
            return Err(
                "Login module control flag is not available in the JAAS config; write `required` after the module"
                    .into(),
            );
        }
        let mut options = Vec::new();
        while let Some(name) = words.bare() {
            if !words.equals() {
                return Err(format!("Value not specified for key '{name}' in JAAS config"));
            }
            options.push((name, words.value()?));
        }
        if !words.rest.trim().is_empty() {
            return Err("options are written name=\"value\"".into());
        }
        Ok(Jaas { module: module.to_owned(), options })
    }

    /// The value of an option.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Options whose names begin with `prefix`, without it.
    pub(crate) fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.options.iter().filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, value.as_str())))
    }

    /// Whether the module's class is `class`, whatever its package.
    pub(crate) fn is(&self, class: &str) -> bool {
        self.module.rsplit('.').next() == Some(class)
    }
}

struct Words<'a> {
    rest: &'a str,
}

impl Words<'_> {
    /// A word without quotes.
    fn bare(&mut self) -> Option<String> {
        let text = self.rest.trim_start();
        let end = text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '"' | '\'' | ';')).unwrap_or(text.len());
        self.rest = &text[end..];
        (end > 0).then(|| text[..end].to_owned())
    }

    fn equals(&mut self) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix('=') else { return false };
        self.rest = rest;
        true
    }

    fn value(&mut self) -> Result<String, String> {
        let text = self.rest.trim_start();
        let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let end = text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len());
            self.rest = &text[end..];
            return Ok(text[..end].to_owned());
        };
        let mut value = String::new();
        let mut chars = text.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    self.rest = &text[at + 1..];
                    return Ok(value);
                }
                c => value.push(c),
            }
        }
        Err("a quoted value does not end".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_in_every_spelling() {
        let module = "org.apache.kafka.common.security.plain.PlainLoginModule required";
        let rows = [
            (format!("{module} username=\"u\" password=\"p=;'w\";"), "u", "p=;'w"),
            (format!("{module}\n  password='a\\'b' username=u ;"), "u", "a'b"),
            (format!("{module} user_x=\"no\" username = \"u\" password = \"p\";"), "u", "p"),
            (format!("{module} username=\"u\" password=\"back\\\\slash \\\"q\\\"\";"), "u", "back\\slash \"q\""),
        ];
        for (text, user, password) in rows {
            let jaas = Jaas::parse(&text).expect(&text);
            assert!(jaas.is("PlainLoginModule"));
            assert_eq!((jaas.get("username"), jaas.get("password")), (Some(user), Some(password)), "{text}");
        }
        let jaas = Jaas::parse("X required a_1=x a_2=y b=z;").expect("valid");
        assert_eq!(jaas.with_prefix("a_").collect::<Vec<_>>(), [("1", "x"), ("2", "y")]);
    }

    #[test]
    fn what_is_no_entry_is_refused_without_its_values() {
        let rows = [
            "PlainLoginModule required password=\"s3cret\"",
            "PlainLoginModule password=\"s3cret\";",
            "PlainLoginModule required password=\"s3cret;",
            "PlainLoginModule required password \"s3cret\";",
            ";",
            "",
        ];
        for text in rows {
            let problem = Jaas::parse(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }

    proptest::proptest! {
        #[test]
        fn quoted_options_are_read_back(user in ".*", password in ".*") {
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("M required username=\"{}\" password=\"{}\";", quoted(&user), quoted(&password));
            let jaas = Jaas::parse(&text).unwrap();
            proptest::prop_assert_eq!(jaas.get("username"), Some(user.as_str()));
            proptest::prop_assert_eq!(jaas.get("password"), Some(password.as_str()));
        }
    }

    #[test]
    fn malformed_entries_are_refused_and_nothing_worse() {
        let run = |bytes: &[u8]| drop(Jaas::parse(&String::from_utf8_lossy(bytes)));
        let seeds: [&[u8]; 2] = [b"M required username=\"u\" password='p=;\\'w' ;", b"M required password = p;"];
        let target = couplet_testkit::malformed::Target { name: "jaas", run };
        couplet_testkit::malformed::check(target, &seeds, &[], 2000);
    }
}
