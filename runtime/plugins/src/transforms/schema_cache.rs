use std::sync::{Mutex, PoisonError};

use couplet_api::Result;
use couplet_api::data::SchemaRef;

use crate::json::Recent;

/// How many schemas a transform remembers.
const SCHEMAS_MAX: usize = 16;

/// What a transform makes of the schemas it met, told apart by pointer: the same schema in gives the same schema out.
#[derive(Debug)]
pub(super) struct SchemaCache<V = SchemaRef>(Mutex<Recent<SchemaRef, V>>);

impl<V: Clone> SchemaCache<V> {
    /// An empty cache.
    pub(super) const fn new() -> Self {
        SchemaCache(Mutex::new(Recent::new(SCHEMAS_MAX)))
    }

    /// What was made of `schema`, made now if it was not.
    ///
    /// # Errors
    /// Those of `make`; nothing is remembered then.
    pub(super) fn get(&self, schema: &SchemaRef, make: impl FnOnce() -> Result<V>) -> Result<V> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A schema that was parsed anew for every record is equal, though not the same.
        let same = |key: &SchemaRef| std::sync::Arc::ptr_eq(key, schema);
        let found = lock().get(same);
        if let Some(found) = found.or_else(|| lock().get(|key| key == schema)) {
            return Ok(found);
        }
        let made = make()?;
        lock().put(schema.clone(), made.clone());
        Ok(made)
    }
}
