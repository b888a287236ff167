//! Values: what a column's schema is, and how its values are read from the log, from a snapshot's text, and from the
//! default of a table's definition. Pure.

mod charset;
mod column;
mod convert;
mod custom;
mod defaults;
mod native;
mod temporal;
mod text;

pub(crate) use column::{ColumnType, Kind};
pub(crate) use convert::Phase;
pub(crate) use custom::CustomConverters;
pub(crate) use defaults::default_value;
pub(crate) use text::cell_of_text;
