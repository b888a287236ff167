use couplet_api::data::Decimal;
use num_bigint::{BigInt, Sign};

/// `BigDecimal.longValue()`: the low 64 bits of the whole part.
pub(crate) fn low_bits(decimal: &Decimal) -> i64 {
    let scale = decimal.scale();
    let power = |exponent: u32| BigInt::from(10).pow(exponent);
    let whole = match scale {
        0 => decimal.unscaled().clone(),
        // 10^64 is a multiple of 2^64, and a fraction has more digits behind the point than bits.
        ..=-64 => return 0,
        1.. if scale.unsigned_abs() as u64 > decimal.unscaled().bits() => return 0,
        1.. => decimal.unscaled() / power(scale.unsigned_abs()),
        _ => decimal.unscaled() * power(scale.unsigned_abs()),
    };
    let low = whole.magnitude().iter_u64_digits().next().unwrap_or(0) as i64;
    if whole.sign() == Sign::Minus { low.wrapping_neg() } else { low }
}

/// `Double.parseDouble`.
///
/// # Errors
/// The message of Java's `NumberFormatException`.
pub(crate) fn parse_double(text: &str) -> Result<f64, String> {
    let trimmed = text.trim_matches(|c| c <= ' ');
    if trimmed.is_empty() {
        return Err("empty String".to_owned());
    }
    let unsigned = trimmed.trim_start_matches(['+', '-']);
    let named = match unsigned {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        _ => None,
    };
    let parsed = named.map(|value| if trimmed.starts_with('-') { -value } else { value }).or_else(|| {
        // A letter may say the type; Rust's own names of infinity are not numbers in Java.
        let digits = trimmed.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(trimmed);
        let numeric = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        digits.parse().ok().filter(|_| numeric)
    });
    parsed.ok_or_else(|| format!("For input string: \"{trimmed}\""))
}

/// What `new BigDecimal(text)` says when `text` is no number.
pub(crate) fn decimal_problem(text: &str) -> String {
    let strange = text.chars().find(|c| !c.is_ascii_digit() && !".eE+".contains(*c) && *c != '-');
    let misplaced =
        text.char_indices().skip(1).find(|(at, c)| matches!(c, '+' | '-') && !text[..*at].ends_with(['e', 'E']));
    match strange.or(misplaced.map(|(_, c)| c)) {
        Some(c) => {
            format!(
                "Character {c} is neither a decimal digit number, decimal point, nor \"e\" notation exponential mark."
            )
        }
        None => "No digits found.".to_owned(),
    }
}
