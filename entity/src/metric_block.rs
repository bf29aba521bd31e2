//! Zone maps: the number of metrics of each session, context and variant in each full block of metric keys. They lead to the
//! start of a numbered page of a long filtered list.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use quick_cache::sync::Cache;
use sea_orm::{
    DbErr,
    entity::prelude::*,
    sea_query::{Expr, ExprTrait as _, Func, Query, SelectStatement},
};

use crate::{
    column,
    dialect::Engine,
    driver::source::Source,
    key_range::{BLOCK, KeyRange},
    list,
    table::{metric, plain_entity},
};

/// The maximum number of lists whose full blocks are cached.
const CACHE_CAPACITY: usize = 200;
/// The maximum number of sessions, contexts or variants of such a list.
const MAX_KEYS: usize = 10_000;

/// A row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "metric_block")]
pub struct Model {
    /// `session`, `context` or `variant`: what `key` is the key of.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dimension: String,
    /// The block, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub block: i64,
    /// The key of the session, context or variant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: i64,
    /// How many of its metrics are in the block.
    pub metric_count: i64,
}

plain_entity!();

/// The full blocks that are still to be counted, now that metrics `first` to `last`, the newest ones, are there.
pub async fn to_be_counted(db: &impl Source, first: i64, last: i64) -> Result<std::ops::Range<i64>, DbErr> {
    if (first - 1) / BLOCK == last / BLOCK {
        return Ok(0..0);
    }
    let counted = Query::select().expr(Expr::col(Column::Block).max().add(1)).from(Entity).take();
    Ok(db.number(&counted).await?..last / BLOCK)
}

/// What metrics hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dimension {
    Session,
    Context,
    Variant,
}

impl Dimension {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Context => "context",
            Self::Variant => "variant",
        }
    }

    pub(crate) fn column(self) -> Expr {
        column::of(match self {
            Self::Session => metric::Column::SessionId,
            Self::Context => metric::Column::ContextId,
            Self::Variant => metric::Column::VariantId,
        })
    }
}

/// The counts of full blocks, by list. They never change, and clients that read one page usually read the next one.
#[derive(Debug)]
pub struct ZoneMapCache(Cache<(Dimension, Vec<i64>), Counts>);

/// How many metrics match, by block.
type Counts = Arc<Mutex<HashMap<i64, u64>>>;

impl Default for ZoneMapCache {
    fn default() -> Self {
        Self(Cache::new(CACHE_CAPACITY))
    }
}

impl ZoneMapCache {
    /// The cached counts of these keys, by block.
    fn of(&self, dimension: Dimension, keys: &[i64]) -> Counts {
        let key = (dimension, keys.to_vec());
        self.0.get(&key).unwrap_or_else(|| {
            let counts = Counts::default();
            if keys.len() <= MAX_KEYS {
                self.0.insert(key, Arc::clone(&counts));
            }
            counts
        })
    }
}

/// The blocks, as far as they have metrics of some keys.
pub(crate) struct Blocks<'a> {
    pub(crate) dimension: Dimension,
    pub(crate) keys: &'a [i64],
    /// The number of blocks that were full when `newest` was the last key. The next one is counted on demand, up to that key.
    pub(crate) full: i64,
    /// The last key of metrics that counts.
    pub(crate) newest: i64,
    cached: Counts,
}

impl<'a> Blocks<'a> {
    pub(crate) async fn of(
        db: &impl Source,
        dimension: Dimension,
        keys: &'a [i64],
        newest: i64,
        cache: &ZoneMapCache,
    ) -> Result<Self, DbErr> {
        let block = Column::Block;
        let query = Query::select()
            .expr(Expr::col(block).max().add(1))
            .from(Entity)
            .and_where(Expr::col(Column::Dimension).eq(dimension.name()))
            .take();
        let full = Ord::min(db.number(&query).await?, newest / BLOCK);
        Ok(Self { dimension, keys, full, newest, cached: cache.of(dimension, keys) })
    }

    /// How many metrics match in each of the blocks from `from` to before `to`.
    pub(crate) async fn counts(&self, db: &impl Source, from: i64, to: i64) -> Result<Vec<(i64, u64)>, DbErr> {
        let full = from..Ord::min(to, self.full);
        let mut counts = self.remembered(full.clone());
        if counts.is_none() {
            let read = self.read(db, &full).await?;
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            cached.extend(full.clone().map(|block| (block, read.get(&block).copied().unwrap_or(0))));
            drop(cached);
            counts = self.remembered(full);
        }
        let mut counts = counts.unwrap_or_default();
        if to > self.full {
            let not_full = KeyRange { after: self.full * BLOCK, until: Some(self.newest) };
            let query = Query::select()
                .expr(Func::count(Expr::val(1)))
                .from(metric::Entity)
                .and_where(not_full.contains())
                .and_where(db.engine().any_of_residual(self.dimension.column(), self.keys))
                .take();
            counts.push((self.full, db.number(&query).await?.unsigned_abs()));
        }
        Ok(counts)
    }

    /// Returns a query without columns over the sessions that have metrics after key `after`, up to `until`, once for each block, and
    /// the condition that joins a metric to session and block. `None` unless that range consists of full blocks, and for variants and
    /// contexts, which have metrics in nearly every block.
    pub(crate) fn holders(&self, engine: Engine, after: i64, until: i64) -> Option<(SelectStatement, Expr)> {
        let (from, to) = (after / BLOCK, until / BLOCK);
        if self.dimension != Dimension::Session || to > self.full || after % BLOCK != 0 || until % BLOCK != 0 {
            return None;
        }
        let id = || Expr::col((metric::Entity, metric::Column::Id));
        let first = column::of(Column::Block).mul(BLOCK);
        let lies_there = id().gt(first.clone()).and(id().lte(first.add(BLOCK)));
        let tie = self.dimension.column().eq(column::of(Column::Key)).and(lies_there);
        Some((self.held(engine, &(from..to)), tie))
    }

    /// A query without columns over what full blocks have of the keys.
    fn held(&self, engine: Engine, blocks: &std::ops::Range<i64>) -> SelectStatement {
        Query::select()
            .from(Entity)
            .and_where(column::of(Column::Dimension).eq(self.dimension.name()))
            .and_where(column::of(Column::Block).gte(blocks.start))
            .and_where(column::of(Column::Block).lt(blocks.end))
            .and_where(engine.any_of_residual(column::of(Column::Key), self.keys))
            .take()
    }

    fn remembered(&self, mut blocks: std::ops::Range<i64>) -> Option<Vec<(i64, u64)>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.try_fold(Vec::new(), |mut counts, block| {
            counts.push((block, *cached.get(&block)?));
            Some(counts)
        })
    }

    async fn read(&self, db: &impl Source, blocks: &std::ops::Range<i64>) -> Result<HashMap<i64, u64>, DbErr> {
        let block = column::of(Column::Block);
        let sum = Expr::from(Func::sum(column::of(Column::MetricCount))).cast_as("BIGINT");
        let query = self.held(db.engine(), blocks).expr(block.clone()).expr(sum).add_group_by([block]).take();
        list::counts(db, &query).await
    }
}
