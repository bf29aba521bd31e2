//! Rankings: the metrics that used most or least of a resource.

use async_graphql::{Context, Enum};
use entity::{
    filter::Tree,
    query::metrics::{self, Ranking},
    table::metric,
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        limits::{DEFAULT_RANKING_ROWS, MAX_ROWS},
        lists::{
            connection::Parent,
            dataloader::loaders_of,
            filter::Where,
            json_writer::Items,
            listed::{Listed, ObjectOf, WhereOf},
            loader_keys::ChildRanking,
            resource::Resource,
        },
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

/// Things of which each is in a ranking once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum DistinctBy {
    /// Variants: of each test, with its parameters, only the most extreme metric.
    Variant,
}

/// The arguments of a ranking.
pub struct RankingArguments {
    pub resource: Resource,
    pub direction: Option<TopDirection>,
    pub distinct: Option<DistinctBy>,
    pub filter: Option<Box<WhereOf<metric::Entity>>>,
    pub first: Option<i64>,
}

impl RankingArguments {
    /// Reads the ranking.
    pub async fn read(
        self,
        ctx: &Context<'_>,
        parent: Parent<metric::Entity>,
    ) -> FieldResult<Items<ObjectOf<metric::Entity>>> {
        let Self { resource, direction, distinct, filter, first } = self;
        let first = first.unwrap_or(DEFAULT_RANKING_ROWS);
        let limit = u64::try_from(first.min(MAX_ROWS))
            .map_err(|_| Error::bad_input(format!("first: give a number from 0 to {MAX_ROWS}, not {first}")))?;
        let mut ranking = Ranking {
            resource: resource.into(),
            direction: direction.unwrap_or_default().into(),
            distinct_variants: distinct == Some(DistinctBy::Variant),
            filter: filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default(),
            limit,
        };
        let rows = match parent {
            Parent::Computed(own, id) => {
                let own = own(ctx, id).await?;
                ranking.filter = Tree { and: vec![ranking.filter], ..own.into() };
                metrics::top(&state_of(ctx).database.store, &ranking).await.map_err(Error::from)?
            }
            Parent::Root => metrics::top(&state_of(ctx).database.store, &ranking).await.map_err(Error::from)?,
            Parent::Row(edge, id) => {
                loaders_of(ctx).load(ChildRanking::key(edge, id, &ranking)).await?.unwrap_or_default()
            }
        };
        Ok(ObjectOf::<metric::Entity>::from_rows(ctx, rows).await?.into())
    }
}
