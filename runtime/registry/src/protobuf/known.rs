use prost_reflect::DescriptorPool;
use prost_reflect::prost_types::FileDescriptorProto;

use super::parse;

/// Files that schemas may import without a reference, beside `google/protobuf/*`, each behind those that it imports.
///
/// Source: the list of known types in Confluent's `ProtobufSchema`.
const FILES: [(&str, &str); 19] = [
    (META, include_str!("known/meta.proto")),
    ("confluent/type/decimal.proto", include_str!("known/decimal.proto")),
    ("confluent/type/variant.proto", include_str!("known/variant.proto")),
    ("google/type/calendar_period.proto", include_str!("known/google/calendar_period.proto")),
    ("google/type/color.proto", include_str!("known/google/color.proto")),
    ("google/type/date.proto", include_str!("known/google/date.proto")),
    ("google/type/datetime.proto", include_str!("known/google/datetime.proto")),
    ("google/type/dayofweek.proto", include_str!("known/google/dayofweek.proto")),
    ("google/type/decimal.proto", include_str!("known/google/decimal.proto")),
    ("google/type/expr.proto", include_str!("known/google/expr.proto")),
    ("google/type/fraction.proto", include_str!("known/google/fraction.proto")),
    ("google/type/interval.proto", include_str!("known/google/interval.proto")),
    ("google/type/latlng.proto", include_str!("known/google/latlng.proto")),
    ("google/type/money.proto", include_str!("known/google/money.proto")),
    ("google/type/month.proto", include_str!("known/google/month.proto")),
    ("google/type/phone_number.proto", include_str!("known/google/phone_number.proto")),
    ("google/type/postal_address.proto", include_str!("known/google/postal_address.proto")),
    ("google/type/quaternion.proto", include_str!("known/google/quaternion.proto")),
    ("google/type/timeofday.proto", include_str!("known/google/timeofday.proto")),
];

/// The file that declares the options `(confluent.field_meta)` and so on.
pub(super) const META: &str = "confluent/meta.proto";

/// A known file.
pub(super) fn file(name: &str) -> Option<FileDescriptorProto> {
    static POOL: std::sync::LazyLock<DescriptorPool> = std::sync::LazyLock::new(|| {
        let mut pool = DescriptorPool::global();
        for (name, text) in FILES {
            // The files are part of the program; a test parses them all.
            let Ok(file) = parse::file(name, text) else { continue };
            let _ = pool.add_file_descriptor_proto(file);
        }
        pool
    });
    POOL.get_file_by_name(name).map(|file| file.file_descriptor_proto().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_known_files_are_valid() {
        for (name, _) in FILES {
            assert!(file(name).is_some(), "{name}");
        }
        assert!(file("google/protobuf/wrappers.proto").is_some());
    }
}
