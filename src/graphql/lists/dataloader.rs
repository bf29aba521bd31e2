//! What keeps the number of SQL statements apart from the number of rows: look-ups of one request wait until every resolver that
//! can go on has gone on, then each kind goes out as one statement. No timer is involved.

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
use entity::driver::executor::Reader;
use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
    task::{FutureObj, Spawn, SpawnError},
};
use quick_cache::sync::Cache;

use crate::{
    error::{Code, Error},
    graphql::fairness::FairnessGate,
};

/// A look-up that can be answered for many keys at once.
pub trait Key: Clone + Eq + Hash + Send + Sync + 'static {
    /// What it leads to.
    type Value: Clone + Send + Sync + 'static;

    /// Answers all keys, in as few statements as there are kinds of question. Keys that lead nowhere are left out.
    fn load(db: &Reader, keys: &[Self]) -> impl Future<Output = Result<HashMap<Self, Self::Value>, Error>> + Send;
}

struct Source {
    db: Reader,
    fairness: Option<FairnessGate>,
}

impl<K: Key> Loader<K> for Source {
    type Value = K::Value;
    type Error = Error;

    async fn load(&self, keys: &[K]) -> Result<HashMap<K, K::Value>, Error> {
        let load = K::load(&self.db, keys);
        match &self.fairness {
            Some(fairness) => fairness.read(load).await,
            None => load.await,
        }
    }
}

/// Look-ups that have been asked for and not begun.
#[derive(Clone, Default)]
pub struct Queue(Arc<Mutex<Vec<FutureObj<'static, ()>>>>);

impl Queue {
    fn take(&self) -> Vec<FutureObj<'static, ()>> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Spawn for Queue {
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(future);
        Ok(())
    }
}

/// The queue itself is the delay.
struct NoDelay;

impl Timer for NoDelay {
    fn delay(&self, _: Duration) -> BoxFuture<'static, ()> {
        std::future::ready(()).boxed()
    }
}

/// The look-ups of one request.
pub struct Loaders {
    db: Reader,
    fairness: Option<FairnessGate>,
    queue: Queue,
    by_kind: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

impl Loaders {
    /// Nothing asked yet.
    pub fn new(db: Reader) -> Self {
        Self { db, fairness: None, queue: Queue::default(), by_kind: Mutex::default() }
    }

    /// The look-ups of a subscription, limited by `fairness`.
    pub fn with_fairness(db: Reader, fairness: FairnessGate) -> Self {
        Self { fairness: Some(fairness), ..Self::new(db) }
    }

    fn of_kind<K: Key>(&self) -> Arc<DataLoader<Source>> {
        let mut by_kind = self.by_kind.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = by_kind.entry(TypeId::of::<K>()).or_insert_with(|| {
            let source = Source { db: self.db.clone(), fairness: self.fairness.clone() };
            let loader = DataLoader::new(source, self.queue.clone(), NoDelay);
            Arc::new(loader.max_batch_size(usize::MAX))
        });
        match Arc::clone(loader).downcast::<DataLoader<Source>>() {
            Ok(loader) => loader,
            Err(_) => unreachable!("every kind has a loader of this one type"),
        }
    }

    /// What `key` leads to.
    pub async fn load<K: Key>(&self, key: K) -> Result<Option<K::Value>, Error> {
        self.of_kind::<K>().load_one(key).await
    }

    /// What `keys` lead to.
    pub async fn load_many<K: Key>(&self, keys: Vec<K>) -> Result<HashMap<K, K::Value>, Error> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        self.of_kind::<K>().load_many(keys).await
    }

    /// What runs the look-ups.
    pub fn driver(&self) -> Driver {
        Driver(self.queue.clone())
    }
}

/// The look-ups of the request that is answered.
pub fn loaders_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Loaders {
    ctx.data_unchecked::<Loaders>()
}

/// Runs a request together with its look-ups.
pub struct Driver(Queue);

impl Driver {
    /// Runs `request`, and the look-ups whenever it can't go on without them.
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

/// What `ids` lead to, in their order: from what is `remembered`, the rest in one statement. For what never changes once stored.
pub async fn load_cached<K: Key>(
    loaders: &Loaders,
    remembered: &Cache<i64, K::Value>,
    ids: impl Iterator<Item = i64> + Clone,
    key: fn(i64) -> K,
) -> Result<Vec<K::Value>, Error> {
    let mut found: Vec<Option<K::Value>> = ids.clone().map(|id| remembered.get(&id)).collect();
    let missing: Vec<K> = ids.clone().zip(&found).filter(|(_, value)| value.is_none()).map(|(id, _)| key(id)).collect();
    if !missing.is_empty() {
        let loaded = loaders.load_many(missing).await?;
        for (id, value) in ids.zip(&mut found).filter(|(_, value)| value.is_none()) {
            *value = loaded.get(&key(id)).cloned();
            if let Some(value) = value {
                remembered.insert(id, value.clone());
            }
        }
    }
    let complete: Option<Vec<_>> = found.into_iter().collect();
    complete.ok_or_else(|| Error::new(Code::Internal, "a reference leads nowhere"))
}
