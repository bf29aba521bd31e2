//! Statistics of the metrics of single rows, such as sessions or components.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use crate::{
    filter::Tree,
    history::{AggregateError, Figures, Grouping, Key, NO_GROUP, Scan, Statistics, resolve, totals},
    list::Edge,
    query::{
        Store,
        groups::{
            plan::{Plan, shared, shares},
            question::Selected,
        },
        metrics::parents_of,
    },
    table::metric::{Entity, Filter},
};

/// Statistics of the metrics of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct OfRow {
    /// In the order of [`Selected::resources`].
    pub statistics: Vec<Statistics>,
    /// Shares of the sum of all metrics that match, whatever row they belong to, in the same order: none where not wanted, and
    /// none of nothing.
    pub shares: Vec<Option<f64>>,
}

/// Returns the statistics of the metrics that match `filter` under each of `parents`.
///
/// # Errors
/// If there are too many parents, or the database fails.
pub async fn statistics_under(
    db: &Store,
    edge: Edge<Entity>,
    parents: &[i64],
    filter: &Tree<Filter>,
    wanted: &Selected,
) -> Result<HashMap<i64, OfRow>, AggregateError> {
    let scan = Scan::begin(db, &db.history).await?;
    let (predicate, under) = (resolve(db, filter).await?, parents_of(db, edge, parents).await?);
    let Some(dimension) = under.dimension else { return Ok(HashMap::new()) };
    let mut number_of = BTreeMap::new();
    for parent in parents {
        let next = u32::try_from(number_of.len()).unwrap_or(NO_GROUP);
        number_of.entry(*parent).or_insert(next);
    }
    let first = under.of.keys().min().copied().unwrap_or_default();
    let mut numbers = Vec::new();
    for (child, parent) in &under.of {
        let Ok(index) = usize::try_from(child - first) else { continue };
        if numbers.len() <= index {
            numbers.resize(index + 1, NO_GROUP);
        }
        numbers[index] = number_of.get(parent).copied().unwrap_or(NO_GROUP);
    }
    let key = Key::Of { dimension, first, numbers: Arc::new(numbers), len: number_of.len() };
    let plan = Plan::of(None, wanted);
    let narrowed = Arc::new(under.narrow(&predicate, |_| true));
    let budget = db.history.budget();
    let figures = Figures::of(&scan, &narrowed, Grouping::dense(vec![key]), &plan.wanted, budget).await?;
    let totals = totals(&scan, &Arc::new(predicate), &shared(wanted), budget).await?;
    let of_row = |(parent, number): (i64, u32)| {
        let statistics = plan.statistics(&figures, number as usize);
        (parent, OfRow { shares: shares(wanted, &statistics, &totals), statistics })
    };
    Ok(number_of.into_iter().map(of_row).collect())
}
