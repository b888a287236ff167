/// A `.proto` file with one message, as it is derived from a Connect schema.
#[derive(Debug, Default)]
pub(super) struct FileDefinition {
    pub(super) package: Option<String>,
    pub(super) imports: Vec<&'static str>,
    pub(super) message: MessageDefinition,
}

/// A message with everything declared in it.
#[derive(Debug, Default)]
pub(super) struct MessageDefinition {
    pub(super) name: String,
    pub(super) fields: Vec<FieldDefinition>,
    pub(super) oneofs: Vec<String>,
    pub(super) messages: Vec<MessageDefinition>,
    pub(super) enums: Vec<EnumDefinition>,
}

/// What stands in front of a field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    None,
    Optional,
    Repeated,
}

/// A field.
#[derive(Debug)]
pub(super) struct FieldDefinition {
    pub(super) name: String,
    pub(super) number: i32,
    pub(super) type_name: String,
    pub(super) label: Label,
    /// Place of its oneof among the message's.
    pub(super) oneof: Option<usize>,
    /// Parameters of the option `confluent.field_meta`.
    pub(super) params: Vec<(&'static str, String)>,
}

/// An enum.
#[derive(Debug)]
pub(super) struct EnumDefinition {
    pub(super) name: String,
    pub(super) values: Vec<(String, i32)>,
}
