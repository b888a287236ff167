use std::fmt::Write as _;

use couplet_api::data::{SinkRecord, Type, Value};
use couplet_api::{Error, Result};

use super::nested::{schema_at, value_at};
use super::unplaced;

/// One directory per field: `color=red/size=5`. Values are not escaped.
#[derive(Debug, Clone)]
pub struct FieldPartitioner {
    fields: Vec<String>,
    delim: String,
}

impl FieldPartitioner {
    /// By `fields`, in order; a nested field is named by its path with dots.
    pub fn new(fields: Vec<String>, delim: impl Into<String>) -> Self {
        FieldPartitioner { fields, delim: delim.into() }
    }

    /// Appends the directories of `record`.
    ///
    /// # Errors
    /// `Kind::Data`: a field is not in the schema, or the value is no struct (`PartitionException`).
    pub fn encode(&self, record: &SinkRecord, out: &mut String) -> Result<()> {
        let value = &record.record.value;
        let (Value::Struct(_), Some(schema)) = (&value.value, &value.schema) else {
            return Err(unplaced("Error encoding partition."));
        };
        for (at, path) in self.fields.iter().enumerate() {
            if at > 0 {
                out.push_str(&self.delim);
            }
            let field = schema_at(schema, path)
                .ok_or_else(|| Error::data(format!("Field '{path}' is not present in the schema.")))?;
            out.push_str(path);
            out.push('=');
            let Ok(key) = value_at(&value.value, path) else {
                out.push_str("null");
                continue;
            };
            let written = match (field.schema().kind(), key) {
                (Type::Int8 | Type::Int16 | Type::Int32 | Type::Int64, _) => key.as_i64().map(|n| write!(out, "{n}")),
                (Type::String, Value::Str(text)) => Some(out.write_str(text)),
                (Type::Boolean, Value::Bool(b)) => Some(write!(out, "{b}")),
                _ => None,
            };
            if written.is_none() {
                return Err(unplaced("Error encoding partition."));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use couplet_api::data::{Datum, Schema, SchemaBuilder, Struct};

    use super::*;
    use crate::partition::partitioner::tests::record;

    fn row() -> Datum {
        let inner = SchemaBuilder::structure().field("x", Schema::optional_string()).build();
        let schema = SchemaBuilder::structure()
            .field("n", Schema::int32())
            .field("b", Schema::boolean())
            .field("s", SchemaBuilder::new(Type::String).optional().default("dflt").build())
            .field("inner", inner.clone())
            .field("bytes", Schema::bytes())
            .build();
        let inner = Struct::new(inner, vec![Value::str("deep/er")]);
        let bytes = Value::Bytes(bytes::Bytes::from_static(b"x"));
        let row =
            Struct::new(schema.clone(), vec![Value::Int32(5), Value::Bool(true), Value::Null, inner.into(), bytes]);
        Datum::new(schema, row)
    }

    #[test]
    fn fields_become_directories() {
        let rows: [(&[&str], Result<&str, &str>); 6] = [
            (&["n", "b"], Ok("n=5/b=true")),
            (&["inner.x"], Ok("inner.x=deep/er")),
            (&["s"], Ok("s=dflt")),
            (&["zzz"], Err("Field 'zzz' is not present in the schema.")),
            (&["inner.y"], Err("Field 'inner.y' is not present in the schema.")),
            (&["bytes"], Err("Error encoding partition.")),
        ];
        for (fields, want) in rows {
            let partitioner = FieldPartitioner::new(fields.iter().map(|f| (*f).to_owned()).collect(), "/");
            let mut out = String::new();
            let got = partitioner.encode(&record(row()), &mut out);
            let got = got.as_ref().map(|()| out.as_str()).map_err(Error::message);
            assert_eq!(got, want, "{fields:?}");
        }
    }

    #[test]
    fn an_absent_value_is_null_and_a_map_has_no_directory() {
        let schema = SchemaBuilder::structure().field("s", Schema::optional_string()).build();
        let partitioner = FieldPartitioner::new(vec!["s".to_owned()], "/");
        let mut out = String::new();
        let empty = Struct::empty(schema.clone());
        partitioner.encode(&record(Datum::new(schema, empty)), &mut out).expect("a null field has a directory");
        assert_eq!(out, "s=null");
        let map = Value::Map(vec![(Value::str("s"), Value::str("x"))].into());
        let error = partitioner.encode(&record(Datum::schemaless(map)), &mut out).expect_err("no schema");
        assert!(super::super::is_unplaced(&error));
    }
}
