use couplet_api::config_def;

config_def! {
    /// Settings of the Protobuf converter's data mapping.
    pub(super) struct ProtobufDataConfig {
        /// Whether enums and unions are mapped as other schema formats map them.
        generalized_sum_type_support: Bool = "generalized.sum.type.support", Medium, default "false";
        /// Whether a null stays null although its schema has a default.
        ignore_default_for_nullables: Bool = "ignore.default.for.nullables", Medium, default "false";
        /// How many converted schemas are remembered in each direction.
        schemas_cache_size: Int = "schemas.cache.config", Low, default "1000";
        /// Whether schema names keep the package of their message or enum.
        enhanced_schema_support: Bool = "enhanced.protobuf.schema.support", Medium, default "false";
        /// Whether invalid characters in names are replaced by valid ones.
        scrub_invalid_names: Bool = "scrub.invalid.names", Medium, default "false";
        /// Whether enums are integers instead of text.
        int_for_enums: Bool = "int.for.enums", Medium, default "false";
        /// Whether nullable fields have the label `optional`.
        optional_for_nullables: Bool = "optional.for.nullables", Medium, default "false";
        /// Whether optional fields of proto2 files can be null.
        optional_for_proto2: Bool = "optional.for.proto2", Medium, default "true";
        /// Whether nullable fields are wrapper messages.
        wrapper_for_nullables: Bool = "wrapper.for.nullables", Medium, default "false";
        /// Whether a whole record that is a wrapper message is its value.
        wrapper_for_raw_primitives: Bool = "wrapper.for.raw.primitives", Medium, default "true";
        /// Whether an absent message is a struct of defaults instead of null.
        generate_struct_for_nulls: Bool = "generate.struct.for.nulls", Medium, default "false";
        /// Whether the field of a union has the place of its oneof in its name.
        generate_index_for_unions: Bool = "generate.index.for.unions", Low, default "true";
        /// Whether the members of a oneof are fields of the message itself.
        flatten_unions: Bool = "flatten.unions", Low, default "false";
    }
}
