use couplet_api::data::{DECIMAL_SCALE, Decimal, Schema};
use couplet_api::{Error, Result};

pub(super) const DAY_MS: i64 = 86_400_000;

/// Days since the epoch of a date.
pub fn date_to_days(ms: i64) -> Result<i32> {
    if ms.rem_euclid(DAY_MS) != 0 {
        return Err(Error::data("Kafka Connect Date type should not have any time fields set to non-zero values."));
    }
    Ok((ms / DAY_MS) as i32)
}

/// Milliseconds since midnight of a time.
pub fn time_to_ms(ms: i64) -> Result<i32> {
    if !(0..=DAY_MS).contains(&ms) {
        return Err(Error::data("Kafka Connect Time type should not have any date fields set to non-zero values."));
    }
    Ok(ms as i32)
}

/// The reverse of [`time_to_ms`].
pub fn ms_to_time(ms: i32) -> Result<i64> {
    let ms = i64::from(ms);
    if !(0..=DAY_MS).contains(&ms) {
        return Err(Error::data("Time values must use number of milliseconds greater than 0 and less than 86400000"));
    }
    Ok(ms)
}

/// The scale that a Decimal schema prescribes.
pub fn scale(schema: &Schema) -> Result<i32> {
    if schema.parameters().is_empty() {
        return Err(Error::data(
            "Cannot invoke \"java.util.Map.get(Object)\" because the return value of \
             \"org.apache.kafka.connect.data.Schema.parameters()\" is null",
        )
        .with_class("java.lang.NullPointerException"));
    }
    let text = schema
        .parameter(DECIMAL_SCALE)
        .ok_or_else(|| Error::data("Invalid Decimal schema: scale parameter not found."))?;
    text.parse().map_err(|_| {
        let cause = Error::data(format!("For input string: \"{text}\"")).with_class("java.lang.NumberFormatException");
        Error::data("Invalid scale parameter found in Decimal schema: ").caused_by(cause)
    })
}

/// The bytes of a decimal whose scale is the schema's.
pub fn decimal_to_bytes(scale: i32, decimal: &Decimal) -> Result<Vec<u8>> {
    if decimal.scale() != scale {
        return Err(Error::data(format!(
            "Decimal value has mismatching scale for given Decimal schema. Schema has scale {scale}, value has scale {}.",
            decimal.scale()
        )));
    }
    Ok(decimal.to_bytes())
}
