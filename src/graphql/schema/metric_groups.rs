//! Aggregates: metrics by group.

use async_graphql::{Context, Enum, InputObject, Object};
use entity::query::groups::{OrderBy, Question, Statistic, groups};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        limits::{DEFAULT_ROWS, GROUPS_PER_ROW},
        lists::{
            connection::row_limit,
            filter::{Direction, Where},
            resource::Resource,
        },
        schema::{
            dimension::{GroupBy, check_keys},
            metric_group::Shared,
            metric_group_connection::{MetricGroupConnection, selected},
            metric_group_cursor::decode_cursor,
            metric_where::MetricWhere,
            statistics::check_percentile,
        },
        state::state_of,
    },
};

/// Sort keys of groups of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum MetricGroupOrderField {
    /// What they are grouped by, one after the other: periods by time, texts and nouns by name; sessions, builds and
    /// contexts in order of arrival. What there is none of comes last.
    Name,
    /// The number of metrics.
    Count,
    /// When the first test began.
    FirstSeen,
    /// When the last test began.
    LastSeen,
    /// The sum of `resource`.
    Sum,
    /// The mean of `resource`.
    Mean,
    /// The least value of `resource`.
    Min,
    /// The greatest value of `resource`.
    Max,
    /// The sample standard deviation of `resource`.
    StandardDeviation,
    /// The median of `resource`.
    Median,
    /// The first quartile of `resource`.
    FirstQuartile,
    /// The third quartile of `resource`.
    ThirdQuartile,
    /// The 90th percentile of `resource`.
    P90,
    /// The 95th percentile of `resource`.
    P95,
    /// The 99th percentile of `resource`.
    P99,
    /// The percentile `p` of `resource`.
    Percentile,
}

/// Sort order of groups of metrics. Groups without such a value come last, in either direction. Equal ones are in order of
/// what they are grouped by: nouns by arrival, texts and times ascending.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct MetricGroupOrder {
    /// The sort key.
    by: MetricGroupOrderField,
    /// The resource, for sort keys that are statistics of one; the others are not changed by it.
    resource: Option<Resource>,
    /// Which percentile, a ratio from 0 to 1, for `PERCENTILE`.
    p: Option<f64>,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl MetricGroupOrder {
    /// Checks the order.
    ///
    /// # Errors
    /// [`crate::error::Code::BadUserInput`] if something is missing or of no use.
    fn check(self) -> Result<OrderBy, Error> {
        let Self { by, resource, p, direction: _ } = self;
        let percentile = match (by, p) {
            (MetricGroupOrderField::Percentile, Some(p)) => Some(check_percentile("orderBy.p", p)?),
            (MetricGroupOrderField::Percentile, None) => {
                return Err(Error::bad_input("orderBy.p: say which percentile, such as 0.95"));
            }
            (_, Some(_)) => return Err(Error::bad_input("orderBy.p: this is for PERCENTILE: leave it out")),
            (_, None) => None,
        };
        let statistic = match by {
            MetricGroupOrderField::Name => Err(OrderBy::Names),
            MetricGroupOrderField::Count => Err(OrderBy::Count),
            MetricGroupOrderField::FirstSeen => Err(OrderBy::FirstSeen),
            MetricGroupOrderField::LastSeen => Err(OrderBy::LastSeen),
            MetricGroupOrderField::Sum => Ok(Statistic::Sum),
            MetricGroupOrderField::Mean => Ok(Statistic::Mean),
            MetricGroupOrderField::Min => Ok(Statistic::Min),
            MetricGroupOrderField::Max => Ok(Statistic::Max),
            MetricGroupOrderField::StandardDeviation => Ok(Statistic::StandardDeviation),
            MetricGroupOrderField::Median => Ok(Statistic::Percentile(0.5)),
            MetricGroupOrderField::FirstQuartile => Ok(Statistic::Percentile(0.25)),
            MetricGroupOrderField::ThirdQuartile => Ok(Statistic::Percentile(0.75)),
            MetricGroupOrderField::P90 => Ok(Statistic::Percentile(0.9)),
            MetricGroupOrderField::P95 => Ok(Statistic::Percentile(0.95)),
            MetricGroupOrderField::P99 => Ok(Statistic::Percentile(0.99)),
            MetricGroupOrderField::Percentile => Ok(Statistic::Percentile(percentile.unwrap_or_default())),
        };
        match (statistic, resource) {
            (Ok(statistic), Some(resource)) => Ok(OrderBy::Of(resource.into(), statistic)),
            (Ok(_), None) => Err(Error::bad_input("orderBy.resource: give the resource of which this is a statistic")),
            (Err(order), _) => Ok(order),
        }
    }
}

/// Checks the share at which a list of groups ends.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if it is out of range, or the order is not by sums, greatest first.
fn check_share(share: Option<f64>, order: OrderBy, direction: Direction) -> Result<Option<f64>, Error> {
    let Some(share) = share else { return Ok(None) };
    if !(share > 0.0 && share <= 1.0) {
        return Err(Error::bad_input(format!(
            "untilShare: give a number greater than 0, up to 1, such as 0.5, not {share}"
        )));
    }
    if !matches!(order, OrderBy::Of(_, Statistic::Sum)) || direction != Direction::Desc {
        return Err(Error::bad_input(
            "untilShare: the groups that make most come first only under orderBy: {by: SUM, direction: DESC}, with a resource",
        ));
    }
    Ok(Some(share))
}

#[derive(Default)]
pub struct MetricGroupQuery;

#[Object]
impl MetricGroupQuery {
    /// Statistics of metrics by group: a group for each combination of what `groupBy` names that occurs. There are at most
    /// 262144 groups. A page has at most 20 times as many of them as other lists have items.
    #[graphql(complexity = "crate::graphql::lists::cost::of_groups(first, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "the arguments of a connection, and those of groups")]
    async fn metric_groups(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Filter: only metrics that match.")] filter: Option<Box<MetricWhere>>,
        #[graphql(desc = "What to group by: one to three things, each of them once.")] group_by: Vec<GroupBy>,
        #[graphql(desc = "Sort order. Default: by what the metrics are grouped by.")] order_by: Option<
            MetricGroupOrder,
        >,
        #[graphql(desc = "Number of groups to return, 0 to 10000. Default: 50.")] first: Option<i64>,
        #[graphql(desc = "Return groups after this cursor. The cursor must come from a list in the same order.")]
        after: Option<String>,
        #[graphql(
            desc = "End the list as soon as its groups make this share of the sum of all, from 0 to 1. Needs an order by SUM, \
                    descending: then it is the smallest set of groups that does. Empty if the sum of all is not positive."
        )]
        until_share: Option<f64>,
    ) -> FieldResult<MetricGroupConnection> {
        let by = check_keys(group_by)?;
        let direction = order_by.map(|order| order.direction).unwrap_or_default();
        let order = order_by.map_or(Ok(OrderBy::Names), MetricGroupOrder::check)?;
        let until_share = check_share(until_share, order, direction)?;
        let limit = row_limit("first", first, state_of(ctx).max_rows * GROUPS_PER_ROW)?;
        let list = format!("{by:?} {order:?} {direction:?}");
        let after = after.filter(|cursor| !cursor.is_empty());
        let after = after.map(|cursor| decode_cursor(&list, by.len(), &cursor)).transpose()?;
        let is_continued = after.is_some();
        let (wanted, arguments) = selected(&ctx.field());
        let question = Question {
            filter: filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default(),
            by: by.clone(),
            order,
            descending: direction == Direction::Desc,
            after,
            limit: usize::try_from(limit.unwrap_or(DEFAULT_ROWS.unsigned_abs())).unwrap_or(usize::MAX),
            until_share,
            wanted: wanted.clone(),
        };
        let found = Box::pin(groups(&state_of(ctx).database.store, &question)).await.map_err(Error::from)?;
        Ok(MetricGroupConnection::new(found, Shared { by, selected: wanted, list, arguments }, is_continued))
    }
}
