//! Queries for metrics: scans of the history.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use sea_orm::DbErr;

use crate::{
    driver::source::Source as _,
    filter::{Number, Tree},
    history::{Dimension, Parents, Predicate, Rank, Scan, ScanOrder, Wanted, counted, resolve},
    list::{self, Edge, Order, Slice},
    query::{Query, Store},
    resource::Resource,
    table::metric::{Entity, Filter, Link, Model, Sort},
};

/// Which end of a ranking to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The greatest values, greatest first.
    Highest,
    /// The least values, least first.
    Lowest,
}

/// Returns what `slice` wants. From the end, it wants the opposite order.
fn wanted(slice: &Slice<Entity>) -> Wanted {
    let by = match slice.order.by {
        Sort::Inserted => Rank::Key,
        Sort::StartedAt => Rank::StartedAt,
    };
    let Order { descending, .. } = slice.order;
    let forwards = ScanOrder { by, descending, newest_first: descending };
    let (order, after, before) = if slice.from_end {
        (forwards.reversed(), slice.before, slice.after)
    } else {
        (forwards, slice.after, slice.before)
    };
    let place = |position: Option<_>| position.map(|position| order.place_of(position));
    let limit = usize::try_from(slice.limit).unwrap_or(usize::MAX);
    Wanted { order, after: place(after), before: place(before), limit, distinct: None }
}

/// Returns the parents of the metrics that `edge` leads to.
pub(super) async fn parents_of(db: &Store, edge: Edge<Entity>, parents: &[i64]) -> Result<Parents, DbErr> {
    let own = |dimension| (dimension, parents.iter().map(|parent| (*parent, *parent)).collect());
    let (dimension, of) = match edge.link {
        Link::Session => own(Dimension::Session),
        Link::Context => own(Dimension::Context),
        Link::Variant => own(Dimension::Variant),
        Link::Sessions(edge) => (Dimension::Session, list::parents_under(db, edge, parents).await?),
        Link::Contexts(edge) => (Dimension::Context, list::parents_under(db, edge, parents).await?),
        Link::Variants(edge) => (Dimension::Variant, list::parents_under(db, edge, parents).await?),
    };
    Ok(Parents { dimension: Some(dimension), of })
}

/// Begins a scan. The names of a condition are looked up afterwards, so that those of all its metrics are there.
async fn scan(db: &Store) -> Result<Scan<'_, Store>, DbErr> {
    Scan::begin(db, &db.history).await
}

/// Returns the condition that the key is one of `ids`.
fn any_of(ids: &[i64]) -> Predicate {
    Predicate::Key(Number { any_of: Some(ids.to_vec()), ..Number::default() }.into())
}

/// What a list of all metrics that match wants, in order of insertion.
fn inserted(limit: usize) -> Wanted {
    Wanted { order: ScanOrder::INSERTED, after: None, before: None, limit, distinct: None }
}

impl Query for Entity {
    async fn rows(db: &Store, slice: &Slice<Self>) -> Result<Vec<Model>, DbErr> {
        let scan = scan(db).await?;
        let mut rows = scan.list(&resolve(db, &slice.filter).await?, &wanted(slice)).await?;
        if slice.from_end {
            rows.reverse();
        }
        Ok(rows)
    }

    async fn rows_under(
        db: &Store,
        edge: Edge<Self>,
        parents: &[i64],
        slice: &Slice<Self>,
    ) -> Result<HashMap<i64, Vec<Model>>, DbErr> {
        let scan = scan(db).await?;
        let (predicate, parents) = (resolve(db, &slice.filter).await?, parents_of(db, edge, parents).await?);
        let mut lists = scan.lists(&predicate, &wanted(slice), &parents).await?;
        if slice.from_end {
            for rows in lists.values_mut() {
                rows.reverse();
            }
        }
        Ok(lists)
    }

    async fn counts_under(
        db: &Store,
        edge: Edge<Self>,
        parents: &[i64],
        filter: &Tree<Filter>,
    ) -> Result<HashMap<i64, u64>, DbErr> {
        let scan = scan(db).await?;
        scan.counts(&resolve(db, filter).await?, &parents_of(db, edge, parents).await?).await
    }

    async fn by_ids(db: &Store, ids: &[i64]) -> Result<HashMap<i64, Model>, DbErr> {
        let rows = scan(db).await?.list(&any_of(ids), &inserted(ids.len())).await?;
        Ok(rows.into_iter().map(|row| (row.id, row)).collect())
    }

    async fn matching(db: &Store, filter: &Tree<Filter>, ids: &[i64]) -> Result<HashSet<i64>, DbErr> {
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let scan = scan(db).await?;
        let predicate = Predicate::all([any_of(ids), resolve(db, filter).await?]);
        Ok(scan.keys(&predicate, ids.len()).await?.into_iter().collect())
    }

    async fn page(db: &Store, filter: &Tree<Filter>, number: u64, size: u64) -> Result<Vec<Model>, DbErr> {
        let pages = Pages::of(db, filter).await?;
        pages.page(number, size).await
    }
}

/// Returns the number of metrics that match `filter`.
///
/// # Errors
/// If the database fails.
pub async fn count(db: &Store, filter: &Tree<Filter>) -> Result<u64, DbErr> {
    if let Some(query) = counted(filter, db.engine()) {
        return Ok(db.number(&query).await?.unsigned_abs());
    }
    let scan = scan(db).await?;
    Ok(scan.counts_by_part(&resolve(db, filter).await?).await?.iter().sum())
}

/// A ranking of metrics by a resource: the most extreme first, ties in order of insertion.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// What they are ranked by.
    pub resource: Resource,
    /// Which end comes first.
    pub direction: Direction,
    /// Of each variant, only its first metric.
    pub distinct_variants: bool,
    /// Only metrics that match.
    pub filter: Tree<Filter>,
    /// Maximum number of metrics.
    pub limit: u64,
}

impl Ranking {
    fn wanted(&self) -> Wanted {
        let descending = self.direction == Direction::Highest;
        let order = ScanOrder { by: Rank::Resource(self.resource), descending, newest_first: false };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        Wanted { order, distinct: self.distinct_variants.then_some(Dimension::Variant), ..inserted(limit) }
    }
}

/// Returns the metrics of a ranking.
///
/// # Errors
/// If the database fails.
pub async fn top(db: &Store, ranking: &Ranking) -> Result<Vec<Model>, DbErr> {
    let scan = scan(db).await?;
    scan.list(&resolve(db, &ranking.filter).await?, &ranking.wanted()).await
}

/// Returns the metrics of a ranking for each of `parents`, among those that `edge` leads to from there.
///
/// # Errors
/// If the database fails.
pub async fn top_under(
    db: &Store,
    edge: Edge<Entity>,
    parents: &[i64],
    ranking: &Ranking,
) -> Result<HashMap<i64, Vec<Model>>, DbErr> {
    let scan = scan(db).await?;
    let (predicate, parents) = (resolve(db, &ranking.filter).await?, parents_of(db, edge, parents).await?);
    scan.lists(&predicate, &ranking.wanted(), &parents).await
}

/// Returns the condition that a metric of one of these sessions has a key after `after`, up to `last`.
fn of_sessions(sessions: &[i64], after: i64, last: i64) -> Predicate {
    let sessions = Predicate::Among(Dimension::Session, Arc::new(sessions.iter().copied().collect()));
    let keys = Number { gt: Some(after), lte: Some(last), ..Number::default() };
    Predicate::all([sessions, Predicate::Key(keys.into())])
}

/// Returns the slowest metrics of these sessions with keys after `after`, up to `last`: at most `limit`, slowest first.
///
/// # Errors
/// If the database fails.
pub async fn slowest(db: &Store, sessions: &[i64], after: i64, last: i64, limit: u64) -> Result<Vec<Model>, DbErr> {
    let order = ScanOrder { by: Rank::Resource(Resource::TotalTime), descending: true, newest_first: false };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    scan(db).await?.list(&of_sessions(sessions, after, last), &Wanted { order, ..inserted(limit) }).await
}

/// Returns the metrics of these sessions with keys after `after`, in order of insertion: at most `limit`.
///
/// # Errors
/// If the database fails.
pub async fn of_sessions_after(db: &Store, sessions: &[i64], after: i64, limit: u64) -> Result<Vec<Model>, DbErr> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    scan(db).await?.list(&of_sessions(sessions, after, i64::MAX), &inserted(limit)).await
}

/// The numbered pages of the metrics that match a filter, in order of insertion, with their total. Metrics that are inserted
/// later are on no page.
#[derive(Debug)]
pub struct Pages<'a> {
    scan: Scan<'a, Store>,
    predicate: Predicate,
    /// Number of metrics that match, by part of the snapshot.
    counts: Vec<u64>,
    /// Number of metrics that match.
    pub total: u64,
}

impl<'a> Pages<'a> {
    /// Counts the metrics that match `filter`.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn of(db: &'a Store, filter: &Tree<Filter>) -> Result<Self, DbErr> {
        let scan = scan(db).await?;
        let predicate = resolve(db, filter).await?;
        let counts = scan.counts_by_part(&predicate).await?;
        let total = counts.iter().sum();
        Ok(Self { scan, predicate, counts, total })
    }

    /// Returns the metrics on page `number` (from 1) of `size` rows each.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn page(&self, number: u64, size: u64) -> Result<Vec<Model>, DbErr> {
        let before = (number - 1).saturating_mul(size);
        self.scan.page(&self.predicate, &self.counts, before, size).await
    }
}
