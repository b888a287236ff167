//! How a few kinds of column are represented, as users choose with `*.handling.mode` and `time.precision.mode`.

/// `decimal.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalMode {
    /// Connect's Decimal; a struct with its own scale where the column has none.
    Precise,
    /// Text.
    String,
    /// A double, digits may be lost.
    Double,
}

impl DecimalMode {
    /// The mode users call `name`; anything unknown is the default, since validation came first.
    pub fn named(name: &str) -> Self {
        match name {
            "string" => DecimalMode::String,
            "double" => DecimalMode::Double,
            _ => DecimalMode::Precise,
        }
    }
}

/// `binary.handling.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryMode {
    /// BYTES.
    Bytes,
    /// Base64 text.
    Base64,
    /// Base64 text with the URL-safe alphabet.
    Base64UrlSafe,
    /// Lower-case hexadecimal text.
    Hex,
}

impl BinaryMode {
    /// The mode users call `name`; anything unknown is the default.
    pub fn named(name: &str) -> Self {
        match name {
            "base64" => BinaryMode::Base64,
            "base64-url-safe" => BinaryMode::Base64UrlSafe,
            "hex" => BinaryMode::Hex,
            _ => BinaryMode::Bytes,
        }
    }
}

/// `time.precision.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeMode {
    /// By the column's precision.
    Adaptive,
    /// By the column's precision, times of day always in microseconds.
    AdaptiveTimeMicroseconds,
    /// Connect's logical types, milliseconds.
    Connect,
    /// ISO 8601 text.
    IsoString,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeMode {
    /// The mode users call `name`; anything unknown is `adaptive`.
    pub fn named(name: &str) -> Self {
        match name {
            "adaptive_time_microseconds" => TimeMode::AdaptiveTimeMicroseconds,
            "connect" => TimeMode::Connect,
            "isostring" => TimeMode::IsoString,
            "microseconds" => TimeMode::Microseconds,
            "nanoseconds" => TimeMode::Nanoseconds,
            _ => TimeMode::Adaptive,
        }
    }
}
