/// A compiled pattern.
#[derive(Debug, Clone)]
pub(crate) struct DateFormat {
    pattern: String,
    pub(super) parts: Vec<Part>,
}

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Text as it is.
    Text(String),
    /// A letter and how often it stands there.
    Field { letter: u8, count: usize },
}

/// The letters that have a meaning.
const LETTERS: &[u8] = b"GyMdkHmsSEDFwWahKzZYuXL";

impl DateFormat {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The message of Java's `IllegalArgumentException`.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut chars = pattern.chars().peekable();
        let mut quoted = false;
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'\'') => {
                    chars.next();
                    push_text(&mut parts, '\'');
                }
                '\'' => quoted = !quoted,
                c if quoted || !c.is_ascii_alphabetic() => push_text(&mut parts, c),
                c => push_letter(&mut parts, c)?,
            }
        }
        if quoted {
            return Err("Unterminated quote".to_owned());
        }
        let too_long = parts.iter().find_map(|p| match p {
            Part::Field { letter: b'X', count: count @ 4.. } => Some(count),
            _ => None,
        });
        if let Some(count) = too_long {
            return Err(format!("invalid ISO 8601 format: length={count}"));
        }
        Ok(DateFormat { pattern: pattern.to_owned(), parts })
    }

    /// Compiles a pattern of this crate.
    pub(super) fn literal(pattern: &'static str) -> Self {
        Self::new(pattern).unwrap_or_else(|problem| panic!("{pattern}: {problem}"))
    }

    /// The pattern as given.
    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }
}

fn push_text(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push(c),
        _ => parts.push(Part::Text(c.to_string())),
    }
}

fn push_letter(parts: &mut Vec<Part>, c: char) -> Result<(), String> {
    let known = u8::try_from(c).ok().filter(|letter| LETTERS.contains(letter));
    let letter = known.ok_or_else(|| format!("Illegal pattern character '{c}'"))?;
    match parts.last_mut() {
        Some(Part::Field { letter: last, count }) if *last == letter => *count += 1,
        _ => parts.push(Part::Field { letter, count: 1 }),
    }
    Ok(())
}
