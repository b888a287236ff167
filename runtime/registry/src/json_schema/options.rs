use couplet_api::config::one_of_ignore_case;
use couplet_api::config_def;

config_def! {
    /// Settings of the JSON Schema converter's data mapping.
    pub(super) struct JsonSchemaDataConfig {
        /// Whether enums and unions are mapped as other schema formats map them.
        generalized_sum_type_support: Bool = "generalized.sum.type.support", Medium, default "false";
        /// Whether a null stays null although its schema has a default.
        ignore_default_for_nullables: Bool = "ignore.default.for.nullables", Medium, default "false";
        /// How many converted schemas are remembered in each direction.
        schemas_cache_size: Int = "schemas.cache.config", Low, default "1000";
        /// Whether objects may have properties that their schema does not name.
        object_additional_properties: Bool = "object.additional.properties", Medium, default "true";
        /// Whether properties that are not required are optional.
        use_optional_for_nonrequired: Bool = "use.optional.for.nonrequired", Medium, default "false";
        /// Whether drafts after 7 are read as draft 7.
        ignore_modern_dialects: Bool = "ignore.modern.dialects", Low, default "false";
        /// How decimals are written: NUMERIC as JSON numbers, BASE64 as the bytes of the unscaled value.
        decimal_format: Str = "decimal.format", Low, default "BASE64", one_of_ignore_case(&["BASE64", "NUMERIC"]);
        /// Whether a choice of one schema is that schema.
        flatten_singleton_unions: Bool = "flatten.singleton.unions", Low, default "true";
    }
}

config_def! {
    /// Settings of Confluent's JSON Schema serializer. Those without an effect here have none in the original's converter
    /// either: they are about Java classes that are written and read.
    pub(super) struct SerializerConfig {
        /// Whether values that do not satisfy their schema are refused.
        fail_invalid_schema: Bool = "json.fail.invalid.schema", Medium, default "false";
        /// Whether messages are indented.
        indent_output: Bool = "json.indent.output", Low, default "false";
        /// About Java classes: unknown properties.
        _fail_unknown_properties: Bool = "json.fail.unknown.properties", Low, default "true";
        /// About Java classes: their nullable fields.
        _oneof_for_nullables: Bool = "json.oneof.for.nullables", Medium, default "true";
        /// About Java classes: the draft of their schemas.
        _spec_version: Str = "json.schema.spec.version", Medium, default "draft_7",
            one_of_ignore_case(&["draft_4", "draft_6", "draft_7", "draft_2019_09", "draft_2020_12"]);
        /// About Java classes: their dates.
        _write_dates_iso8601: Bool = "json.write.dates.iso8601", Medium, default "false";
        /// Whether properties without a schema are kept. They are not.
        _preserve_additional: Bool = "preserve.additional.properties", Medium, default "false", never();
    }
}

fn never() -> couplet_api::config::Validator {
    couplet_api::config::with(|setting| match setting.to_text().as_deref() {
        Some("true") => {
            Err("properties without a schema cannot be kept; name them in the schema, or remove the key".to_owned())
        }
        _ => Ok(()),
    })
}

impl JsonSchemaDataConfig {
    /// Whether decimals are JSON numbers.
    pub(super) fn numeric_decimals(&self) -> bool {
        self.decimal_format.eq_ignore_ascii_case("NUMERIC")
    }
}
