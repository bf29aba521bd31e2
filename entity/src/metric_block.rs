//! The zone map: the number of metrics of each session, context and variant in each full block of metric keys. It gives the
//! block in which a numbered page of a long filtered list begins.

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

/// Maximum number of lists with cached counts.
const CACHE_CAPACITY: usize = 200;
/// Maximum number of parents of such a list.
const MAX_PARENTS: usize = 10_000;

/// A row of `metric_block`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "metric_block")]
pub struct Model {
    /// The table that `key` refers to: `session`, `context` or `variant`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub dimension: String,
    /// The number of the block, from 0.
    #[sea_orm(primary_key, auto_increment = false)]
    pub block: i64,
    /// The key of the session, context or variant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: i64,
    /// Number of its metrics in the block.
    pub metric_count: i64,
}

plain_entity!();

/// Returns the full blocks that the zone map lacks after the insertion of metrics `first` to `last`, the newest ones.
pub async fn uncounted_blocks(db: &impl Source, first: i64, last: i64) -> Result<std::ops::Range<i64>, DbErr> {
    if (first - 1) / BLOCK == last / BLOCK {
        return Ok(0..0);
    }
    let counted = Query::select().expr(Expr::col(Column::Block).max().add(1)).from(Entity).take();
    Ok(db.number(&counted).await?..last / BLOCK)
}

/// A parent table of metrics.
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

/// A cache of the counts in full blocks, for lists that were paged through. Full blocks never change, and pages are read in
/// sequence.
#[derive(Debug)]
pub struct ZoneMapCache(Cache<(Dimension, Vec<i64>), Counts>);

/// The number of matching metrics by block.
type Counts = Arc<Mutex<HashMap<i64, u64>>>;

impl Default for ZoneMapCache {
    fn default() -> Self {
        Self(Cache::new(CACHE_CAPACITY))
    }
}

impl ZoneMapCache {
    /// Returns the cached counts of the metrics of `parents`.
    fn of(&self, dimension: Dimension, parents: &[i64]) -> Counts {
        let key = (dimension, parents.to_vec());
        self.0.get(&key).unwrap_or_else(|| {
            let counts = Counts::default();
            if parents.len() <= MAX_PARENTS {
                self.0.insert(key, Arc::clone(&counts));
            }
            counts
        })
    }
}

/// The zone map of the metrics of some parents.
pub(crate) struct ZoneMap<'a> {
    pub(crate) dimension: Dimension,
    pub(crate) parents: &'a [i64],
    /// Number of full blocks when `newest` was the greatest key. The block after them is counted on demand, up to `newest`.
    pub(crate) full_blocks: i64,
    /// The greatest key that is counted.
    pub(crate) newest: i64,
    cached: Counts,
}

impl<'a> ZoneMap<'a> {
    pub(crate) async fn of(
        db: &impl Source,
        dimension: Dimension,
        parents: &'a [i64],
        newest: i64,
        cache: &ZoneMapCache,
    ) -> Result<Self, DbErr> {
        let block = Column::Block;
        let query = Query::select()
            .expr(Expr::col(block).max().add(1))
            .from(Entity)
            .and_where(Expr::col(Column::Dimension).eq(dimension.name()))
            .take();
        let full_blocks = Ord::min(db.number(&query).await?, newest / BLOCK);
        Ok(Self { dimension, parents, full_blocks, newest, cached: cache.of(dimension, parents) })
    }

    /// Returns the number of matching metrics in each block from `from` up to, but not including, `to`.
    pub(crate) async fn counts(&self, db: &impl Source, from: i64, to: i64) -> Result<Vec<(i64, u64)>, DbErr> {
        let full = from..Ord::min(to, self.full_blocks);
        let mut counts = self.cached_counts(full.clone());
        if counts.is_none() {
            let read = self.read(db, &full).await?;
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            cached.extend(full.clone().map(|block| (block, read.get(&block).copied().unwrap_or(0))));
            drop(cached);
            counts = self.cached_counts(full);
        }
        let mut counts = counts.unwrap_or_default();
        if to > self.full_blocks {
            let not_full = KeyRange { after: self.full_blocks * BLOCK, until: Some(self.newest) };
            let query = Query::select()
                .expr(Func::count(Expr::val(1)))
                .from(metric::Entity)
                .and_where(not_full.contains())
                .and_where(db.engine().any_of_residual(self.dimension.column(), self.parents))
                .take();
            counts.push((self.full_blocks, db.number(&query).await?.unsigned_abs()));
        }
        Ok(counts)
    }

    /// Returns a query without columns over the sessions with metrics after key `after`, up to `until`, with a row for each
    /// block, and the condition that joins metrics to it. `None` if the key range is not made of full blocks, and for variants
    /// and contexts, which have metrics in most blocks.
    pub(crate) fn parents_within(&self, engine: Engine, after: i64, until: i64) -> Option<(SelectStatement, Expr)> {
        let (from, to) = (after / BLOCK, until / BLOCK);
        if self.dimension != Dimension::Session || to > self.full_blocks || after % BLOCK != 0 || until % BLOCK != 0 {
            return None;
        }
        let id = || Expr::col((metric::Entity, metric::Column::Id));
        let first = column::of(Column::Block).mul(BLOCK);
        let in_block = id().gt(first.clone()).and(id().lte(first.add(BLOCK)));
        let join = self.dimension.column().eq(column::of(Column::Key)).and(in_block);
        Some((self.entries(engine, &(from..to)), join))
    }

    /// Returns a query without columns over the rows of these blocks and parents.
    fn entries(&self, engine: Engine, blocks: &std::ops::Range<i64>) -> SelectStatement {
        Query::select()
            .from(Entity)
            .and_where(column::of(Column::Dimension).eq(self.dimension.name()))
            .and_where(column::of(Column::Block).gte(blocks.start))
            .and_where(column::of(Column::Block).lt(blocks.end))
            .and_where(engine.any_of_residual(column::of(Column::Key), self.parents))
            .take()
    }

    /// Returns the counts of these blocks, if all of them are cached.
    fn cached_counts(&self, mut blocks: std::ops::Range<i64>) -> Option<Vec<(i64, u64)>> {
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        blocks.try_fold(Vec::new(), |mut counts, block| {
            counts.push((block, *cached.get(&block)?));
            Some(counts)
        })
    }

    /// Reads the counts of full blocks; blocks without matches are absent.
    async fn read(&self, db: &impl Source, blocks: &std::ops::Range<i64>) -> Result<HashMap<i64, u64>, DbErr> {
        let block = column::of(Column::Block);
        let sum = Expr::from(Func::sum(column::of(Column::MetricCount))).cast_as("BIGINT");
        let query = self.entries(db.engine(), blocks).expr(block.clone()).expr(sum).add_group_by([block]).take();
        list::counts(db, &query).await
    }
}
