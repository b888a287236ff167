//! The decimal digits of floats as Java made them before version 19 (`jdk.internal.math.FloatingDecimal`): mostly the
//! shortest that read back the same, sometimes one or two more. Bytes written by converters hold these digits.

use std::cmp::Ordering;

use num_bigint::BigUint;

/// Bits of a double right of the point.
const FRACTION_BITS: i32 = 52;
/// Largest binary exponent of a number that is written as a long integer.
const INTEGER_EXPONENT_MAX: i32 = 62;

/// Significant digits and where the point is.
#[derive(Debug)]
pub(super) struct Digits {
    digits: [u8; 24],
    length: usize,
    place: i32,
}

impl Digits {
    const fn new(place: i32) -> Self {
        Digits { digits: [0; 24], length: 0, place }
    }

    /// The digits as text, without leading or trailing zeros.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    /// Place of the first digit: 0 for units, 1 for tens, -1 for tenths.
    pub(super) const fn place(&self) -> i32 {
        self.place
    }

    fn push(&mut self, digit: u8) {
        self.digits[self.length] = b'0' + digit;
        self.length += 1;
    }

    /// Adds one to the last digit.
    fn round_up(&mut self) {
        while self.length > 0 {
            let last = &mut self.digits[self.length - 1];
            if *last < b'9' {
                *last += 1;
                return;
            }
            self.length -= 1;
        }
        self.push(1);
        self.place += 1;
    }
}

/// The digits of a finite double that is not zero.
pub(super) fn of_double(value: f64) -> Digits {
    let bits = value.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let exponent = (bits >> FRACTION_BITS & 0x7ff) as i32;
    if exponent > 0 {
        return digits(exponent - 1023, fraction | 1 << FRACTION_BITS, FRACTION_BITS + 1);
    }
    let shift = fraction.leading_zeros() as i32 - (63 - FRACTION_BITS);
    digits(-1022 - shift, fraction << shift, FRACTION_BITS + 1 - shift)
}

/// The digits of a finite float that is not zero.
pub(super) fn of_float(value: f32) -> Digits {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 23) - 1);
    let exponent = (bits >> 23 & 0xff) as i32;
    let widened = |fraction: u32| u64::from(fraction) << (FRACTION_BITS - 23);
    if exponent > 0 {
        return digits(exponent - 127, widened(fraction | 1 << 23), 24);
    }
    let shift = fraction.leading_zeros() as i32 - 8;
    digits(-126 - shift, widened(fraction << shift), 24 - shift)
}

/// The digits of `fraction × 2^(exponent - 52)`, of whose bits the first `significant` are known.
fn digits(exponent: i32, fraction: u64, significant: i32) -> Digits {
    let tail_zeros = fraction.trailing_zeros() as i32;
    let fraction_bits = FRACTION_BITS + 1 - tail_zeros;
    let bits_right = (fraction_bits - exponent - 1).max(0);
    if bits_right == 0 && exponent <= INTEGER_EXPONENT_MAX {
        let shift = exponent - FRACTION_BITS;
        let integer = if shift >= 0 { fraction << shift } else { fraction >> -shift };
        return integer_digits(integer, exponent, significant);
    }
    let decimal_exponent = estimate(fraction, exponent);
    let (b5, s5) = ((-decimal_exponent).max(0), decimal_exponent.max(0));
    let b2 = b5 + bits_right + exponent - (fraction_bits - 1);
    let s2 = s5 + bits_right;
    let common = b2.min(s2);
    let m2 = b5 + bits_right + exponent - significant - common - i32::from(fraction_bits == 1);
    // The three powers of two must not be negative.
    let scale = (-m2).max(0) - common;
    let scaled = Scaled {
        fraction: fraction >> tail_zeros,
        b5: b5 as u32,
        s5: s5 as u32,
        b2: (b2 + scale) as u32,
        s2: (s2 + scale) as u32,
        m2: m2.max(0) as u32,
    };
    scaled.digits(fraction_bits as u32, decimal_exponent)
}

/// The digits of an integer, less those that its precision does not cover.
fn integer_digits(integer: u64, exponent: i32, significant: i32) -> Digits {
    let uncertain_bits = exponent - significant - 1;
    let dropped = if exponent > significant && uncertain_bits > 1 { uncertain_bits * 30_103 / 100_000 } else { 0 };
    let power = 10_u64.pow(dropped as u32);
    let kept = integer / power + u64::from(dropped > 0 && integer % power >= power / 2);
    let mut text = Digits::new(dropped - 1);
    let mut rest = kept;
    let mut reversed = [0_u8; 24];
    let mut count = 0;
    while rest > 0 {
        reversed[count] = (rest % 10) as u8;
        rest /= 10;
        count += 1;
    }
    text.place += count as i32;
    let trailing = reversed.iter().take_while(|d| **d == 0).count();
    reversed[trailing..count].iter().rev().for_each(|d| text.push(*d));
    text
}

/// The decimal exponent, or one more.
#[allow(clippy::approx_constant, reason = "Java's own constants, as exact as Java's")]
fn estimate(fraction: u64, exponent: i32) -> i32 {
    let mantissa = f64::from_bits(1023 << FRACTION_BITS | fraction & ((1 << FRACTION_BITS) - 1));
    let logarithm = (mantissa - 1.5) * 0.289_529_654 + 0.176_091_259 + f64::from(exponent) * 0.301_029_995_663_981;
    logarithm.floor() as i32
}

/// A number `B / S × 10^e` and half its distance `M` to the neighbours, as products of powers:
/// `B = fraction × 5^b5 × 2^b2`, `S = 5^s5 × 2^s2`, `M = 5^b5 × 2^m2`.
struct Scaled {
    fraction: u64,
    b5: u32,
    s5: u32,
    b2: u32,
    s2: u32,
    m2: u32,
}

/// Bits of `5^power`, as Java counts them.
fn bits_of_five(power: u32) -> u32 {
    // Java's table ends at 5^26, with the exact numbers of bits.
    if power == 0 {
        0
    } else if power <= 26 {
        5_u128.pow(power).ilog2() + 1
    } else {
        power * 3
    }
}

impl Scaled {
    fn digits(&self, fraction_bits: u32, decimal_exponent: i32) -> Digits {
        let bits_b = fraction_bits + self.b2 + bits_of_five(self.b5);
        let bits_ten_s = self.s2 + 1 + bits_of_five(self.s5 + 1);
        let bits = bits_b.max(bits_ten_s);
        let bits_m = self.m2 + bits_of_five(self.b5) + 70;
        match bits {
            ..32 => self.generate::<i32>(decimal_exponent),
            32..64 => self.generate::<i64>(decimal_exponent),
            _ if bits.max(bits_m) < 126 && self.b5.max(self.s5) <= 26 => self.generate::<u128>(decimal_exponent),
            _ => self.generate::<BigUint>(decimal_exponent),
        }
    }

    /// Makes digits until the rest is within the distance to a neighbour.
    fn generate<N: Integer>(&self, decimal_exponent: i32) -> Digits {
        let mut b = N::product(self.fraction, self.b5, self.b2);
        let s = N::product(1, self.s5, self.s2);
        let mut m = N::product(1, self.b5, self.m2);
        let tens = s.times_ten();
        let mut text = Digits::new(decimal_exponent);
        let mut first = true;
        loop {
            let digit = b.divide(&s);
            b = b.times_ten();
            m = m.times_ten();
            let overflown = !first && m.is_overflown();
            let mut low = overflown || b < m;
            let above = b.plus(&m);
            let mut high = overflown || above > tens || (N::TIE_IS_HIGH && above == tens);
            if first && digit == 0 && !high {
                text.place -= 1;
            } else {
                text.push(digit);
            }
            // With an exponent there is always a digit behind the point.
            if first && !(-3..8).contains(&text.place) {
                (low, high) = (false, false);
            }
            first = false;
            if low || high {
                let odd = text.as_bytes().last().is_some_and(|d| d % 2 == 1);
                let closer_up = match b.twice_against(&tens) {
                    Ordering::Equal => odd,
                    order => order == Ordering::Greater,
                };
                if high && (!low || closer_up) {
                    text.round_up();
                }
                return text;
            }
        }
    }
}

/// Integers for a number's powers. Java takes `int` and `long` where the number fits, whose overflows show in some digits.
trait Integer: Ord + Sized {
    /// Whether a rest just at the upper bound counts as inside.
    const TIE_IS_HIGH: bool;
    /// `factor × 5^fives × 2^twos`.
    fn product(factor: u64, fives: u32, twos: u32) -> Self;
    fn times_ten(&self) -> Self;
    fn plus(&self, other: &Self) -> Self;
    /// How twice this compares with `other`.
    fn twice_against(&self, other: &Self) -> Ordering;
    /// Divides by `divisor` and leaves the remainder; the quotient is a digit.
    fn divide(&mut self, divisor: &Self) -> u8;
    /// Whether a positive number became another by overflow.
    fn is_overflown(&self) -> bool;
}

macro_rules! integers {
    ($($type:ty, $tie:literal),*) => {$(
        impl Integer for $type {
            const TIE_IS_HIGH: bool = $tie;

            fn product(factor: u64, fives: u32, twos: u32) -> Self {
                (factor as $type).wrapping_mul((5 as $type).wrapping_pow(fives)) << twos
            }

            fn times_ten(&self) -> Self {
                self.wrapping_mul(10)
            }

            fn plus(&self, other: &Self) -> Self {
                self.wrapping_add(*other)
            }

            fn twice_against(&self, other: &Self) -> Ordering {
                // The difference fits even where twice the number does not.
                (*self).cmp(&(*other).wrapping_sub(*self))
            }

            fn divide(&mut self, divisor: &Self) -> u8 {
                let digit = *self / *divisor;
                *self %= *divisor;
                digit as u8
            }

            #[allow(unused_comparisons, clippy::absurd_extreme_comparisons, reason = "one body for all integers")]
            fn is_overflown(&self) -> bool {
                *self <= 0
            }
        }
    )*};
}

integers!(i32, false, i64, false, u128, true);

impl Integer for BigUint {
    const TIE_IS_HIGH: bool = true;

    fn product(factor: u64, fives: u32, twos: u32) -> Self {
        (BigUint::from(5_u8).pow(fives) * factor) << twos
    }

    fn times_ten(&self) -> Self {
        self * 10_u8
    }

    fn plus(&self, other: &Self) -> Self {
        self + other
    }

    fn twice_against(&self, other: &Self) -> Ordering {
        (self * 2_u8).cmp(other)
    }

    fn divide(&mut self, divisor: &Self) -> u8 {
        let digit = &*self / divisor;
        *self -= &digit * divisor;
        digit.iter_u32_digits().next().unwrap_or(0) as u8
    }

    fn is_overflown(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_read_back_as_the_same_number() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f64::from_bits(state & (u64::MAX >> 1));
            if !value.is_finite() || value == 0.0 {
                continue;
            }
            let text = of_double(value);
            let digits = std::str::from_utf8(text.as_bytes()).expect("digits");
            let read = format!("{}.{}e{}", &digits[..1], &digits[1..], text.place());
            assert_eq!(read.parse::<f64>(), Ok(value), "{read}");
            let float = f32::from_bits((state >> 33) as u32);
            if float.is_finite() && float != 0.0 {
                let text = of_float(float);
                let digits = std::str::from_utf8(text.as_bytes()).expect("digits");
                let read = format!("{}.{}e{}", &digits[..1], &digits[1..], text.place());
                assert_eq!(read.parse::<f32>(), Ok(float), "{read}");
            }
        }
    }
}
