//! `DataLoader`: batches the look-ups of a request, so that the number of SQL statements does not depend on the number of rows.
//! Look-ups wait until no resolver can make progress; then those of each kind become one statement. No timer is involved.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    future::poll_fn,
    hash::Hash,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use async_graphql::{
    ContextBase,
    dataloader::{DataLoader, Loader},
    runtime::Timer,
};
use entity::query::Store;
use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
    task::{FutureObj, Spawn, SpawnError},
};
use quick_cache::sync::Cache;

use crate::{error::Error, graphql::fairness::FairnessGate};

/// The key of a look-up that can be batched.
pub trait LoaderKey: Clone + Eq + Hash + Send + Sync + 'static {
    /// What the look-up returns.
    type Value: Clone + Send + Sync + 'static;

    /// Looks up all keys, in one statement for each kind of query. Keys without a value are missing from the result.
    fn load(db: &Store, keys: &[Self]) -> impl Future<Output = Result<HashMap<Self, Self::Value>, Error>> + Send;
}

struct BatchLoader {
    store: Store,
    fairness: Option<FairnessGate>,
}

impl<K: LoaderKey> Loader<K> for BatchLoader {
    type Value = K::Value;
    type Error = Error;

    async fn load(&self, keys: &[K]) -> Result<HashMap<K, K::Value>, Error> {
        let load = K::load(&self.store, keys);
        match &self.fairness {
            Some(fairness) => fairness.read(load).await,
            None => load.await,
        }
    }
}

/// Batches that have been requested and not started. Implements [`Spawn`], so that the loaders of `async_graphql` hand them over.
#[derive(Clone, Default)]
pub struct BatchQueue(Arc<Mutex<Vec<FutureObj<'static, ()>>>>);

impl BatchQueue {
    fn take(&self) -> Vec<FutureObj<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Spawn for BatchQueue {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(future);
        Ok(())
    }
}

/// No delay is needed to fill a batch: [`Driver`] decides when batches start.
struct NoDelay;

impl Timer for NoDelay {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

/// The loaders of one request.
pub struct Loaders {
    store: Store,
    fairness: Option<FairnessGate>,
    queue: BatchQueue,
    by_kind: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Loaders {
    /// Creates loaders that read from `store`.
    pub fn new(store: Store) -> Self {
        Self { store, fairness: None, queue: BatchQueue::default(), by_kind: Mutex::default() }
    }

    /// Creates loaders for a subscription, whose statements share the connections fairly with those of others.
    pub fn with_fairness(store: Store, fairness: FairnessGate) -> Self {
        Self { fairness: Some(fairness), ..Self::new(store) }
    }

    fn loader<K: LoaderKey>(&self) -> Arc<DataLoader<BatchLoader>> {
        let mut by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = by_kind.entry(TypeId::of::<K>()).or_insert_with(|| {
            let source = BatchLoader { store: self.store.clone(), fairness: self.fairness.clone() };
            let loader = DataLoader::new(source, self.queue.clone(), NoDelay);
            Arc::new(loader.max_batch_size(usize::MAX))
        });
        match Arc::clone(loader).downcast::<DataLoader<BatchLoader>>() {
            Ok(loader) => loader,
            Err(_) => unreachable!("every kind has a loader of this one type"),
        }
    }

    /// Returns the value of `key`, if there is one.
    pub async fn load<K: LoaderKey>(&self, key: K) -> Result<Option<K::Value>, Error> {
        self.loader::<K>().load_one(key).await
    }

    /// Returns the values of `keys`. Keys without a value are missing.
    pub async fn load_many<K: LoaderKey>(&self, keys: Vec<K>) -> Result<HashMap<K, K::Value>, Error> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        self.loader::<K>().load_many(keys).await
    }

    /// Returns what runs the look-ups.
    pub fn driver(&self) -> Driver {
        Driver(self.queue.clone())
    }
}

/// Returns the loaders of the request.
pub fn loaders_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Loaders {
    ctx.data_unchecked::<Loaders>()
}

/// Runs a request together with its look-ups.
pub struct Driver(BatchQueue);

impl Driver {
    /// Runs `request`, and the batches whenever it cannot make progress without them.
    pub async fn drive<T>(&self, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        let mut running = FuturesUnordered::new();
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(answer) = request.as_mut().poll(cx) {
                    return Poll::Ready(answer);
                }
                running.extend(self.0.take());
                let mut finished = false;
                while let Poll::Ready(Some(())) = running.poll_next_unpin(cx) {
                    finished = true;
                }
                if !finished {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

/// Returns the values of `ids`, in their order: from `cache`, and those missing there in one statement. Only for values that never
/// change once stored.
///
/// # Errors
/// [`Code::DatabaseUnavailable`](crate::error::Code::DatabaseUnavailable) if an id has no value: its row was just deleted.
pub async fn load_cached<K: LoaderKey>(
    loaders: &Loaders,
    cache: &Cache<i64, K::Value>,
    ids: impl Iterator<Item = i64> + Clone,
    key: fn(i64) -> K,
) -> Result<Vec<K::Value>, Error> {
    let mut found: Vec<Option<K::Value>> = ids.clone().map(|id| cache.get(&id)).collect();
    let missing: Vec<K> = ids.clone().zip(&found).filter(|(_, value)| value.is_none()).map(|(id, _)| key(id)).collect();
    if !missing.is_empty() {
        let loaded = loaders.load_many(missing).await?;
        for (id, value) in ids.zip(&mut found).filter(|(_, value)| value.is_none()) {
            *value = loaded.get(&key(id)).cloned();
            if let Some(value) = value {
                cache.insert(id, value.clone());
            }
        }
    }
    let complete: Option<Vec<_>> = found.into_iter().collect();
    complete.ok_or_else(Error::deleted_meanwhile)
}
