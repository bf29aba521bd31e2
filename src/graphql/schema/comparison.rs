//! Comparisons: the same tests on two sides.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object};
use entity::query::comparison::{self as query, ComparisonError, MAX_COMPARED, OrderBy, PageOf, Question, compare};

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        limits::{DEFAULT_ROWS, GROUPS_PER_ROW, SCAN_COST},
        lists::{
            connection::row_limit,
            filter::{Direction, Where as _},
            resource::Resource,
        },
        schema::{
            comparison_summary::{ComparisonSummary, Confounders},
            metric_where::MetricWhere,
            selection::Selection,
            variant_comparison::{ChangeStatus, VariantPresence},
            variant_comparison_connection::{VariantComparisonConnection, decode_cursor, selected},
        },
        state::state_of,
    },
};

/// Sort keys of compared variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum VariantComparisonOrderField {
    /// When the variant first appeared in a request.
    FirstSeen,
    /// The location of the variant, then its name.
    Name,
    /// `adjustedP`, then `p`.
    P,
    /// `ratio`.
    Ratio,
    /// `difference`.
    Difference,
    /// The median before.
    MedianBefore,
    /// The median after.
    MedianAfter,
}

/// Sort order of compared variants. Those without such a value come last, in either direction. Equal ones are in order of
/// arrival of variants.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct VariantComparisonOrder {
    /// The sort key.
    by: VariantComparisonOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<VariantComparisonOrderField> for OrderBy {
    fn from(field: VariantComparisonOrderField) -> Self {
        match field {
            VariantComparisonOrderField::FirstSeen => Self::FirstSeen,
            VariantComparisonOrderField::Name => Self::Name,
            VariantComparisonOrderField::P => Self::P,
            VariantComparisonOrderField::Ratio => Self::Ratio,
            VariantComparisonOrderField::Difference => Self::Difference,
            VariantComparisonOrderField::MedianBefore => Self::MedianBefore,
            VariantComparisonOrderField::MedianAfter => Self::MedianAfter,
        }
    }
}

/// A comparison of two sides, which were read together.
pub struct Comparison {
    found: Arc<query::Comparison>,
    resource: Resource,
}

/// The same tests on two sides, before and after: by variant and machine class, since only measurements of one class can
/// be compared.
#[Object]
impl Comparison {
    /// The figures of both sides, and how many variants changed.
    async fn summary(&self) -> ComparisonSummary {
        ComparisonSummary::of(&self.found)
    }

    /// What else differs between the sides, and so may be the reason for what changed.
    async fn confounders(&self) -> Confounders {
        Confounders(Arc::clone(&self.found))
    }

    /// The variants with metrics on a side, each once for each machine class. A page has at most 20 times as many of
    /// them as other lists have items.
    #[graphql(complexity = "crate::graphql::lists::cost::of_compared(first, child_complexity)")]
    #[allow(clippy::too_many_arguments, reason = "the arguments of a connection, and its filters")]
    async fn variants(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "status", desc = "Filter: only those with one of these.")] changes: Option<Vec<ChangeStatus>>,
        #[graphql(desc = "Filter: only those with one of these, on machine classes that both sides have.")]
        presence: Option<Vec<VariantPresence>>,
        #[graphql(desc = "Sort order. Default: by first appearance.")] order_by: Option<VariantComparisonOrder>,
        #[graphql(desc = "Number of variants to return, 0 to 10000. Default: 50.")] first: Option<i64>,
        #[graphql(desc = "Return variants after this cursor. The cursor must come from a list in the same order.")]
        after: Option<String>,
    ) -> FieldResult<VariantComparisonConnection> {
        let state = state_of(ctx);
        let order = order_by.unwrap_or(VariantComparisonOrder {
            by: VariantComparisonOrderField::FirstSeen,
            direction: Direction::Asc,
        });
        let limit = row_limit("first", first, state.max_rows * GROUPS_PER_ROW)?;
        let list = format!("{:?} {:?} {:?}", self.resource, order.by, order.direction);
        let after = after.filter(|cursor| !cursor.is_empty());
        let after = after.map(|cursor| decode_cursor(&list, &cursor)).transpose()?;
        let is_continued = after.is_some();
        let wanted = selected(&ctx.field());
        let page = PageOf {
            judgements: changes.map(|all| all.into_iter().map(Into::into).collect()),
            presences: presence.map(|all| all.into_iter().map(Into::into).collect()),
            order: order.by.into(),
            descending: order.direction == Direction::Desc,
            after,
            limit: usize::try_from(limit.unwrap_or(DEFAULT_ROWS.unsigned_abs())).unwrap_or(usize::MAX),
            findings: wanted.findings,
            intervals: wanted.intervals,
        };
        let found = Box::pin(self.found.page(&state.database.store, &page)).await.map_err(Error::from)?;
        Ok(VariantComparisonConnection::new(found, list, is_continued))
    }
}

#[derive(Default)]
pub struct ComparisonQuery;

#[Object]
impl ComparisonQuery {
    /// Compares the same tests on two sides: what became slower, what uses more memory, what is new. Both sides are read at
    /// once. No metric may be on both sides, and there are at most 1048576 on both together.
    #[graphql(complexity = "child_complexity.saturating_add(SCAN_COST)")]
    async fn comparison(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is compared with.")] before: Selection,
        #[graphql(desc = "What is compared.")] after: Selection,
        #[graphql(desc = "The resource.")] resource: Resource,
        #[graphql(name = "where", desc = "Filter: only metrics that match, on both sides.")] filter: Option<
            Box<MetricWhere>,
        >,
    ) -> FieldResult<Comparison> {
        let (before, without_before) = before.check(ctx, "before")?;
        let (after, without_after) = after.check(ctx, "after")?;
        let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
        let question = Question { before, after, resource: resource.into(), filter };
        let refused = |error| match error {
            ComparisonError::NoSessions(false) => Error::bad_input(format!("before.{without_before}")),
            ComparisonError::NoSessions(true) => Error::bad_input(format!("after.{without_after}")),
            ComparisonError::Overlap => Error::bad_input(
                "before, after: the same metrics are on both sides: choose sides that have no session in common, or conditions that \
                 keep them apart",
            ),
            ComparisonError::TooMany => Error::new(
                Code::LimitExceeded,
                format!(
                    "before, after: there are more than {MAX_COMPARED} metrics on both sides: choose fewer sessions, or fewer tests \
                     with where"
                ),
            ),
            ComparisonError::Database(error) => error.into(),
        };
        let found = Box::pin(compare(&state_of(ctx).database.store, &question)).await.map_err(refused)?;
        Ok(Comparison { found, resource })
    }
}
