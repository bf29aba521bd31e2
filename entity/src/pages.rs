//! Numbered pages of metrics, in order of insertion. `PagePlan` names the ways to read one.

use sea_orm::{
    DbErr, Iterable as _, Order,
    sea_query::{Condition, Expr, ExprTrait as _, Func, JoinType, Query, SelectStatement},
};

use crate::{
    dialect::Engine,
    driver::source::Source,
    filter::Tree,
    key_range::KeyRange,
    list::{self, Listable as _, Position, Slice},
    metric_block::{Dimension, ZoneMap, ZoneMapCache},
    page_plan::{self, PagePlan, PageRange},
    table::{
        execution_context,
        metric::{self, Filter, Model},
        session, variant,
    },
};

/// Cost of a metric that is found through an index and sorted, relative to one that is scanned.
const INDEX_COST: u64 = 8;

/// Returns a query without columns over the sessions, contexts or variants whose metrics match `filter`. `None` if the filter has
/// other conditions, or conditions on more than one of these tables.
fn parent_query(filter: &Tree<Filter>, engine: Engine) -> Option<(Dimension, SelectStatement)> {
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
    if let Some(sessions) = session_filter(filter) {
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

/// Returns the filter of announced sessions that `filter` amounts to. `None` if it has other conditions, or none.
pub(crate) fn session_filter(filter: &Tree<Filter>) -> Option<session::Filter> {
    let Filter { scm_ref, pipeline, build, .. } = filter.own.clone();
    let is_only = filter.is_plain() && filter.own == Filter { scm_ref, pipeline, build, ..Filter::default() };
    (is_only && *filter != Tree::default()).then(|| filter.own.of_session())
}

/// Returns the number of metrics that match `filter`. Conditions on only sessions, contexts or variants are answered from their
/// counters.
pub async fn count(db: &impl Source, filter: &Tree<Filter>) -> Result<u64, DbErr> {
    let count = if *filter == Tree::default() {
        // Keys are dense: the greatest is the count.
        db.number(&Query::select().expr(Func::max(Expr::col(metric::Column::Id))).from(metric::Entity).take()).await?
    } else if let Some((_, mut query)) = parent_query(filter, db.engine()) {
        let sum = Expr::from(Func::sum(Expr::col("metric_count"))).cast_as("BIGINT");
        db.number(query.expr(sum)).await?
    } else {
        return list::count::<metric::Entity>(db, filter).await;
    };
    Ok(count.unsigned_abs())
}

/// The pages of the metrics that match a filter, with their total.
#[derive(Debug)]
pub struct Pages<'a> {
    filter: &'a Tree<Filter>,
    /// The matching sessions, contexts or variants that have metrics, if the filter amounts to one of these.
    parents: Option<(Dimension, Vec<i64>)>,
    /// The greatest key when `total` was counted. Later metrics are on no page.
    newest: i64,
    /// Number of metrics that match.
    pub total: u64,
}

impl<'a> Pages<'a> {
    /// Counts the metrics that match `filter`.
    pub async fn of(db: &impl Source, filter: &'a Tree<Filter>) -> Result<Self, DbErr> {
        if *filter != Tree::default()
            && let Some((dimension, mut query)) = parent_query(filter, db.engine())
        {
            // In one statement with the counts, so that both belong to the same snapshot.
            let newest = Query::select().expr(Expr::col(metric::Column::Id).max()).from(metric::Entity).take();
            query.columns(["id", "metric_count"]).expr(Expr::from(newest)).and_where(Expr::col("metric_count").gt(0));
            let rows = db.all::<(i64, (i64, i64))>(&query).await?;
            let newest = rows.first().map_or(0, |(_, (_, newest))| *newest);
            let total = rows.iter().map(|(_, (count, _))| count.unsigned_abs()).sum();
            let parents = rows.into_iter().map(|(parent, _)| parent).collect();
            return Ok(Self { filter, parents: Some((dimension, parents)), newest, total });
        }
        Ok(Self { filter, parents: None, newest: 0, total: count(db, filter).await? })
    }

    /// Returns the metrics on page `number` (from 1) of `size` rows each, in order of insertion.
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
        // The last page has no metrics that were inserted after the count.
        let limit = Ord::min(size, self.total - before);
        match (self.plan(db.engine()), &self.parents) {
            (PagePlan::ByKey, _) => by_key(db, before, limit).await,
            (PagePlan::ThroughIndex | PagePlan::Sorted, Some((dimension, parents))) => {
                self.through_index(db, *dimension, parents, before, limit).await
            }
            (PagePlan::ZoneMap, Some((dimension, parents))) => {
                let zone_map = ZoneMap::of(db, *dimension, parents, self.newest, cache).await?;
                let range = self.locate(db, &zone_map, before, limit).await?;
                through_zone_map(db, &zone_map, &range, limit).await
            }
            (PagePlan::Offset, _) | (_, None) => {
                let mut rows = list::page::<metric::Entity>(db, self.filter, number, size).await?;
                rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
                Ok(rows)
            }
        }
    }

    fn plan(&self, engine: Engine) -> PagePlan {
        page_plan::plan(self.filter, self.parents.as_ref(), self.newest, self.total, engine.has_partitions())
    }

    /// Reads a page through the index of the parents, counting from its nearer end.
    async fn through_index(
        &self,
        db: &impl Source,
        dimension: Dimension,
        parents: &[i64],
        before: u64,
        limit: u64,
    ) -> Result<Vec<Model>, DbErr> {
        let after = self.total - before - limit;
        let is_near_end = after < before;
        let (offset, order) = if is_near_end { (after, Order::Desc) } else { (before, Order::Asc) };
        let within = KeyRange { after: 0, until: Some(self.newest) };
        of_parents(db, dimension, parents, within, Window { order, offset, limit }).await
    }

    /// Finds the blocks in which a page lies. Steps double, so that the number of statements is logarithmic.
    async fn locate(
        &self,
        db: &impl Source,
        zone_map: &ZoneMap<'_>,
        before: u64,
        limit: u64,
    ) -> Result<PageRange, DbErr> {
        let last = before + limit;
        let mut counts: Vec<(i64, u64)> = Vec::new();
        let (mut walked, mut step) = (0, 1);
        if before < self.total / 2 {
            // From the first block until the page ends.
            let mut next = 0;
            while walked < last && next <= zone_map.full_blocks {
                let part = zone_map.counts(db, next, next + step).await?;
                walked += part.iter().map(|(_, count)| count).sum::<u64>();
                counts.extend(part);
                (next, step) = (next + step, step * 2);
            }
            return Ok(PageRange::in_blocks(&counts, 0, before, last));
        }
        // From the last block until the page begins.
        let mut next = zone_map.full_blocks;
        while walked < self.total - before && next >= 0 {
            let part = zone_map.counts(db, Ord::max(next + 1 - step, 0), next + 1).await?;
            walked += part.iter().map(|(_, count)| count).sum::<u64>();
            counts.splice(0..0, part);
            (next, step) = (next - step, step * 2);
        }
        Ok(PageRange::in_blocks(&counts, self.total.saturating_sub(walked), before, last))
    }
}

/// Reads `limit` metrics of an unfiltered list after the first `before`.
async fn by_key(db: &impl Source, before: u64, limit: u64) -> Result<Vec<Model>, DbErr> {
    let key = i64::try_from(before).unwrap_or(i64::MAX);
    let slice: Slice<metric::Entity> = Slice {
        filter: Tree::default(),
        order: list::Order::default(),
        after: Some(Position { key, id: key }),
        before: None,
        limit,
        from_end: false,
    };
    list::rows(db, &slice).await
}

/// Reads a page from its key range, by a scan or through an index, whichever is cheaper.
async fn through_zone_map(
    db: &impl Source,
    zone_map: &ZoneMap<'_>,
    range: &PageRange,
    limit: u64,
) -> Result<Vec<Model>, DbErr> {
    let ZoneMap { dimension, parents, newest, .. } = *zone_map;
    let until = Ord::min(range.until, newest);
    let within = KeyRange { after: range.after, until: Some(until) };
    let length = until.saturating_sub(range.after).unsigned_abs();
    // Assumes that matches are spread evenly.
    let scanned = length.saturating_mul(range.skip + limit) / Ord::max(range.matching, range.skip + limit);
    let window = Window { order: Order::Asc, offset: range.skip, limit };
    if range.matching.saturating_mul(INDEX_COST) < scanned {
        // Of many sessions, few have metrics in a block.
        return match zone_map.parents_within(db.engine(), range.after, until) {
            Some((parents, join)) => sorted_keys(db, parents, join, window).await,
            None => of_parents(db, dimension, parents, within, window).await,
        };
    }
    let is_one = db.engine().any_of_residual(dimension.column(), parents);
    let query = Query::select().from(metric::Entity).and_where(is_one).and_where(within.contains()).take();
    rows(db, window.of(query, None)).await
}

/// Order, offset and limit of a statement.
struct Window {
    order: Order,
    offset: u64,
    limit: u64,
}

impl Window {
    /// Adds the window to `query`. Rows are ordered by `partition`, if given, and then by key.
    fn of(self, mut query: SelectStatement, partition: Option<Expr>) -> SelectStatement {
        for column in partition.into_iter().chain([Expr::col((metric::Entity, metric::Column::Id))]) {
            query.order_by_expr(column, self.order.clone());
        }
        query.limit(self.limit).offset(self.offset).take()
    }
}

/// Reads the metrics of `parents` within a key range, through the index.
async fn of_parents(
    db: &impl Source,
    dimension: Dimension,
    parents: &[i64],
    within: KeyRange,
    window: Window,
) -> Result<Vec<Model>, DbErr> {
    let (engine, id) = (db.engine(), Expr::col((metric::Entity, metric::Column::Id)));
    let in_partitions = if dimension == Dimension::Variant { engine.in_partitions(within) } else { None };
    let partition = engine.partition().filter(|_| in_partitions.is_some());
    let mut query = Query::select()
        .from(metric::Entity)
        .and_where(within.contains())
        .and_where_option(in_partitions.clone())
        .take();
    if let [parent] = parents {
        return rows(db, window.of(query.and_where(dimension.column().eq(*parent)).take(), partition)).await;
    }
    if in_partitions.is_some() {
        query.expr_as(id, "key").and_where(engine.any_of(dimension.column(), parents));
        return rows_of_keys(db, window.of(query, partition)).await;
    }
    let (parents, parent) = engine.parents(parents);
    sorted_keys(db, parents, dimension.column().eq(parent).and(within.contains()), window).await
}

/// Reads the metrics that `join` joins to `parents`, a query without columns. Only keys are sorted, which the covering index has;
/// rows are read for the page only.
async fn sorted_keys(
    db: &impl Source,
    mut parents: SelectStatement,
    join: Expr,
    window: Window,
) -> Result<Vec<Model>, DbErr> {
    let id = Expr::col((metric::Entity, metric::Column::Id));
    parents.expr_as(id, "key").join(JoinType::CrossJoin, metric::Entity, Condition::all()).and_where(join);
    rows_of_keys(db, window.of(parents, None)).await
}

/// Returns the rows whose keys `page` selects as `key`, in order of insertion.
async fn rows_of_keys(db: &impl Source, page: SelectStatement) -> Result<Vec<Model>, DbErr> {
    let mut rows = list::rows_of_keys::<metric::Entity>(db, page).await?;
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
