use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use couplet_api::Result;
use couplet_api::data::{Schema, SchemaRef};
use couplet_plugins::json::Recent;

/// What converters compile from schemas, remembered: plans for writing by schema and topic, plans for reading by id and topic.
pub(crate) struct Plans<W, P, K, R> {
    /// Plans by schema.
    written: Mutex<Recent<SchemaRef, Arc<W>>>,
    /// Plans with what stands in front of a message, by schema and topic.
    ready: Mutex<ByTopic<SchemaRef, (Arc<W>, P)>>,
    read: Mutex<ByTopic<K, Arc<R>>>,
}

/// Things by a key and a topic.
type ByTopic<K, T> = Recent<(K, Box<str>), Kept<T>>;

/// Something, and until when it is good.
#[derive(Clone)]
struct Kept<T> {
    what: T,
    until: Option<Instant>,
}

impl<T> Kept<T> {
    fn fresh(self) -> Option<T> {
        let stale = self.until.is_some_and(|until| Instant::now() >= until);
        (!stale).then_some(self.what)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W, P: Clone, K: PartialEq + Clone, R> Plans<W, P, K, R> {
    /// Remembers `size_max` plans of each kind, at least one.
    pub(crate) fn new(size_max: i32) -> Self {
        let size_max = usize::try_from(size_max).unwrap_or_default().max(1);
        Plans {
            written: Mutex::new(Recent::new(size_max)),
            ready: Mutex::new(Recent::new(size_max)),
            read: Mutex::new(Recent::new(size_max)),
        }
    }

    /// The plan for `schema` and what stands in front of messages of `topic`. `compile` makes the one, `register` the
    /// other, which is good until `until`.
    pub(crate) fn writing(
        &self,
        schema: &SchemaRef,
        topic: &str,
        compile: impl FnOnce() -> Result<W>,
        register: impl FnOnce(&W) -> Result<P>,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Result<(Arc<W>, P)> {
        let found = lock(&self.ready).get(|(known, on)| Arc::ptr_eq(known, schema) && **on == *topic);
        if let Some(ready) = found.and_then(Kept::fresh) {
            return Ok(ready);
        }
        let known = lock(&self.written).get(|known| Schema::same(known, schema));
        let plan = match known {
            Some(plan) => plan,
            None => {
                let plan = Arc::new(compile()?);
                lock(&self.written).put(schema.clone(), plan.clone());
                plan
            }
        };
        let until = until();
        let what = (plan.clone(), register(&plan)?);
        lock(&self.ready).put((schema.clone(), Box::from(topic)), Kept { what: what.clone(), until });
        Ok(what)
    }

    /// The plan for messages of `topic` with `key`, which `compile` makes; it is good until `until`.
    pub(crate) fn reading(
        &self,
        key: &K,
        topic: &str,
        compile: impl FnOnce() -> Result<R>,
        until: impl FnOnce() -> Option<Instant>,
    ) -> Result<Arc<R>> {
        let found = lock(&self.read).get(|(known, on)| known == key && **on == *topic);
        if let Some(plan) = found.and_then(Kept::fresh) {
            return Ok(plan);
        }
        let until = until();
        let plan = Arc::new(compile()?);
        lock(&self.read).put((key.clone(), Box::from(topic)), Kept { what: plan.clone(), until });
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn plans_are_made_once_until_they_are_stale() {
        let plans: Plans<u32, u32, i32, u32> = Plans::new(2);
        let schema = Schema::int32();
        let write = |compiled, registered, topic| {
            plans
                .writing(&schema, topic, || Ok(compiled), |_| Ok(registered), || None)
                .map(|(w, p)| (*w, p))
                .expect("plan")
        };
        assert_eq!(write(1, 10, "a"), (1, 10));
        assert_eq!(write(2, 20, "a"), (1, 10));
        assert_eq!(write(3, 30, "b"), (1, 30));
        let equal = schema.to_builder().build();
        let again = plans.writing(&equal, "a", || Ok(9), |_| Ok(90), || None).expect("plan");
        assert_eq!((*again.0, again.1), (1, 90));
        let past = Instant::now().checked_sub(Duration::from_secs(1));
        for want in [1, 2] {
            assert_eq!(*plans.reading(&7, "a", || Ok(want), || past).expect("plan"), want);
        }
        assert_eq!(*plans.reading(&7, "b", || Ok(3), || None).expect("plan"), 3);
        assert_eq!(*plans.reading(&7, "b", || Ok(4), || None).expect("plan"), 3);
    }
}
