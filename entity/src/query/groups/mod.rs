//! Queries for statistics of metrics, by group or of the metrics of a row, and for the values of a resource.

mod dimension;
mod of_rows;
mod order;
mod plan;
mod question;

use std::sync::Arc;

use sea_orm::DbErr;

pub(crate) use crate::query::groups::dimension::{Things, resolved};
use crate::{
    filter::Tree,
    history::{
        ExactSum, Extent, Figures, Grouping, MAX_GROUPS, Predicate, Scan, Value, distinct, resolve, totals, values_of,
    },
    query::{
        Store,
        groups::{
            order::{Order, Place},
            plan::{Plan, shared, shares},
        },
    },
    resource::Resource,
    table::metric::Filter,
};
pub use crate::{
    history::{AggregateError, MAX_GROUPS as MAX, Statistics, WantedStatistics},
    query::groups::{
        dimension::{Dimension, GroupBy, Thing, TimeBucket},
        of_rows::{OfRow, statistics_under},
        question::{Name, OrderBy, Position, Question, Selected, Statistic},
    },
};

/// So many groups are cheap: all that is wanted is computed of all of them at once. Otherwise what decides the order comes first, and
/// the rest is computed of the groups on the page.
const FEW: usize = 1 << 13;

/// A group of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What the metrics have in common, for each [`GroupBy`].
    pub things: Vec<Thing>,
    /// Number of metrics.
    pub count: u64,
    /// When the first and the last test began, in microseconds, if wanted.
    pub seen: Option<(i64, i64)>,
    /// Statistics, in the order of [`Selected::resources`].
    pub statistics: Vec<Statistics>,
    /// Shares of the sum of all metrics that match, in the same order: none where not wanted, and none of nothing.
    pub shares: Vec<Option<f64>>,
    /// Numbers of distinct things, in the order of [`Selected::distinct`].
    pub distinct: Vec<u64>,
    /// Its place in the order.
    pub position: Position,
}

/// A page of groups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Groups {
    /// The groups, in order.
    pub groups: Vec<Group>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// Number of groups, on all pages.
    pub total: usize,
}

/// Returns the groups of metrics that a question is about.
///
/// # Errors
/// If there are too many groups, or the database fails.
pub async fn groups(db: &Store, question: &Question) -> Result<Groups, AggregateError> {
    let scan = Scan::begin(db, &db.history).await?;
    let predicate = Arc::new(resolve(db, &question.filter).await?);
    let Some(extent) = scan.extent(&predicate) else { return Ok(Groups::default()) };
    let (mut keys, mut things) = (Vec::new(), Vec::new());
    for by in &question.by {
        let (key, of_numbers) = resolved(db, by, &extent).await?;
        keys.push(key);
        things.push(of_numbers);
    }
    let grouping = Grouping::dense(keys);
    let combinations = grouping.combinations().ok_or(AggregateError::TooManyGroups)?;
    let is_at_once = combinations <= question.limit.clamp(FEW, MAX_GROUPS) as u64;
    let nothing = Selected::default();
    let mut plan = Plan::of(question.order.wanted(), if is_at_once { &question.wanted } else { &nothing });
    plan.wanted.seen |= matches!(question.order, OrderBy::FirstSeen | OrderBy::LastSeen);
    plan.wanted.exact_sums = question.until_share.is_some();
    let mut figures = Figures::of(&scan, &predicate, grouping.clone(), &plan.wanted, db.history.budget()).await?;
    let order = Order::of(db, question.order, question.descending, &question.by, &things).await?;
    let codes_of = figures.codes.take();
    let code = |group: usize| codes_of.as_ref().map_or(group as u64, |codes| codes[group]);
    let mut placed: Vec<(Place, usize)> = (0..figures.counts.len())
        .filter(|group| figures.counts[*group] > 0)
        .map(|group| (order.place(&figures, group, &grouping.split(code(group))), group))
        .collect();
    placed.sort_unstable();
    if let Some(share) = question.until_share {
        truncate(&mut placed, &figures, share);
    }
    let total = placed.len();
    let first = question.after.as_ref().map_or(0, |position| {
        let after = order.after(position);
        placed.partition_point(|(place, _)| *place <= after)
    });
    let mut page = placed.split_off(first);
    let has_more = page.len() > question.limit;
    page.truncate(question.limit);
    let codes: Vec<u64> = page.iter().map(|(_, group)| code(*group)).collect();
    let mut numbers: Vec<usize> = page.iter().map(|(_, group)| *group).collect();
    let of_page = Page { db, scan: &scan, extent, predicate, grouping: &grouping, codes: &codes };
    if !is_at_once {
        (plan, figures) = of_page.figures(&question.wanted).await?;
        numbers = (0..codes.len()).collect();
    }
    let totals = totals(&scan, &of_page.predicate, &shared(&question.wanted), db.history.budget()).await?;
    let distinct = of_page.distinct(&question.wanted.distinct).await?;
    let group = |(index, (place, _)): (usize, (Place, usize))| {
        let (group, of_keys) = (numbers[index], grouping.split(codes[index]));
        let statistics = plan.statistics(&figures, group);
        Group {
            things: things.iter().zip(&of_keys).map(|(things, number)| things.of(*number)).collect(),
            count: figures.counts[group],
            seen: figures.seen.get(group).map(|seen| (seen.least, seen.greatest)),
            shares: shares(&question.wanted, &statistics, &totals),
            statistics,
            distinct: distinct.iter().map(|counts| counts[index]).collect(),
            position: order.position(&place, &of_keys),
        }
    };
    Ok(Groups { groups: page.into_iter().enumerate().map(group).collect(), has_more, total })
}

/// Keeps only the first groups that together make a share of the sum of all.
fn truncate(placed: &mut Vec<(Place, usize)>, figures: &Figures, share: f64) {
    let sums = &figures.resources[0].exact_sums;
    let (mut total, mut sum) = (ExactSum::default(), ExactSum::default());
    for (_, group) in &*placed {
        total.merge(&sums[*group]);
    }
    let wanted = total.value() * share;
    let is_short = |(_, group): &(Place, usize)| {
        let is_short = sum.value() < wanted;
        sum.merge(&sums[*group]);
        is_short
    };
    let len = placed.iter().map(is_short).take_while(|is_short| *is_short).count();
    placed.truncate(len);
}

/// The groups of a page.
struct Page<'a> {
    db: &'a Store,
    scan: &'a Scan<'a, Store>,
    extent: Extent,
    predicate: Arc<Predicate>,
    grouping: &'a Grouping,
    codes: &'a [u64],
}

impl Page<'_> {
    /// Returns the condition that metrics match, and refer to what the groups are of.
    fn narrowed(&self) -> Arc<Predicate> {
        let references = self.grouping.references(self.codes).into_iter();
        let among =
            references.map(|(dimension, keys)| Predicate::Among(dimension, Arc::new(keys.into_iter().collect())));
        Arc::new(Predicate::all(among.chain([Predicate::clone(&self.predicate)])))
    }

    /// Computes what is wanted of these groups alone.
    async fn figures(&self, wanted: &Selected) -> Result<(Plan, Figures), AggregateError> {
        let plan = Plan::of(None, wanted);
        if self.codes.is_empty() {
            return Ok((plan, Figures::default()));
        }
        let (grouping, budget) = (self.grouping.only(self.codes), self.db.history.budget());
        let figures = Figures::of(self.scan, &self.narrowed(), grouping, &plan.wanted, budget).await?;
        Ok((plan, figures))
    }

    /// Counts what is distinct in each of these groups, for each dimension.
    async fn distinct(&self, dimensions: &[Dimension]) -> Result<Vec<Vec<u64>>, AggregateError> {
        let mut counts = Vec::with_capacity(dimensions.len());
        if dimensions.is_empty() {
            return Ok(counts);
        }
        let (grouping, predicate) = (self.grouping.only(self.codes), self.narrowed());
        for dimension in dimensions {
            let (key, things) = resolved(self.db, &GroupBy::By(*dimension), &self.extent).await?;
            let budget = self.db.history.budget();
            counts.push(distinct(self.scan, &predicate, &grouping, key, things.nothing(), budget).await?);
        }
        Ok(counts)
    }
}

/// Returns the values of `resource` of the metrics that match `filter`, in the order in which the tests began; at once in the order
/// of insertion.
///
/// # Errors
/// If there are too many, or the database fails.
pub async fn values(db: &Store, filter: &Tree<Filter>, resource: Resource) -> Result<Vec<Value>, DbErr> {
    let scan = Scan::begin(db, &db.history).await?;
    values_of(&scan, resolve(db, filter).await?, resource).await
}
