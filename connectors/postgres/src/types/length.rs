//! Length and scale of columns as the JDBC driver computes them from a type and its modifier: Debezium builds schemas
//! from these numbers.

use super::{TypeRegistry, oid};

/// Length of types without a limit.
const UNSPECIFIED: i32 = i32::MAX;

/// Length and scale of a column read from the catalogue.
pub(crate) fn length_and_scale(types: &TypeRegistry, type_oid: u32, modifier: i32) -> (i32, i32) {
    let declared = types.get(type_oid);
    if declared.base.is_some() {
        return (default_length(types, type_oid), default_scale(types, type_oid));
    }
    let base = element_or_self(types, type_oid);
    (sized(base, modifier), scale(base, modifier))
}

/// Length and scale of a column of a relation message.
pub(crate) fn relation_length_and_scale(types: &TypeRegistry, type_oid: u32, modifier: i32) -> (i32, i32) {
    if modifier == -1 {
        return (default_length(types, type_oid), default_scale(types, type_oid));
    }
    let base = element_or_self(types, type_oid);
    (precision(base, modifier), scale(base, modifier))
}

fn default_length(types: &TypeRegistry, type_oid: u32) -> i32 {
    let declared = types.get(type_oid);
    let Some(base) = declared.base else { return sized(element_or_self(types, type_oid), declared.modifier) };
    if declared.modifier == -1 {
        return default_length(types, base);
    }
    match sized(element_or_self(types, base), declared.modifier) {
        0 | UNSPECIFIED => sized(element_or_self(types, type_oid), declared.modifier),
        size => size,
    }
}

fn default_scale(types: &TypeRegistry, type_oid: u32) -> i32 {
    let declared = types.get(type_oid);
    match declared.base {
        Some(base) if declared.modifier == -1 => default_scale(types, base),
        Some(base) => scale(element_or_self(types, base), declared.modifier),
        None => scale(element_or_self(types, type_oid), declared.modifier),
    }
}

fn element_or_self(types: &TypeRegistry, type_oid: u32) -> u32 {
    types.get(type_oid).element.unwrap_or(type_oid)
}

fn sized(type_oid: u32, modifier: i32) -> i32 {
    match precision(type_oid, modifier) {
        0 => display_size(type_oid, modifier),
        size => size,
    }
}

/// `TypeInfoCache.getPrecision`.
fn precision(type_oid: u32, modifier: i32) -> i32 {
    match type_oid {
        oid::INT2 => 5,
        oid::OID | oid::INT4 => 10,
        oid::INT8 => 19,
        oid::FLOAT4 => 8,
        oid::FLOAT8 => 17,
        oid::NUMERIC if modifier == -1 => 0,
        oid::NUMERIC => ((modifier - 4) >> 16) & 0xffff,
        oid::CHAR | oid::BOOL => 1,
        oid::BPCHAR | oid::VARCHAR if modifier == -1 => UNSPECIFIED,
        oid::BPCHAR | oid::VARCHAR => modifier - 4,
        oid::DATE | oid::TIME | oid::TIMETZ | oid::INTERVAL | oid::TIMESTAMP | oid::TIMESTAMPTZ => {
            display_size(type_oid, modifier)
        }
        oid::BIT if modifier == -1 => 1,
        oid::VARBIT if modifier == -1 => UNSPECIFIED,
        oid::BIT | oid::VARBIT => modifier,
        _ => UNSPECIFIED,
    }
}

/// `TypeInfoCache.getDisplaySize`.
fn display_size(type_oid: u32, modifier: i32) -> i32 {
    let fraction = match modifier {
        -1 => 7,
        0 => 0,
        1 => 3,
        digits => digits + 1,
    };
    match type_oid {
        oid::DATE => 13,
        oid::TIME => 8 + fraction,
        oid::TIMETZ => 8 + fraction + 6,
        oid::TIMESTAMP => 22 + fraction,
        oid::TIMESTAMPTZ => 22 + fraction + 6,
        oid::INTERVAL => 49,
        oid::NUMERIC => 131_089,
        _ => UNSPECIFIED,
    }
}

/// `TypeInfoCache.getScale`.
fn scale(type_oid: u32, modifier: i32) -> i32 {
    match type_oid {
        oid::FLOAT4 => 8,
        oid::FLOAT8 => 17,
        oid::NUMERIC if modifier == -1 => 0,
        oid::NUMERIC => (modifier - 4) & 0xffff,
        oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL if modifier == -1 => 6,
        oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ => modifier,
        oid::INTERVAL => modifier & 0xffff,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::PgType;

    fn simple(oid: u32, element: Option<u32>, base: Option<u32>, modifier: i32) -> PgType {
        PgType { oid, name: "t".into(), element, base, modifier, labels: None }
    }

    #[test]
    fn lengths_are_those_of_the_driver() {
        let types = TypeRegistry::of([
            simple(1007, Some(oid::INT4), None, -1),
            simple(9001, None, Some(oid::NUMERIC), ((8 << 16) | 2) + 4),
            simple(9002, None, Some(9001), -1),
        ]);
        let numeric = ((10 << 16) | 2) + 4;
        let rows = [
            ("int4", oid::INT4, -1, (10, 0)),
            ("int4[]", 1007, -1, (10, 0)),
            ("numeric", oid::NUMERIC, -1, (131_089, 0)),
            ("numeric(10,2)", oid::NUMERIC, numeric, (10, 2)),
            ("varchar(20)", oid::VARCHAR, 24, (20, 0)),
            ("text", oid::TEXT, -1, (i32::MAX, 0)),
            ("timestamp(3)", oid::TIMESTAMP, 3, (26, 3)),
            ("timestamptz", oid::TIMESTAMPTZ, -1, (35, 6)),
            ("time(2)", oid::TIME, 2, (11, 2)),
            ("bit(4)", oid::BIT, 4, (4, 0)),
            ("domain over numeric(8,2)", 9001, -1, (8, 2)),
            ("domain over that", 9002, -1, (8, 2)),
        ];
        for (name, type_oid, modifier, want) in rows {
            assert_eq!(length_and_scale(&types, type_oid, modifier), want, "{name}");
            assert_eq!(relation_length_and_scale(&types, type_oid, modifier), want, "{name} in a relation message");
        }
    }
}
