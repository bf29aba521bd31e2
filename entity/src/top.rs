//! The highest and the lowest metrics by one of the five figures.

use sea_orm::{
    DbErr, Iterable as _, Order,
    sea_query::{Condition, Expr, ExprTrait as _, Query},
};

use crate::{
    filter::Tree,
    list::{self, Noun as _},
    metric, session,
    source::Source,
    variant,
};

/// A figure to rank by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Seconds of wall time.
    TotalTime,
    /// Seconds in user space.
    UserTime,
    /// Seconds in the kernel.
    KernelTime,
    /// Ratio of processor time to wall time.
    CpuUsage,
    /// MB.
    MemoryUsage,
}

impl Figure {
    fn column(self) -> metric::Column {
        match self {
            Self::TotalTime => metric::Column::TotalTime,
            Self::UserTime => metric::Column::UserTime,
            Self::KernelTime => metric::Column::KernelTime,
            Self::CpuUsage => metric::Column::CpuUsage,
            Self::MemoryUsage => metric::Column::MemoryUsage,
        }
    }

    /// The bound that variants keep of it.
    fn bound(self, end: End) -> variant::Column {
        use variant::Column::{
            MaxCpuUsage, MaxKernelTime, MaxMemoryUsage, MaxTotalTime, MaxUserTime, MinCpuUsage, MinKernelTime,
            MinMemoryUsage, MinTotalTime, MinUserTime,
        };
        let (least, greatest) = match self {
            Self::TotalTime => (MinTotalTime, MaxTotalTime),
            Self::UserTime => (MinUserTime, MaxUserTime),
            Self::KernelTime => (MinKernelTime, MaxKernelTime),
            Self::CpuUsage => (MinCpuUsage, MaxCpuUsage),
            Self::MemoryUsage => (MinMemoryUsage, MaxMemoryUsage),
        };
        match end {
            End::Lowest => least,
            End::Highest => greatest,
        }
    }

    fn of(self, row: &metric::Model) -> f64 {
        match self {
            Self::TotalTime => row.total_time,
            Self::UserTime => row.user_time,
            Self::KernelTime => row.kernel_time,
            Self::CpuUsage => row.cpu_usage,
            Self::MemoryUsage => row.memory_usage,
        }
    }
}

/// An end of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The greatest figures, greatest first.
    Highest,
    /// The least figures, least first.
    Lowest,
}

impl End {
    fn order(self) -> Order {
        match self {
            Self::Highest => Order::Desc,
            Self::Lowest => Order::Asc,
        }
    }

    /// `a` comes before `b`.
    fn is_ahead(self, a: f64, b: f64) -> bool {
        match self {
            Self::Highest => a > b,
            Self::Lowest => a < b,
        }
    }
}

/// Variants visited by the first statement; each further one visits twice as many.
const FIRST_VISIT: usize = 8;

/// The `limit` metrics at one `end` of the ranking by `figure` among those that match `filter`, most extreme first; ties in
/// order of insertion.
pub async fn top(
    db: &impl Source,
    figure: Figure,
    end: End,
    filter: &Tree<metric::Filter>,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    if is_narrow(filter) {
        return ranked(db, figure, end, filter, Condition::all(), limit).await;
    }
    // No index per figure: the variants are visited in order of their bounds, until no further bound can matter.
    let bounds = bounds(db, figure, end, &filter.own.variant).await?;
    let (filter, sessions) = with_sessions_at_hand(db, &filter.own).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut rows, mut visited, mut visit) = (Vec::new(), 0, FIRST_VISIT);
    while visited < bounds.len() {
        let matters =
            |bound: f64| rows.len() < most || rows.last().is_none_or(|last| !end.is_ahead(figure.of(last), bound));
        let group: Vec<i64> =
            bounds[visited..].iter().take(visit).take_while(|(_, bound)| matters(*bound)).map(|(id, _)| *id).collect();
        if group.is_empty() {
            break;
        }
        // Most of the time goes to single rows all over the table: two connections look at half of the variants each.
        let (one, other) = group.split_at(group.len() / 2);
        let ranked_among = |variants| {
            let is_one = db.engine().any_of(list::column::<metric::Entity>(metric::Column::VariantId), variants);
            ranked(db, figure, end, &filter, sessions.clone().add(is_one), limit)
        };
        let (one, other) = futures_util::try_join!(ranked_among(one), ranked_among(other))?;
        rows.extend(one);
        rows.extend(other);
        rows.sort_by(|a, b| {
            let (a, b, by_figure) = (a.id, b.id, figure.of(a).total_cmp(&figure.of(b)));
            let by_figure = if end == End::Highest { by_figure.reverse() } else { by_figure };
            by_figure.then(a.cmp(&b))
        });
        rows.truncate(most);
        visited += group.len();
        visit *= 2;
    }
    Ok(rows)
}

/// The filter without what it says of sessions, and the same as a condition on their keys, which each statement need not look up
/// anew.
async fn with_sessions_at_hand(
    db: &impl Source,
    filter: &metric::Filter,
) -> Result<(Tree<metric::Filter>, Condition), DbErr> {
    let of_session = filter.of_session();
    if of_session == session::Filter::default() {
        return Ok((filter.clone().into(), Condition::all()));
    }
    let query = Query::select()
        .column(session::Column::Id)
        .from(session::Entity)
        .cond_where(list::condition::<session::Entity>(&of_session.into(), db.engine()))
        .take();
    let ids = db.all::<i64>(&query).await?;
    let own = metric::Filter { scm_ref: None, pipeline: None, build: None, ..filter.clone() };
    let is_one = db.engine().among(list::column::<metric::Entity>(metric::Column::SessionId), &ids);
    Ok((own.into(), Condition::all().add(is_one)))
}

/// So few metrics match that they are best ranked at once.
fn is_narrow(filter: &Tree<metric::Filter>) -> bool {
    let metric::Filter { session, context, build, started_at, .. } = &filter.own;
    !filter.is_plain() || session.is_some() || context.is_some() || build.is_some() || started_at.is_some()
}

/// The variants that match, with their bounds, the most extreme first.
async fn bounds(
    db: &impl Source,
    figure: Figure,
    end: End,
    filter: &variant::Filter,
) -> Result<Vec<(i64, f64)>, DbErr> {
    let bound = list::column::<variant::Entity>(figure.bound(end));
    let query = Query::select()
        .column((variant::Entity, variant::Column::Id))
        .expr_as(bound.clone(), "bound")
        .from(variant::Entity)
        .cond_where(variant::Entity::condition(filter, db.engine()))
        .and_where(bound.clone().is_not_null())
        .order_by_expr(bound, end.order())
        .take();
    db.all(&query).await
}

async fn ranked(
    db: &impl Source,
    figure: Figure,
    end: End,
    filter: &Tree<metric::Filter>,
    among: Condition,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    let query = Query::select()
        .columns(metric::Column::iter().map(|column| (metric::Entity, column)))
        .from(metric::Entity)
        .cond_where(list::condition::<metric::Entity>(filter, db.engine()))
        .cond_where(among)
        .order_by_expr(list::column::<metric::Entity>(figure.column()), end.order())
        .order_by_expr(Expr::col((metric::Entity, metric::Column::Id)), Order::Asc)
        .limit(limit)
        .take();
    db.all(&query).await
}
