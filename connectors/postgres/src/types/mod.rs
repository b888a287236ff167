//! Types: what the catalogue says about them ([`TypeRegistry`]), which Connect schema a column gets ([`ColumnType`]),
//! and how the text of a value becomes a Connect value ([`Decoder`]).
//!
//! Values are read from PostgreSQL's text form, which pgoutput and `COPY … TO` share. Where Debezium's snapshot and
//! stream differ ([`Phase`]), so do these decoders.

mod array;
mod binary;
mod catalogue;
mod column;
mod decoder;
mod defaults;
mod geometry;
mod hstore;
mod interval;
mod length;
mod number;
mod temporal;

pub(crate) use catalogue::{PgType, TypeRegistry};
pub(crate) use column::ColumnType;
pub(crate) use decoder::{Decoder, Phase};
pub(crate) use defaults::default_value;
pub(crate) use length::{length_and_scale, relation_length_and_scale};

/// Object ids of built-in types.
pub(crate) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const CHAR: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const XML: u32 = 142;
    pub(crate) const POINT: u32 = 600;
    pub(crate) const LSEG: u32 = 601;
    pub(crate) const PATH: u32 = 602;
    pub(crate) const BOX: u32 = 603;
    pub(crate) const POLYGON: u32 = 604;
    pub(crate) const LINE: u32 = 628;
    pub(crate) const CIDR: u32 = 650;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const CIRCLE: u32 = 718;
    pub(crate) const MACADDR8: u32 = 774;
    pub(crate) const MONEY: u32 = 790;
    pub(crate) const MACADDR: u32 = 829;
    pub(crate) const INET: u32 = 869;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const INTERVAL: u32 = 1186;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const BIT: u32 = 1560;
    pub(crate) const VARBIT: u32 = 1562;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const REFCURSOR: u32 = 1790;
    pub(crate) const UUID: u32 = 2950;
    pub(crate) const TSVECTOR: u32 = 3614;
    pub(crate) const JSONB: u32 = 3802;
    pub(crate) const INT4RANGE: u32 = 3904;
    pub(crate) const NUMRANGE: u32 = 3906;
    pub(crate) const TSRANGE: u32 = 3908;
    pub(crate) const TSTZRANGE: u32 = 3910;
    pub(crate) const DATERANGE: u32 = 3912;
    pub(crate) const INT8RANGE: u32 = 3926;
}
