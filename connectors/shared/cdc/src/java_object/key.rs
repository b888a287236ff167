//! The elements of a key, their serialized form and their text.

use num_bigint::BigInt;

use super::{read, write};

/// One element of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum JavaObject {
    /// `null`.
    Null,
    /// `Boolean`.
    Boolean(bool),
    /// `Short`.
    Short(i16),
    /// `Integer`.
    Integer(i32),
    /// `Long`.
    Long(i64),
    /// `Float`.
    Float(f32),
    /// `Double`.
    Double(f64),
    /// `String`.
    Text(String),
    /// `byte[]`.
    Bytes(Vec<u8>),
    /// `BigDecimal`: unscaled value and scale.
    Decimal(BigInt, i32),
    /// `BigInteger`.
    Integral(BigInt),
    /// `java.util.UUID`.
    Uuid(u128),
}

/// The key of a row.
pub type RowKey = Vec<JavaObject>;

/// `key` serialized, in lower-case hexadecimal; `None` is Java's `null`.
pub fn key_to_hex(key: Option<&[JavaObject]>) -> String {
    hex::encode(write::array(key))
}

/// Reads what [`key_to_hex`] or the JVM wrote.
///
/// # Errors
/// What cannot be read: text that is no serialized array, or the name of a class that is not known here.
pub fn key_from_hex(text: &str) -> Result<Option<RowKey>, String> {
    let bytes = hex::decode(text).map_err(|error| format!("not hexadecimal: {error}"))?;
    read::array(&bytes)
}

impl JavaObject {
    /// The value as SQL text; `None` for null.
    pub fn to_text(&self) -> Option<String> {
        Some(match self {
            JavaObject::Null => return None,
            JavaObject::Boolean(b) => b.to_string(),
            JavaObject::Short(n) => n.to_string(),
            JavaObject::Integer(n) => n.to_string(),
            JavaObject::Long(n) => n.to_string(),
            JavaObject::Float(n) => n.to_string(),
            JavaObject::Double(n) => n.to_string(),
            JavaObject::Text(text) => text.clone(),
            JavaObject::Bytes(bytes) => format!("\\x{}", hex::encode(bytes)),
            JavaObject::Decimal(unscaled, scale) => decimal_text(unscaled, *scale),
            JavaObject::Integral(n) => n.to_string(),
            JavaObject::Uuid(bits) => uuid::Uuid::from_u128(*bits).to_string(),
        })
    }
}

fn decimal_text(unscaled: &BigInt, scale: i32) -> String {
    let digits = unscaled.magnitude().to_string();
    let sign = if unscaled.sign() == num_bigint::Sign::Minus { "-" } else { "" };
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{digits}"),
        Ok(scale) => {
            let digits = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{digits}E{}", scale.unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key and what `ObjectOutputStream` of OpenJDK 17 writes for it.
    fn rows() -> Vec<(RowKey, &'static str)> {
        use JavaObject::{Boolean, Bytes, Decimal, Double, Float, Integer, Long, Null, Short, Text, Uuid};
        let big = |text: &str| text.parse::<BigInt>().expect("a number");
        vec![
            (
                vec![Integer(7)],
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000007",
            ),
            (
                vec![Integer(1000), Integer(2000)],
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000002737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870000003e87371007e0002000007d0",
            ),
            (
                vec![Long(5_000_000_000), Short(3), Boolean(true), Text("n\u{e4}\0\u{1f600}".to_owned())],
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870000000047372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870000000012a05f2007372000f6a6176612e6c616e672e53686f7274684d37133460da5202000153000576616c75657871007e00030003737200116a6176612e6c616e672e426f6f6c65616ecd207280d59cfaee0200015a000576616c756578700174000b6ec3a4c080eda0bdedb880",
            ),
            (
                vec![Uuid(0x0708_644d_a408_458f_beb1_bca1_e620_ceb3)],
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c0200007870000000017372000e6a6176612e7574696c2e55554944bc9903f7986d852f0200024a000c6c65617374536967426974734a000b6d6f7374536967426974737870beb1bca1e620ceb30708644da408458f",
            ),
            (
                vec![Decimal(big("-1234567890123456789012"), 2), Decimal(big("5"), 1)],
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000002737200146a6176612e6d6174682e426967446563696d616c54c71557f981284f0300024900057363616c654c0006696e7456616c7400164c6a6176612f6d6174682f426967496e74656765723b787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b020000787000000002737200146a6176612e6d6174682e426967496e74656765728cfc9f1fa93bfb1d030006490008626974436f756e744900096269744c656e67746849001366697273744e6f6e7a65726f427974654e756d49000c6c6f776573745365744269744900067369676e756d5b00096d61676e69747564657400025b427871007e0004fffffffffffffffffffffffefffffffeffffffff757200025b42acf317f8060854e002000078700000000942ed123b0bd8203a1478787371007e0002000000017371007e0006fffffffffffffffffffffffefffffffe000000017571007e000900000001057878",
            ),
            (
                vec![Bytes(vec![1, 2, 255]), Null, Double(1.5), Float(2.5)],
                "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000004757200025b42acf317f8060854e00200007870000000030102ff70737200106a6176612e6c616e672e446f75626c6580b3c24a296bfb0402000144000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078703ff80000000000007372000f6a6176612e6c616e672e466c6f6174daedc9a2db3cf0ec02000146000576616c75657871007e000540200000",
            ),
        ]
    }

    #[test]
    fn keys_are_written_and_read_as_the_jvm_does() {
        for (key, hex) in rows() {
            assert_eq!(key_to_hex(Some(&key)), hex, "{key:?}");
            assert_eq!(key_from_hex(hex), Ok(Some(key)));
        }
        assert_eq!(key_to_hex(None), "aced000570");
        assert_eq!(key_from_hex("aced000570"), Ok(None));
    }

    #[test]
    fn an_object_met_twice_is_read_twice() {
        // `new Object[]{7, 7}`: the JVM has one Integer for both.
        let shared = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000002737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078700000000771007e0004";
        assert_eq!(key_from_hex(shared), Ok(Some(vec![JavaObject::Integer(7), JavaObject::Integer(7)])));
    }

    #[test]
    fn other_classes_are_named_and_bytes_cut_short_are_errors() {
        let timestamp = "aced0005757200135b4c6a6176612e6c616e672e4f626a6563743b90ce589f1073296c020000787000000001737200126a6176612e73716c2e54696d657374616d702618d5c80153bf650200014900056e616e6f737872000e6a6176612e7574696c2e44617465686a81014b5974190300007870770800000000000000007800000000";
        assert_eq!(key_from_hex(timestamp), Err("objects of the class java.sql.Timestamp".to_owned()));
        for (_, hex) in rows() {
            for end in 0..hex.len() / 2 {
                assert!(key_from_hex(&hex[..2 * end]).is_err(), "{end} bytes of {hex}");
            }
        }
    }

    #[test]
    fn texts_are_what_sql_reads() {
        let big = |text: &str| text.parse::<BigInt>().expect("a number");
        let rows = [
            (JavaObject::Decimal(big("-5"), 3), "-0.005"),
            (JavaObject::Decimal(big("1205"), 2), "12.05"),
            (JavaObject::Decimal(big("7"), -2), "7E2"),
            (JavaObject::Bytes(vec![0, 255]), "\\x00ff"),
            (JavaObject::Uuid(1), "00000000-0000-0000-0000-000000000001"),
        ];
        for (object, want) in rows {
            assert_eq!(object.to_text().as_deref(), Some(want));
        }
    }
}
