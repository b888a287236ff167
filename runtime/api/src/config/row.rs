//! The types a `config_def!` row can have, and the Rust types its fields get.

use super::{ConfigType, Password, Setting};

/// A type of row: the setting's type and the field's.
pub trait RowType {
    /// Type of the struct field.
    type Field;
    /// Type of the setting.
    const KIND: ConfigType;

    /// The field of a setting that passed validation; `None` for null.
    fn field(setting: Setting) -> Option<Self::Field>;
}

macro_rules! row_types {
    ($($(#[$doc:meta])* $name:ident: $field:ty = $kind:ident, $pattern:pat => $value:expr;)*) => {$(
        $(#[$doc])*
        pub enum $name {}

        impl RowType for $name {
            type Field = $field;
            const KIND: ConfigType = ConfigType::$kind;

            fn field(setting: Setting) -> Option<$field> {
                match setting {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    )*};
}

row_types! {
    /// Text.
    Str: String = String, Setting::Str(text) => Some(text);
    /// Class name.
    Class: String = Class, Setting::Str(text) => Some(text);
    /// `true` or `false`.
    Bool: bool = Boolean, Setting::Bool(b) => Some(b);
    /// 32-bit integer.
    Int: i32 = Int, Setting::Int(n) => i32::try_from(n).ok();
    /// 16-bit integer.
    Short: i16 = Short, Setting::Int(n) => i16::try_from(n).ok();
    /// 64-bit integer.
    Long: i64 = Long, Setting::Int(n) => Some(n);
    /// Double.
    Double: f64 = Double, Setting::Double(d) => Some(d);
    /// Comma-separated texts.
    List: Vec<String> = List, Setting::List(items) => Some(items);
    /// Secret.
    Secret: Password = Password, Setting::Password(p) => Some(p);
}
