//! The type codes of `java.sql.Types` that Debezium gives to columns.

/// `BIT`.
pub const BIT: i32 = -7;
/// `BIGINT`.
pub const BIGINT: i32 = -5;
/// `VARBINARY`.
pub const VARBINARY: i32 = -3;
/// `BINARY`.
pub const BINARY: i32 = -2;
/// `NCHAR`.
pub const NCHAR: i32 = -15;
/// `NVARCHAR`.
pub const NVARCHAR: i32 = -9;
/// `CHAR`, also of `ENUM` and `SET` columns.
pub const CHAR: i32 = 1;
/// `NUMERIC`.
pub const NUMERIC: i32 = 2;
/// `DECIMAL`.
pub const DECIMAL: i32 = 3;
/// `INTEGER`.
pub const INTEGER: i32 = 4;
/// `SMALLINT`, also of `TINYINT` columns.
pub const SMALLINT: i32 = 5;
/// `FLOAT`.
pub const FLOAT: i32 = 6;
/// `REAL`.
pub const REAL: i32 = 7;
/// `DOUBLE`.
pub const DOUBLE: i32 = 8;
/// `VARCHAR`, also of all text columns.
pub const VARCHAR: i32 = 12;
/// `BOOLEAN`.
pub const BOOLEAN: i32 = 16;
/// `DATE`.
pub const DATE: i32 = 91;
/// `TIME`.
pub const TIME: i32 = 92;
/// `TIMESTAMP`, of `DATETIME` columns.
pub const TIMESTAMP: i32 = 93;
/// `OTHER`: JSON, spatial types, `VECTOR`, `UUID`.
pub const OTHER: i32 = 1111;
/// `BLOB`.
pub const BLOB: i32 = 2004;
/// `TIMESTAMP_WITH_TIMEZONE`, of `TIMESTAMP` columns.
pub const TIMESTAMP_WITH_TIMEZONE: i32 = 2014;

/// Whether values of the type are text in some character set.
pub const fn uses_charset(code: i32) -> bool {
    matches!(code, CHAR | VARCHAR | NCHAR | NVARCHAR)
}
