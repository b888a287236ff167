//! Settings: what keys there are ([`ConfigDef`]), how text becomes values, and what is wrong with it.
//!
//! Follows `org.apache.kafka.common.config.ConfigDef`: same types, same trimming, same messages.

mod def;
mod key;
mod macros;
mod password;
mod props;
mod row;
mod validate;

pub use def::ConfigDef;
pub use key::{ConfigKey, ConfigType, ConfigValue, Default, Importance, Setting, Width};
pub use password::{HIDDEN, Password};
pub use props::Props;
pub use row::{Bool, Class, Double, Int, List, Long, RowType, Secret, Short, Str};
pub use validate::{
    Validator, at_least, between, class_name, non_empty, non_empty_without_control_chars, one_of, one_of_ignore_case,
    subset_of, with, with_message,
};
