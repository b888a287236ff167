use couplet_api::config::Props;
use couplet_api::{Error, Result, config_def};

config_def! {
    /// Settings of Confluent's AvroConverter beside those of the registry.
    pub(super) struct AvroKeys {
        /// Whether enums and unions are kept in the form that converters of other formats share.
        generalized_sum_types: Bool = "generalized.sum.type.support", Medium, default "false";
        /// Whether null stays null where the schema has a default.
        ignore_default_for_nullables: Bool = "ignore.default.for.nullables", Medium, default "false";
        /// How many schemas the converter remembers in each direction.
        schemas_cache_size: Int = "schemas.cache.config", Low, default "1000";
        /// Whether enums are kept, and names of union members with their namespace.
        enhanced: Bool = "enhanced.avro.schema.support", Medium, default "false";
        /// Whether characters that Avro forbids in names are replaced.
        scrub_names: Bool = "scrub.invalid.names", Medium, default "false";
        /// Whether Connect's names, versions, parameters and defaults are added to Avro schemas, and read from them.
        meta_data: Bool = "connect.meta.data", Low, default "true";
        /// Whether documentation and defaults are kept on fields only.
        discard_type_doc_default: Bool = "discard.type.doc.default", Low, default "false";
        /// Whether maps with optional text keys become Avro maps.
        allow_optional_map_keys: Bool = "allow.optional.map.keys", Low, default "false";
        /// Whether a union of one type is read as that type.
        flatten_singleton_unions: Bool = "flatten.singleton.unions", Low, default "true";
        /// Whether bytes behind a value are an error.
        fail_on_trailing_data: Bool = "avro.fail.on.trailing.data", Low, default "false";
        /// Whether Java's logical types are used in between; makes no difference here.
        use_logical_type_converters: Bool = "avro.use.logical.type.converters", Low, default "false";
        /// Whether properties for Java's string classes are left out of schemas; they never are in them here.
        remove_java_properties: Bool = "avro.remove.java.properties", Low, default "false";
        /// Whether generated Java classes are read into; not possible here.
        specific_reader: Bool = "specific.avro.reader", Low, default "false";
    }
}

/// How schemas and data are mapped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options {
    pub(super) general: bool,
    pub(super) ignore_default: bool,
    pub(super) enhanced: bool,
    pub(super) scrubs: bool,
    pub(super) meta_data: bool,
    pub(super) discards: bool,
    pub(super) optional_map_keys: bool,
    pub(super) flattens: bool,
}

impl AvroKeys {
    /// Reads the settings.
    ///
    /// # Errors
    /// `Kind::Config`.
    pub(super) fn of(props: &Props) -> Result<Self> {
        let keys = AvroKeys::parse(props)?;
        match keys.specific_reader {
            true => Err(Error::config(
                "Invalid value true for configuration specific.avro.reader: generated Java classes cannot be loaded; remove it",
            )),
            false => Ok(keys),
        }
    }

    /// The part that mapping needs.
    pub(super) const fn options(&self) -> Options {
        Options {
            general: self.generalized_sum_types,
            ignore_default: self.ignore_default_for_nullables,
            enhanced: self.enhanced,
            scrubs: self.scrub_names,
            meta_data: self.meta_data,
            discards: self.discard_type_doc_default,
            optional_map_keys: self.allow_optional_map_keys,
            flattens: self.flatten_singleton_unions,
        }
    }
}
