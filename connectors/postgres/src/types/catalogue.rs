//! The types of the database, read from its catalogue once and completed when an unknown one is met.

use std::collections::HashMap;
use std::sync::Arc;

use couplet_api::Result;

use crate::wire::Sql;

/// One type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PgType {
    /// Object id.
    pub(crate) oid: u32,
    /// Name without schema.
    pub(crate) name: Arc<str>,
    /// Element type of an array.
    pub(crate) element: Option<u32>,
    /// Base type of a domain.
    pub(crate) base: Option<u32>,
    /// Modifier a domain puts on its base type; -1: none.
    pub(crate) modifier: i32,
    /// Labels of an enum, comma-separated, in the order they were made.
    pub(crate) labels: Option<String>,
}

/// All known types by object id.
#[derive(Debug, Default)]
pub(crate) struct TypeRegistry {
    types: HashMap<u32, Arc<PgType>>,
}

const QUERY: &str = "SELECT t.oid, t.typname, t.typelem, t.typbasetype, t.typtypmod, t.typcategory::text, \
     (SELECT string_agg(e.enumlabel, ',' ORDER BY e.oid) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid) \
     FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE n.nspname <> 'pg_toast'";

impl TypeRegistry {
    /// Reads all types.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn load(sql: &Sql) -> Result<Self> {
        let mut registry = TypeRegistry::default();
        registry.add_from(sql, QUERY).await?;
        Ok(registry)
    }

    /// Reads the types among `oids` that are not known yet, with their bases and elements.
    ///
    /// # Errors
    /// As the server says.
    pub(crate) async fn complete(&mut self, sql: &Sql, oids: &[u32]) -> Result<()> {
        if oids.iter().any(|oid| !self.types.contains_key(oid)) {
            // A new type seldom comes alone (its array, its base), so everything is read again, old entries kept.
            self.add_from(sql, QUERY).await?;
        }
        Ok(())
    }

    async fn add_from(&mut self, sql: &Sql, query: &str) -> Result<()> {
        for row in sql.query(query, &[]).await? {
            let (oid, element, base): (u32, u32, u32) = (row.get(0), row.get(2), row.get(3));
            let category: String = row.get(5);
            self.types.entry(oid).or_insert_with(|| {
                Arc::new(PgType {
                    oid,
                    name: row.get::<_, &str>(1).into(),
                    element: (category == "A" && element != 0).then_some(element),
                    base: (base != 0).then_some(base),
                    modifier: row.get(4),
                    labels: row.get(6),
                })
            });
        }
        Ok(())
    }

    /// The type `oid`; an unknown one is treated as a type nothing is known of.
    pub(crate) fn get(&self, oid: u32) -> Arc<PgType> {
        self.types.get(&oid).cloned().unwrap_or_else(|| {
            Arc::new(PgType { oid, name: "unknown".into(), element: None, base: None, modifier: -1, labels: None })
        })
    }

    /// What a domain is in the end; other types are their own root.
    pub(crate) fn root(&self, oid: u32) -> Arc<PgType> {
        let mut current = self.get(oid);
        while let Some(base) = current.base {
            current = self.get(base);
        }
        current
    }

    /// A registry of the given types, for tests.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of(types: impl IntoIterator<Item = PgType>) -> Self {
        TypeRegistry { types: types.into_iter().map(|t| (t.oid, Arc::new(t))).collect() }
    }
}
