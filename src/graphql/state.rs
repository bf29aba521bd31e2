//! State that all requests share: the database, the committer, and caches of rows.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::ContextBase;
use entity::{
    cache::{CountCache, ListCache},
    query::names::NameOf,
    table::{tag as tag_row, variant::VariantNames},
};
use quick_cache::sync::Cache;

use crate::{db::Database, ingest::Ingest};

/// State that all requests share.
pub struct GraphState {
    pub database: Database,
    pub ingest: Ingest,
    pub page_size: u64,
    /// Rows of a connection, at most (`--max-rows`).
    pub max_rows: u64,
    /// The caches, and the generation of [`Ingest::memory`] that they belong to.
    pub caches: Mutex<(u64, Arc<ObjectCaches>)>,
}

impl GraphState {
    /// Returns the caches; empty ones if the history was replaced since. A request that is running still adds to those that it
    /// began with, so no row of the old history gets into the new ones.
    pub fn caches(&self) -> Arc<ObjectCaches> {
        let memory = self.ingest.memory();
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        if caches.0 < memory {
            *caches = (memory, Arc::default());
        }
        Arc::clone(&caches.1)
    }
}

/// Caches of what never changes once stored, by key, and of lists and counts that have not changed since.
pub struct ObjectCaches {
    pub variants: Cache<i64, Arc<VariantNames>>,
    pub sessions: Cache<i64, Arc<str>>,
    pub contexts: Cache<i64, Arc<str>>,
    pub tags: Cache<i64, Arc<tag_row::Model>>,
    /// The keys of the tags of announced sessions.
    pub session_tags: Cache<i64, Arc<[i64]>>,
    /// Names that something has.
    pub names: Cache<(NameOf, String), ()>,
    pub counts: CountCache,
    pub lists: ListCache,
}

impl Default for ObjectCaches {
    fn default() -> Self {
        Self {
            variants: Cache::new(50_000),
            sessions: Cache::new(100_000),
            contexts: Cache::new(50_000),
            tags: Cache::new(50_000),
            session_tags: Cache::new(50_000),
            names: Cache::new(10_000),
            counts: CountCache::default(),
            lists: ListCache::default(),
        }
    }
}

/// Returns the state of the request.
pub fn state_of<'a, T>(ctx: &ContextBase<'a, T>) -> &'a GraphState {
    shared_state(ctx)
}

/// Returns the state of the request as a shared pointer.
pub fn shared_state<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Arc<GraphState> {
    ctx.data_unchecked::<Arc<GraphState>>()
}
