//! What every request is answered from: the database, what stores, and what is remembered of rows.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::ContextBase;
use entity::{
    known_counts::KnownCounts, known_lists::KnownLists, metric_block::KnownBlocks, tag as tag_row, variant::Words,
};
use quick_cache::sync::Cache;

use crate::{db::Database, ingest::Ingest};

/// What every request is served from.
pub struct Served {
    pub database: Database,
    pub ingest: Ingest,
    pub page_size: u64,
    /// Rows of a connection, at most.
    pub most_rows: u64,
    pub known: Mutex<(u64, Arc<Known>)>,
}

impl Served {
    /// What is remembered of rows; nothing where it had to be forgotten since. Whoever has read a row meanwhile remembers it with the rest of
    /// what held when he began.
    pub fn known(&self) -> Arc<Known> {
        let memory = self.ingest.memory();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 < memory {
            *known = (memory, Arc::default());
        }
        Arc::clone(&known.1)
    }
}

/// What never changes once stored, by key, and what has not changed since it was asked for.
pub struct Known {
    pub variants: Cache<i64, Arc<Words>>,
    pub sessions: Cache<i64, Arc<str>>,
    pub contexts: Cache<i64, Arc<str>>,
    pub tags: Cache<i64, Arc<tag_row::Model>>,
    /// The keys of the tags of announced sessions.
    pub session_tags: Cache<i64, Arc<[i64]>>,
    pub blocks: KnownBlocks,
    pub counts: KnownCounts,
    pub lists: KnownLists,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            variants: Cache::new(50_000),
            sessions: Cache::new(100_000),
            contexts: Cache::new(50_000),
            tags: Cache::new(50_000),
            session_tags: Cache::new(50_000),
            blocks: KnownBlocks::default(),
            counts: KnownCounts::default(),
            lists: KnownLists::default(),
        }
    }
}

pub fn served<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Served {
    shared(ctx)
}

pub fn shared<'a, T>(ctx: &ContextBase<'a, T>) -> &'a Arc<Served> {
    ctx.data_unchecked::<Arc<Served>>()
}
