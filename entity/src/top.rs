//! Top-k queries: the metrics with the highest or lowest values of a resource. A threshold algorithm: variants are scanned in
//! order of their bounds, until no further variant can contribute.

use std::collections::HashSet;

use sea_orm::{
    DbErr, Iterable as _, Order,
    sea_query::{Condition, Expr, ExprTrait as _, Query},
};

use crate::{
    column,
    count_cache::CountCache,
    dialect::Engine,
    driver::{row::from_row, source::Source},
    filter::Tree,
    key_range::KeyRange,
    list::{self, Listable as _},
    list_cache::ListCache,
    resource::Resource,
    table::{metric, pipeline_variant, session, variant},
};

/// Which end of a ranking to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The greatest values, greatest first.
    Highest,
    /// The least values, least first.
    Lowest,
}

impl Direction {
    fn order(self) -> Order {
        match self {
            Self::Highest => Order::Desc,
            Self::Lowest => Order::Asc,
        }
    }

    /// Returns the condition that `value` ranks before `cutoff` or equals it. Equal values rank by key, so they must be read.
    fn reaches(self, value: Expr, cutoff: f64) -> Expr {
        match self {
            Self::Highest => value.gte(cutoff),
            Self::Lowest => value.lte(cutoff),
        }
    }

    /// Returns whether `a` ranks before `b`.
    fn ranks_before(self, a: f64, b: f64) -> bool {
        match self {
            Self::Highest => a > b,
            Self::Lowest => a < b,
        }
    }
}

/// Minimum number of variants in a round. A round has as many variants as probably suffice, and at least half as many as were
/// scanned before it, so that the number of rounds is logarithmic.
const MIN_ROUND: usize = 2;
/// Number of bounds that are read at first: more than most rankings need.
const INITIAL_BOUNDS: u64 = 64;
/// Up to here the metrics of sessions are sorted at once. Through the index by session a metric takes 0.3 µs, in a variant scan
/// 0.5 µs: this equals two dozen variants of 500 metrics. If few sessions match, their metrics may rank so low that a threshold
/// scan would read all variants.
const MAX_SORTED_METRICS: u64 = 20_000;

/// Caches of the sessions that match a filter.
#[derive(Debug, Clone, Copy)]
pub struct Caches<'a> {
    /// Their keys.
    pub lists: &'a ListCache,
    /// The number of their metrics.
    pub counts: &'a CountCache,
}

/// A top-k query without its filter.
#[derive(Debug, Clone, Copy)]
struct TopK {
    resource: Resource,
    direction: Direction,
    limit: u64,
}

/// A variant with the most extreme value that its metrics may have.
struct UpperBound {
    variant: i64,
    value: f64,
    metric_count: i64,
    /// The greatest key of all metrics when the bound was read.
    newest: i64,
}

from_row!(UpperBound { variant, value, metric_count, newest });

/// The metrics that are ranked, apart from their filter.
struct Candidates {
    /// The greatest key that is ranked.
    newest: i64,
    /// Estimated number of metrics up to `newest` that match `sessions`.
    metrics: u64,
    /// The condition on the sessions of metrics.
    sessions: Condition,
}

impl Candidates {
    /// Estimates how many of these variants, from the first, have `wanted` candidates, if these are spread evenly.
    fn variants_for(&self, wanted: usize, bounds: &[UpperBound]) -> usize {
        let wanted = (wanted as u64).saturating_mul(self.newest.unsigned_abs());
        let of_each = bounds.iter().scan(0_u64, |sum, bound| {
            let before = *sum;
            *sum = before.saturating_add(bound.metric_count.unsigned_abs().saturating_mul(self.metrics));
            Some(before)
        });
        of_each.take_while(|before| *before < wanted).count()
    }
}

/// Returns the `limit` most extreme metrics by `resource` among those that match `filter`, most extreme first; ties in order of
/// insertion. All of them are from one snapshot of the metrics; sessions may be announced slightly later.
pub async fn top(
    db: &impl Source,
    caches: Caches<'_>,
    resource: Resource,
    direction: Direction,
    filter: &Tree<metric::Filter>,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    let top_k = TopK { resource, direction, limit };
    if limit == 0 {
        return Ok(Vec::new());
    }
    if is_selective(filter) {
        return top_k.sort(db, filter, Condition::all()).await;
    }
    let of_session = filter.own.of_session();
    if of_session == session::Filter::default() {
        let variants = variant::Entity::condition(&filter.own.variant, db.engine());
        return top_k.threshold_scan(db, &filter.own, variants, None).await;
    }
    let announced = Query::select().expr(Expr::col(session::Column::Announced).max()).from(session::Entity).take();
    let now = Query::select().expr(newest()).expr(Expr::from(announced)).take();
    let (newest, announced) = db.all::<(Option<i64>, Option<i64>)>(&now).await?.pop().unwrap_or_default();
    let (Some(newest), Some(announced)) = (newest, announced) else { return Ok(Vec::new()) };
    // Looked up once, in place of a subquery in each statement.
    let Caches { lists, counts } = caches;
    let ids = lists.ids_up_to::<session::Entity>(db, &of_session.clone().into(), announced).await?;
    let metrics = counts.of_sessions(db, &of_session, newest).await?;
    if metrics == 0 {
        return Ok(Vec::new());
    }
    let filter = metric::Filter { scm_ref: None, pipeline: None, build: None, ..filter.own.clone() };
    let (engine, session) = (db.engine(), column::of(metric::Column::SessionId));
    if metrics > MAX_SORTED_METRICS {
        let sessions = Condition::all().add(engine.any_of_residual(session, &ids));
        let measured = of_session.pipeline.as_ref().map(|name| pipeline_variant::measured_in(name, engine));
        let variants = variant::Entity::condition(&filter.variant, engine).add_option(measured);
        return top_k.threshold_scan(db, &filter, variants, Some(Candidates { newest, metrics, sessions })).await;
    }
    let candidates = up_to(newest).add(engine.any_of(session, &ids)).add_option(is_of_variant(&filter.variant, engine));
    top_k.sort(db, &metric::Filter { variant: variant::Filter::default(), ..filter }.into(), candidates).await
}

/// Returns whether so few metrics match that one sort is cheaper than a threshold scan.
fn is_selective(filter: &Tree<metric::Filter>) -> bool {
    let metric::Filter { session, context, build, started_at, .. } = &filter.own;
    !filter.is_plain() || session.is_some() || context.is_some() || build.is_some() || started_at.is_some()
}

/// Returns the condition on the variants of metrics, as a residual predicate: the index by variant is not used.
fn is_of_variant(filter: &variant::Filter, engine: Engine) -> Option<Expr> {
    let variants = Query::select()
        .column(variant::Column::Id)
        .from(variant::Entity)
        .cond_where(variant::Entity::condition(filter, engine))
        .take();
    let own = column::of(metric::Column::VariantId);
    (*filter != variant::Filter::default()).then(|| own.add(0).in_subquery(variants))
}

/// Returns the condition that a metric's key is at most `newest`.
fn up_to(newest: i64) -> Condition {
    Condition::all().add(KeyRange { after: 0, until: Some(newest) }.contains())
}

/// Returns the greatest key of metrics as a subquery, which reads the same snapshot as its statement.
fn newest() -> Expr {
    Query::select().expr(Expr::col(metric::Column::Id).max()).from(metric::Entity).take().into()
}

impl TopK {
    /// Returns the column of the resource.
    fn value(self) -> Expr {
        Expr::col(("metric", self.resource.column()))
    }

    /// Sorts all metrics that match.
    async fn sort(
        self,
        db: &impl Source,
        filter: &Tree<metric::Filter>,
        candidates: Condition,
    ) -> Result<Vec<metric::Model>, DbErr> {
        let query = Query::select()
            .columns(metric::Column::iter().map(|column| (metric::Entity, column)))
            .from(metric::Entity)
            .cond_where(list::with_partitions::<metric::Entity>(filter, db.engine(), KeyRange::default()))
            .cond_where(candidates)
            .order_by_expr(self.value(), self.direction.order())
            .order_by_expr(Expr::col((metric::Entity, metric::Column::Id)), Order::Asc)
            .limit(self.limit)
            .take();
        db.all(&query).await
    }

    /// Runs the threshold algorithm over `variants`, which have all candidates. In place of an index per resource, it needs
    /// only the bounds of each variant.
    async fn threshold_scan(
        self,
        db: &impl Source,
        filter: &metric::Filter,
        variants: Condition,
        candidates: Option<Candidates>,
    ) -> Result<Vec<metric::Model>, DbErr> {
        let mut bounds = self.bounds(db, &variants, Some(INITIAL_BOUNDS)).await?;
        let mut has_all_bounds = (bounds.len() as u64) < INITIAL_BOUNDS;
        let Some(first) = bounds.first() else { return Ok(Vec::new()) };
        // All rounds rank the keys up to the same one. Bounds only widen and are read at that key's snapshot or later. So no
        // candidate lies beyond the bound of its variant, and stopping at the bounds is correct.
        let candidates = candidates.unwrap_or(Candidates {
            newest: first.newest,
            metrics: first.newest.unsigned_abs(),
            sessions: Condition::all(),
        });
        // Only matching variants are scanned.
        let filter = metric::Filter { variant: variant::Filter::default(), ..filter.clone() }.into();
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut rows: Vec<metric::Model> = Vec::new();
        // Variants scanned in all, and since the start or since `limit` rows were found.
        let (mut scanned, mut recent) = (0, 0);
        loop {
            let cutoff = if rows.len() < limit { None } else { rows.last().map(|last| last.resource(self.resource)) };
            let can_contribute =
                |bound: &UpperBound| cutoff.is_none_or(|cutoff| !self.direction.ranks_before(cutoff, bound.value));
            if scanned == bounds.len() && !has_all_bounds && bounds.last().is_some_and(can_contribute) {
                // Bounds may have widened since, but only by rows after `newest`, so no variant is scanned twice.
                let seen: HashSet<i64> = bounds.iter().map(|bound| bound.variant).collect();
                let rest = self.bounds(db, &variants, None).await?;
                bounds.extend(rest.into_iter().filter(|bound| !seen.contains(&bound.variant)));
                has_all_bounds = true;
            }
            let wanted = if cutoff.is_none() { limit - rows.len() } else { limit };
            let size = candidates.variants_for(wanted, &bounds[scanned..]).max(recent / 2).max(MIN_ROUND);
            let round = bounds[scanned..].iter().take(size).take_while(|bound| can_contribute(bound));
            let round: Vec<i64> = round.map(|bound| bound.variant).collect();
            if round.is_empty() {
                break;
            }
            let halves = Self::halves(db.engine(), &round, candidates.newest).map(|half| {
                // Rows after the cutoff need not be sorted.
                let value = self.value();
                half.add(candidates.sessions.clone())
                    .add_option(cutoff.map(|cutoff| self.direction.reaches(value, cutoff)))
            });
            let [one, other] = halves.map(|half| self.sort(db, &filter, half));
            let (one, other) = futures_util::try_join!(one, other)?;
            rows.extend(one);
            rows.extend(other);
            rows.sort_by(|a, b| {
                let by_value = a.resource(self.resource).total_cmp(&b.resource(self.resource));
                let by_value = if self.direction == Direction::Highest { by_value.reverse() } else { by_value };
                by_value.then(a.id.cmp(&b.id))
            });
            rows.truncate(limit);
            scanned += round.len();
            recent = if cutoff.is_none() && rows.len() == limit { 0 } else { recent + round.len() };
        }
        Ok(rows)
    }

    /// Returns the conditions for two halves of the metrics of `variants` up to `newest`: every other partition or, without
    /// partitions, every other variant. Random reads dominate, so two connections scan one half each.
    fn halves(engine: Engine, variants: &[i64], newest: i64) -> [Condition; 2] {
        let of = |variants: &[i64]| up_to(newest).add(engine.any_of(column::of(metric::Column::VariantId), variants));
        if let Some(halves) = engine.in_halves(newest) {
            return halves.map(|half| of(variants).add(half));
        }
        [0, 1].map(|first| of(&variants.iter().copied().skip(first).step_by(2).collect::<Vec<_>>()))
    }

    /// Returns the bounds of the variants that match, most extreme first, at most `limit`.
    async fn bounds(
        self,
        db: &impl Source,
        variants: &Condition,
        limit: Option<u64>,
    ) -> Result<Vec<UpperBound>, DbErr> {
        let bound = match self.direction {
            Direction::Lowest => variant::least(self.resource),
            Direction::Highest => variant::greatest(self.resource),
        };
        let mut query = Query::select()
            .expr_as(column::of(variant::Column::Id), "variant")
            .expr_as(bound.clone(), "value")
            .expr_as(column::of(variant::Column::MetricCount), "metric_count")
            .expr_as(newest(), "newest")
            .from(variant::Entity)
            .cond_where(variants.clone())
            .and_where(bound.clone().is_not_null())
            .order_by_expr(bound, self.direction.order())
            .take();
        if let Some(limit) = limit {
            query.limit(limit);
        }
        db.all(&query).await
    }
}
