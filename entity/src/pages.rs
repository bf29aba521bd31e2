//! Numbered pages of metrics, however many there are. Without a filter a page number gives a key, since keys are dense. The metrics of
//! one session, context or variant are in order in an index, those of a variant partition by partition ([`key_range::partition`]); it is
//! read from its nearer end. For many of these together, the zone map ([`crate::metric_block`]) shows where a page begins.

use sea_orm::{
    DbErr, Iterable as _, Order,
    sea_query::{Condition, Expr, ExprTrait as _, Func, JoinType, Query, SelectStatement},
};

use crate::{
    dialect::Engine,
    driver::source::Source,
    filter::Tree,
    key_range::{self, KeyRange},
    list::{self, Noun as _, Position, Slice},
    metric_block::{Blocks, Dimension, ZoneMapCache},
    table::{
        execution_context,
        metric::{self, Filter, Model},
        session, variant,
    },
};

/// Up to here one sort is cheaper than the zone map.
const MAX_SORTED_MATCHES: u64 = 4_000;
/// Sections of the index by partition that are read one by one, at most: of thousands of variants each may be in few.
const MAX_SECTIONS: i64 = 10_000;
/// Cost of a metric that is found through the index and sorted, in metrics that are scanned.
const INDEX_COST: u64 = 8;

/// Returns the sessions, contexts or variants that a filter selects, as a query without columns over their table; `None` if it has
/// conditions on more than one of these kinds.
fn narrowed(filter: &Tree<Filter>, engine: Engine) -> Option<(Dimension, SelectStatement)> {
    let own = &filter.own;
    let is_only = |part: Filter| filter.is_plain() && *own == part;
    let query = |table: &'static str, condition| Query::select().from(table).cond_where(condition).take();
    if is_only(Filter { variant: own.variant.clone(), ..Filter::default() }) {
        let condition = variant::Entity::condition(&own.variant, engine);
        return Some((Dimension::Variant, query("variant", condition)));
    }
    if is_only(Filter { session: own.session.clone(), ..Filter::default() }) {
        let filter = session::Filter { hash: own.session.clone(), ..session::Filter::default() };
        return Some((Dimension::Session, query("session", session::Entity::condition(&filter, engine))));
    }
    if let Some(sessions) = of_sessions(filter) {
        return Some((
            Dimension::Session,
            query("session", list::condition::<session::Entity>(&sessions.into(), engine)),
        ));
    }
    if is_only(Filter { context: own.context.clone(), ..Filter::default() }) {
        let filter = execution_context::Filter { hash: own.context.clone(), ..Default::default() };
        let condition = execution_context::Entity::condition(&filter, engine);
        return Some((Dimension::Context, query("execution_context", condition)));
    }
    None
}

/// Returns the filter of announced sessions, if all conditions are on these.
pub(crate) fn of_sessions(filter: &Tree<Filter>) -> Option<session::Filter> {
    let Filter { scm_ref, pipeline, build, .. } = filter.own.clone();
    let is_only = filter.is_plain() && filter.own == Filter { scm_ref, pipeline, build, ..Filter::default() };
    (is_only && *filter != Tree::default()).then(|| filter.own.of_session())
}

/// Counts the metrics that match `filter`: by the counters of sessions, contexts or variants if all conditions are on one of these
/// kinds.
pub async fn count(db: &impl Source, filter: &Tree<Filter>) -> Result<u64, DbErr> {
    let count = if *filter == Tree::default() {
        // Keys are dense: the greatest is the count.
        db.number(&Query::select().expr(Func::max(Expr::col(metric::Column::Id))).from(metric::Entity).take()).await?
    } else if let Some((_, mut query)) = narrowed(filter, db.engine()) {
        let sum = Expr::from(Func::sum(Expr::col("metric_count"))).cast_as("BIGINT");
        db.number(query.expr(sum)).await?
    } else {
        return list::count::<metric::Entity>(db, filter).await;
    };
    Ok(count.unsigned_abs())
}

/// The list of the metrics that match a filter, its length known.
#[derive(Debug)]
pub struct Pages<'a> {
    filter: &'a Tree<Filter>,
    /// The matching sessions, contexts or variants with metrics, if all conditions are on one of these kinds.
    keys: Option<(Dimension, Vec<i64>)>,
    /// The last key when the metrics were counted: later ones are not in the count.
    newest: i64,
    /// How many metrics match.
    pub total: u64,
}

/// Where a page begins: the metrics after a key, the first few of which are on earlier pages.
struct Start {
    /// The key.
    after: i64,
    /// How many matching ones are on earlier pages.
    skip: u64,
    /// The page ends no later than with this key, that of the end of a block.
    until: i64,
    /// How many match from `after` to `until`.
    matching: u64,
}

impl<'a> Pages<'a> {
    /// Counts the metrics that match `filter`.
    pub async fn of(db: &impl Source, filter: &'a Tree<Filter>) -> Result<Self, DbErr> {
        if *filter != Tree::default()
            && let Some((dimension, mut query)) = narrowed(filter, db.engine())
        {
            // In one statement with the counts, so that it belongs to them.
            let newest = Query::select().expr(Expr::col(metric::Column::Id).max()).from(metric::Entity).take();
            query.columns(["id", "metric_count"]).expr(Expr::from(newest)).and_where(Expr::col("metric_count").gt(0));
            let rows = db.all::<(i64, (i64, i64))>(&query).await?;
            let newest = rows.first().map_or(0, |(_, (_, newest))| *newest);
            let total = rows.iter().map(|(_, (count, _))| count.unsigned_abs()).sum();
            let keys = rows.into_iter().map(|(key, _)| key).collect();
            return Ok(Self { filter, keys: Some((dimension, keys)), newest, total });
        }
        Ok(Self { filter, keys: None, newest: 0, total: count(db, filter).await? })
    }

    /// The metrics on page `number` (from 1), in order of insertion, `size` each.
    pub async fn page(
        &self,
        db: &impl Source,
        cache: &ZoneMapCache,
        number: u64,
        size: u64,
    ) -> Result<Vec<Model>, DbErr> {
        let before = (number - 1).saturating_mul(size);
        if before >= self.total {
            return Ok(Vec::new());
        }
        // Metrics that arrived after the count come after those in it, and are left out.
        let counted = Ord::min(size, self.total - before);
        match &self.keys {
            // Every metric matches: keys are dense.
            Some(_) if self.total == self.newest.unsigned_abs() => by_key(db, before, counted).await,
            Some((dimension, keys))
                if keys.len() == 1 || self.total <= MAX_SORTED_MATCHES && self.sections(db) <= MAX_SECTIONS =>
            {
                self.through_index(db, *dimension, keys, before, counted).await
            }
            Some((dimension, keys)) => {
                let blocks = Blocks::of(db, *dimension, keys, self.newest, cache).await?;
                let start = self.start(db, &blocks, before, counted).await?;
                through_stretch(db, &blocks, &start, counted).await
            }
            None if *self.filter == Tree::default() => by_key(db, before, counted).await,
            None => {
                let mut rows = list::page::<metric::Entity>(db, self.filter, number, size).await?;
                rows.truncate(usize::try_from(counted).unwrap_or(usize::MAX));
                Ok(rows)
            }
        }
    }

    /// How many sections of the index by variant may have metrics that match.
    fn sections(&self, db: &impl Source) -> i64 {
        match &self.keys {
            Some((Dimension::Variant, keys)) if db.engine().has_partitions() => {
                i64::try_from(keys.len()).unwrap_or(i64::MAX).saturating_mul(key_range::partition(self.newest) + 1)
            }
            _ => 0,
        }
    }

    /// Walks the index from its nearer end.
    async fn through_index(
        &self,
        db: &impl Source,
        dimension: Dimension,
        keys: &[i64],
        before: u64,
        size: u64,
    ) -> Result<Vec<Model>, DbErr> {
        let after = self.total - before - size;
        let is_near_end = after < before;
        let (skip, order) = if is_near_end { (after, Order::Desc) } else { (before, Order::Asc) };
        let within = KeyRange { after: 0, until: Some(self.newest) };
        of_keys(db, dimension, keys, within, Wanted { order, skip, size }).await
    }

    /// Finds where a page begins, walking the blocks from the nearer end, and which blocks it lies in.
    async fn start(&self, db: &impl Source, blocks: &Blocks<'_>, before: u64, size: u64) -> Result<Start, DbErr> {
        let last = before + size;
        let mut counts: Vec<(i64, u64)> = Vec::new();
        let (mut walked, mut step) = (0, 1);
        if before < self.total / 2 {
            // From the front: `counts` are those of the blocks from 0 on, until the page's end is reached.
            let mut next = 0;
            while walked < last && next <= blocks.full {
                let part = blocks.counts(db, next, next + step).await?;
                walked += part.iter().map(|(_, count)| count).sum::<u64>();
                counts.extend(part);
                (next, step) = (next + step, step * 2);
            }
            return Ok(Start::at(&counts, 0, before, last));
        }
        // From the end: until the page's beginning is reached.
        let mut next = blocks.full;
        while walked < self.total - before && next >= 0 {
            let part = blocks.counts(db, Ord::max(next + 1 - step, 0), next + 1).await?;
            walked += part.iter().map(|(_, count)| count).sum::<u64>();
            counts.splice(0..0, part);
            (next, step) = (next - step, step * 2);
        }
        Ok(Start::at(&counts, self.total.saturating_sub(walked), before, last))
    }
}

/// Reads `size` metrics after the first `before` of all.
async fn by_key(db: &impl Source, before: u64, size: u64) -> Result<Vec<Model>, DbErr> {
    let place = i64::try_from(before).unwrap_or(i64::MAX);
    let slice: Slice<metric::Entity> = Slice {
        filter: Tree::default(),
        order: list::Order::default(),
        after: Some(Position { key: place, id: place }),
        before: None,
        limit: size,
        from_end: false,
    };
    list::rows(db, &slice).await
}

impl Start {
    /// In blocks with these counts, of which the first has `earlier` matching metrics ahead of it.
    fn at(counts: &[(i64, u64)], mut earlier: u64, before: u64, last: u64) -> Self {
        let mut start: Option<Self> = None;
        for (block, count) in counts {
            let so_far = earlier + count;
            let until = (block + 1) * key_range::BLOCK;
            match &mut start {
                None if so_far > before => {
                    let after = block * key_range::BLOCK;
                    start = Some(Self { after, skip: before - earlier, until, matching: *count });
                }
                Some(start) if earlier < last => (start.until, start.matching) = (until, start.matching + count),
                _ => {}
            }
            earlier = so_far;
        }
        start.unwrap_or(Self { after: 0, skip: before, until: i64::MAX, matching: u64::MAX })
    }
}

/// Reads a page that begins in a known range of keys.
async fn through_stretch(db: &impl Source, blocks: &Blocks<'_>, start: &Start, size: u64) -> Result<Vec<Model>, DbErr> {
    let Blocks { dimension, keys, newest, .. } = *blocks;
    let until = Ord::min(start.until, newest);
    let within = KeyRange { after: start.after, until: Some(until) };
    let stretch = until.saturating_sub(start.after).unsigned_abs();
    // Until the page is full, if those that match lie evenly.
    let looked_at = stretch.saturating_mul(start.skip + size) / Ord::max(start.matching, start.skip + size);
    let wanted = Wanted { order: Order::Asc, skip: start.skip, size };
    if start.matching.saturating_mul(INDEX_COST) < looked_at {
        // Of many sessions few have metrics in a block.
        return match blocks.holders(db.engine(), start.after, until) {
            Some((holders, tie)) => sorted(db, holders, tie, wanted).await,
            None => of_keys(db, dimension, keys, within, wanted).await,
        };
    }
    let is_one = db.engine().any_of_residual(dimension.column(), keys);
    let query = Query::select().from(metric::Entity).and_where(is_one).and_where(within.contains()).take();
    rows(db, wanted.of(query, None)).await
}

/// Which of the metrics that match are wanted, counted from an end.
struct Wanted {
    order: Order,
    skip: u64,
    size: u64,
}

impl Wanted {
    fn of(self, mut query: SelectStatement, ahead_of_key: Option<Expr>) -> SelectStatement {
        for column in ahead_of_key.into_iter().chain([Expr::col((metric::Entity, metric::Column::Id))]) {
            query.order_by_expr(column, self.order.clone());
        }
        query.limit(self.size).offset(self.skip).take()
    }
}

/// Reads the wanted ones of the metrics of `keys` that are `within` a range, through the index.
async fn of_keys(
    db: &impl Source,
    dimension: Dimension,
    keys: &[i64],
    within: KeyRange,
    wanted: Wanted,
) -> Result<Vec<Model>, DbErr> {
    let (engine, id) = (db.engine(), Expr::col((metric::Entity, metric::Column::Id)));
    let in_partitions = if dimension == Dimension::Variant { engine.in_partitions(within) } else { None };
    let ahead_of_key = engine.partition().filter(|_| in_partitions.is_some());
    let mut query = Query::select()
        .from(metric::Entity)
        .and_where(within.contains())
        .and_where_option(in_partitions.clone())
        .take();
    if let [key] = keys {
        return rows(db, wanted.of(query.and_where(dimension.column().eq(*key)).take(), ahead_of_key)).await;
    }
    if in_partitions.is_some() {
        query.expr_as(id, "key").and_where(engine.any_of(dimension.column(), keys));
        return of_page(db, wanted.of(query, ahead_of_key)).await;
    }
    let (parents, key) = engine.parents(keys);
    sorted(db, parents, dimension.column().eq(key).and(within.contains()), wanted).await
}

/// Reads the wanted ones of the metrics of `parents`, a query without columns; `tie` joins a metric to its parent. Many match and few
/// are wanted, so keys are sorted, which the index covers, and only the wanted rows are read.
async fn sorted(
    db: &impl Source,
    mut parents: SelectStatement,
    tie: Expr,
    wanted: Wanted,
) -> Result<Vec<Model>, DbErr> {
    let id = Expr::col((metric::Entity, metric::Column::Id));
    parents.expr_as(id, "key").join(JoinType::CrossJoin, metric::Entity, Condition::all()).and_where(tie);
    of_page(db, wanted.of(parents, None)).await
}

/// The rows whose keys `page` gives, as `key`, in order of insertion.
async fn of_page(db: &impl Source, page: SelectStatement) -> Result<Vec<Model>, DbErr> {
    let mut rows = list::of_keys::<metric::Entity>(db, page).await?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// Returns the rows of `query`, which has no columns yet, in order of insertion.
async fn rows(db: &impl Source, mut query: SelectStatement) -> Result<Vec<Model>, DbErr> {
    query.columns(metric::Column::iter().map(|column| (metric::Entity, column)));
    let mut rows: Vec<Model> = db.all(&query).await?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}
