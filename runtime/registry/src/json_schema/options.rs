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

impl JsonSchemaDataConfig {
    /// Whether decimals are JSON numbers.
    pub(super) fn numeric_decimals(&self) -> bool {
        self.decimal_format.eq_ignore_ascii_case("NUMERIC")
    }
}
