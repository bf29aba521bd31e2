//! Top-k queries: the metrics with the highest or lowest values of a resource. The bounds of each variant tell which variants can
//! still contribute (a threshold algorithm), so few are read.

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
    list::{self, Noun as _},
    list_cache::ListCache,
    resource::Resource,
    table::{metric, pipeline_variant, session, variant},
};

/// The end of a ranking.
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

    /// The condition that `value` ranks before `last` or is equal: of equal values the first recorded one wins.
    fn not_after(self, value: Expr, last: f64) -> Expr {
        match self {
            Self::Highest => value.gte(last),
            Self::Lowest => value.lte(last),
        }
    }

    /// Whether `a` ranks before `b`.
    fn is_ahead(self, a: f64, b: f64) -> bool {
        match self {
            Self::Highest => a > b,
            Self::Lowest => a < b,
        }
    }
}

/// Lower bound of a round: the variants that are read at once. A round has as many as are likely to have enough metrics, or half as many
/// as were read since the start, or since enough were found. So rounds grow geometrically, and their number is logarithmic.
const MIN_ROUND: usize = 2;
/// Variants whose bounds are read at first: more than most rankings visit.
const FIRST_BOUNDS: u64 = 64;
/// Up to here one sort is cheaper than rounds. Through the index by session a metric takes 0.3 µs; in a round it takes 0.5 µs, so this
/// is the cost of two dozen variants with 500 metrics each. The metrics of few sessions may rank after those of all other variants, and
/// then rounds would read every metric.
const MAX_SORTED_METRICS: u64 = 20_000;

/// Caches of sessions.
#[derive(Debug, Clone, Copy)]
pub struct Caches<'a> {
    /// Which sessions match.
    pub lists: &'a ListCache,
    /// How many metrics they have.
    pub counts: &'a CountCache,
}

/// The request: which resource, which end of the ranking, how many.
#[derive(Debug, Clone, Copy)]
struct TopK {
    resource: Resource,
    direction: Direction,
    limit: u64,
}

/// A variant, with its bound.
struct UpperBound {
    variant: i64,
    value: f64,
    metric_count: i64,
    /// The greatest key of all metrics.
    newest: i64,
}

from_row!(UpperBound { variant, value, metric_count, newest });

/// Which metrics are ranked.
struct Candidates {
    /// The greatest key that counts.
    newest: i64,
    /// The approximate number of metrics up to there that match `sessions`.
    metrics: u64,
    /// The condition that a metric is of the right sessions.
    sessions: Condition,
}

impl Candidates {
    /// Estimates how many of the variants with these bounds have `wanted` metrics, if metrics are distributed evenly.
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

/// Returns the `limit` metrics at one end of the ranking by `resource` among those that match `filter`, most extreme first; ties in
/// order of insertion. The result is a snapshot, except that it may include sessions that were announced just after it.
pub async fn top(
    db: &impl Source,
    caches: Caches<'_>,
    resource: Resource,
    direction: Direction,
    filter: &Tree<metric::Filter>,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    let ranking = TopK { resource, direction, limit };
    if limit == 0 {
        return Ok(Vec::new());
    }
    if is_narrow(filter) {
        return ranking.of(db, filter, Condition::all()).await;
    }
    let of_session = filter.own.of_session();
    if of_session == session::Filter::default() {
        let variants = variant::Entity::condition(&filter.own.variant, db.engine());
        return ranking.of_variants(db, &filter.own, variants, None).await;
    }
    let announced = Query::select().expr(Expr::col(session::Column::Announced).max()).from(session::Entity).take();
    let now = Query::select().expr(newest()).expr(Expr::from(announced)).take();
    let (newest, announced) = db.all::<(Option<i64>, Option<i64>)>(&now).await?.pop().unwrap_or_default();
    let (Some(newest), Some(announced)) = (newest, announced) else { return Ok(Vec::new()) };
    // Looked up once, not by each statement.
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
        return ranking.of_variants(db, &filter, variants, Some(Candidates { newest, metrics, sessions })).await;
    }
    let is_one = up_to(newest).add(engine.any_of(session, &ids)).add_option(is_of_variant(&filter.variant, engine));
    ranking.of(db, &metric::Filter { variant: variant::Filter::default(), ..filter }.into(), is_one).await
}

/// Whether so few metrics match that one sort is the cheapest.
fn is_narrow(filter: &Tree<metric::Filter>) -> bool {
    let metric::Filter { session, context, build, started_at, .. } = &filter.own;
    !filter.is_plain() || session.is_some() || context.is_some() || build.is_some() || started_at.is_some()
}

/// The condition that the variant matches, as a residual predicate: the index by variant is not used.
fn is_of_variant(filter: &variant::Filter, engine: Engine) -> Option<Expr> {
    let variants = Query::select()
        .column(variant::Column::Id)
        .from(variant::Entity)
        .cond_where(variant::Entity::condition(filter, engine))
        .take();
    let own = column::of(metric::Column::VariantId);
    (*filter != variant::Filter::default()).then(|| own.add(0).in_subquery(variants))
}

fn up_to(newest: i64) -> Condition {
    Condition::all().add(KeyRange { after: 0, until: Some(newest) }.contains())
}

/// The greatest key of metrics, as a subquery, so that it belongs to the same snapshot as the rest of the statement.
fn newest() -> Expr {
    Query::select().expr(Expr::col(metric::Column::Id).max()).from(metric::Entity).take().into()
}

impl TopK {
    /// The column of the resource.
    fn value(self) -> Expr {
        Expr::col(("metric", self.resource.column()))
    }

    /// Ranks all metrics that match in one statement.
    async fn of(
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

    /// Ranks the metrics that match, up to the newest of `candidates`. There is no index per resource: `variants`, which have all of
    /// them, are read in the order of their bounds, until no other variant can contribute.
    async fn of_variants(
        self,
        db: &impl Source,
        filter: &metric::Filter,
        variants: Condition,
        candidates: Option<Candidates>,
    ) -> Result<Vec<metric::Model>, DbErr> {
        let mut bounds = self.bounds(db, &variants, Some(FIRST_BOUNDS)).await?;
        let mut are_all = (bounds.len() as u64) < FIRST_BOUNDS;
        let Some(first) = bounds.first() else { return Ok(Vec::new()) };
        // Every round reads rows up to the same key. When that was the newest, the bounds covered all rows; they were read then or
        // later, and only widen. So no candidate exceeds the bound of its variant, and stopping at a bound is correct.
        let candidates = candidates.unwrap_or(Candidates {
            newest: first.newest,
            metrics: first.newest.unsigned_abs(),
            sessions: Condition::all(),
        });
        // The variants were filtered already.
        let filter = metric::Filter { variant: variant::Filter::default(), ..filter.clone() }.into();
        let most = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let mut rows: Vec<metric::Model> = Vec::new();
        // The number of variants read, and how many of them since the start or, later, since enough metrics were found.
        let (mut visited, mut since) = (0, 0);
        loop {
            let last = if rows.len() < most { None } else { rows.last().map(|last| last.resource(self.resource)) };
            let matters = |bound: &UpperBound| last.is_none_or(|last| !self.direction.is_ahead(last, bound.value));
            if visited == bounds.len() && !are_all && bounds.last().is_some_and(matters) {
                // Bounds may have widened since, but only by rows after `newest`: variants need not be read again.
                let seen: HashSet<i64> = bounds.iter().map(|bound| bound.variant).collect();
                let rest = self.bounds(db, &variants, None).await?;
                bounds.extend(rest.into_iter().filter(|bound| !seen.contains(&bound.variant)));
                are_all = true;
            }
            let wanted = if last.is_none() { most - rows.len() } else { most };
            let visit = candidates.variants_for(wanted, &bounds[visited..]).max(since / 2).max(MIN_ROUND);
            let group = bounds[visited..].iter().take(visit).take_while(|bound| matters(bound));
            let group: Vec<i64> = group.map(|bound| bound.variant).collect();
            if group.is_empty() {
                break;
            }
            let visits = Self::visits(db.engine(), &group, candidates.newest).map(|visit| {
                // Metrics that rank after the last one found need not be sorted.
                let value = self.value();
                visit
                    .add(candidates.sessions.clone())
                    .add_option(last.map(|last| self.direction.not_after(value, last)))
            });
            let [one, other] = visits.map(|visit| self.of(db, &filter, visit));
            let (one, other) = futures_util::try_join!(one, other)?;
            rows.extend(one);
            rows.extend(other);
            rows.sort_by(|a, b| {
                let by_value = a.resource(self.resource).total_cmp(&b.resource(self.resource));
                let by_value = if self.direction == Direction::Highest { by_value.reverse() } else { by_value };
                by_value.then(a.id.cmp(&b.id))
            });
            rows.truncate(most);
            visited += group.len();
            since = if last.is_none() && rows.len() == most { 0 } else { since + group.len() };
        }
        Ok(rows)
    }

    /// Splits the metrics of `variants` up to `newest` into two halves. Reading single rows all over the table takes most of the time, so
    /// two connections read a half each: every other partition of the history or, without partitions, every other variant.
    fn visits(engine: Engine, variants: &[i64], newest: i64) -> [Condition; 2] {
        let of = |variants: &[i64]| up_to(newest).add(engine.any_of(column::of(metric::Column::VariantId), variants));
        if let Some(halves) = engine.in_halves(newest) {
            return halves.map(|half| of(variants).add(half));
        }
        [0, 1].map(|first| of(&variants.iter().copied().skip(first).step_by(2).collect::<Vec<_>>()))
    }

    /// Returns the matching variants, the most extreme bound first, at most `most` if that is given.
    async fn bounds(self, db: &impl Source, variants: &Condition, most: Option<u64>) -> Result<Vec<UpperBound>, DbErr> {
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
        if let Some(most) = most {
            query.limit(most);
        }
        db.all(&query).await
    }
}
