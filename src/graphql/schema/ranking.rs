//! Rankings: the metrics that used most or least of a resource.

use async_graphql::{Context, Enum, Object};
use entity::query::metrics;

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        limits::{DEFAULT_RANKING_ROWS, MAX_ROWS},
        lists::{filter::Where, json_writer::Items, listed::Listed},
        schema::{metric::Metric, metric_where::MetricWhere, resource::Resource},
        state::state_of,
    },
};

/// The direction of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[graphql(remote = "entity::query::metrics::Direction")]
pub enum TopDirection {
    /// Highest values first.
    #[default]
    Highest,
    /// Lowest values first.
    Lowest,
}

#[derive(Default)]
pub struct TopQuery;

#[Object]
impl TopQuery {
    /// The metrics that used most (or least) of a resource. The most extreme comes first; ties are in the order
    /// recorded.
    #[graphql(
        complexity = "crate::graphql::lists::cost::cost(Some(first.unwrap_or(DEFAULT_RANKING_ROWS)), None, child_complexity)"
    )]
    async fn top_metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The resource to rank by.")] resource: Resource,
        #[graphql(
            desc = "Whether the highest or the lowest values come first.",
            default_with = "Some(TopDirection::Highest)"
        )]
        direction: Option<TopDirection>,
        #[graphql(name = "where", desc = "Filter: return only items that match.")] filter: Option<MetricWhere>,
        #[graphql(
            desc = "Number of items to return, 0 to 500. Greater values are treated as 500.",
            default_with = "Some(DEFAULT_RANKING_ROWS)"
        )]
        first: Option<i64>,
    ) -> FieldResult<Items<Metric>> {
        let direction = direction.unwrap_or_default().into();
        let first = first.unwrap_or(DEFAULT_RANKING_ROWS);
        let limit = u64::try_from(first.min(MAX_ROWS))
            .map_err(|_| Error::bad_input(format!("first: give a number from 0 to {MAX_ROWS}, not {first}")))?;
        let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
        let rows = metrics::top(&state_of(ctx).database.store, resource.into(), direction, &filter, limit).await;
        Ok(Metric::from_rows(ctx, rows.map_err(Error::from)?).await?.into())
    }
}
