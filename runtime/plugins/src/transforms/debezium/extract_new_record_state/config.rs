use couplet_api::config::{Setting, Validator, with};
use couplet_api::config_def;

config_def! {
    /// Settings of ExtractNewRecordState.
    pub(super) struct ExtractNewRecordStateConfig {
        /// What becomes of deletes and the tombstones behind them. drop: neither is kept. tombstone: one record with a
        /// null value. rewrite: the last state of the row with a field __deleted, no tombstone. rewrite-with-tombstone:
        /// both. delete-to-tombstone: one tombstone without a schema.
        handling: Str = "delete.tombstone.handling.mode", Medium, default "tombstone", handling_mode()
            => { order: 1, width: Medium, display: "Handle delete and tombstone records" };
        /// The field whose value becomes the topic.
        route_by_field: Str = "route.by.field", Low, default ""
            => { order: 1, width: Long, display: "Route by field name" };
        /// What the names of added fields begin with.
        add_fields_prefix: Str = "add.fields.prefix", Low, default "__"
            => { order: 1, width: Short, display: "Field prefix to be added to each field." };
        /// Fields of the change event to add to the row: op, ts_ms, source.table, transaction.id and so on. A new name may
        /// follow a colon.
        add_fields: List = "add.fields", Low, default ""
            => { order: 1, width: Long, display: "Adds the specified field(s) to the message if they exist." };
        /// What the names of added headers begin with.
        add_headers_prefix: Str = "add.headers.prefix", Low, default "__"
            => { order: 1, width: Short, display: "Header prefix to be added to each header." };
        /// Fields of the change event to add as headers, written as in add.fields.
        add_headers: List = "add.headers", Low, default ""
            => { order: 1, width: Long, display: "Adds the specified fields to the header if they exist." };
        /// Name of a header that lists fields to leave out of the row.
        drop_fields_header_name: Str = "drop.fields.header.name", Low, optional
            => { order: 1, width: Short, display: "Specifies a header that contains a list of field names to be removed" };
        /// Whether these fields are left out of the key too.
        drop_fields_from_key: Bool = "drop.fields.from.key", Low, default "false"
            => { order: 1, width: Short, display: "Specifies whether the fields to be dropped should also be omitted from the key" };
        /// Whether only optional fields are left out, so that readers of the old schema can read on.
        drop_fields_keep_schema_compatible: Bool = "drop.fields.keep.schema.compatible", Low, default "true"
            => { order: 1, width: Short, display: "Specifies if fields are dropped, will the event's schemas be compatible" };
        /// Whether nulls are replaced by the defaults of their columns when deletes are rewritten.
        replace_null_with_default: Bool = "replace.null.with.default", Low, default "true"
            => { internal: true };
    }
}

/// What becomes of deletes and tombstones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handling {
    Drop,
    Tombstone,
    Rewrite,
    RewriteWithTombstone,
    DeleteToTombstone,
}

const HANDLINGS: [(&str, Handling); 5] = [
    ("drop", Handling::Drop),
    ("tombstone", Handling::Tombstone),
    ("rewrite", Handling::Rewrite),
    ("rewrite-with-tombstone", Handling::RewriteWithTombstone),
    ("delete-to-tombstone", Handling::DeleteToTombstone),
];

impl Handling {
    /// The mode called `name`, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        HANDLINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim())).map(|(_, mode)| *mode)
    }
}

fn handling_mode() -> Validator {
    with(|setting| match setting {
        Setting::Str(name) if Handling::named(name).is_some() => Ok(()),
        _ => {
            let names: Vec<&str> = HANDLINGS.iter().map(|(name, _)| *name).collect();
            Err(format!("Value must be one of {}", names.join(", ")))
        }
    })
}
