//! Components: the parts of a product that tests measure.

use async_graphql::{Context, ID, InputObject};
use entity::{
    edges,
    filter::Text,
    listing::{self, Builds},
    table::{
        build as build_row, component as row, item as item_row, metric as metric_row, pipeline as pipeline_row,
        variant as variant_row,
    },
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            dataloader::loaders_of,
            filter::{Connectives, StringFilter, Where, check},
            listed::listed_as_row,
            loader_keys::MetricCount,
            object::graph_object,
            page::NamePage,
            page_number::page_number,
        },
        scalars::Int,
        schema::{
            global_id::{find_first, global_id},
            statistics,
        },
        state::state_of,
    },
};

/// A stored component.
pub struct Component(pub row::Model);

listed_as_row!(Component, ComponentWhere);

graph_object! {
    /// A component of the product under test. The component with the empty name stands for tests without a component.
    impl Component {
        scalars {
            /// Global ID of the component.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// Name of the component. Empty for tests without a component.
            fn name(&self) -> &str {
                &self.0.name
            }
        }

        /// Number of metrics recorded for it.
        async fn metric_count(&self, ctx: &Context<'_>) -> FieldResult<Int> {
            Ok(loaders_of(ctx).load(MetricCount::Component(self.0.id)).await?.unwrap_or(0).into())
        }
    }
    ranking {
        /// The metrics of the component that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |component| Parent::Row(edges::METRICS_OF_COMPONENT, component.0.id);
    }
    stats statistics { |component| (edges::METRICS_OF_COMPONENT, component.0.id) }
    /// The metrics of the component.
    list metrics: metric_row::Entity = |component| Parent::Row(edges::METRICS_OF_COMPONENT, component.0.id);
    /// The test functions of the component.
    list items: item_row::Entity = |component| Parent::Row(edges::ITEMS_OF_COMPONENT, component.0.id);
    /// The test functions of the component, with their parameters.
    list variants: variant_row::Entity = |component| Parent::Row(edges::VARIANTS_OF_COMPONENT, component.0.id);
    /// The pipelines in which it was measured.
    list pipelines: pipeline_row::Entity = |component| Parent::Row(edges::PIPELINES_OF_COMPONENT, component.0.id);
    /// The builds in which it was measured.
    list builds: build_row::Entity = |component| Parent::Row(edges::BUILDS_OF_COMPONENT, component.0.id);
}

/// Filter for components. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ComponentWhere {
    /// All of these filters must match.
    and: Option<Vec<ComponentWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<ComponentWhere>>,
    /// This filter must not match.
    not: Option<Box<ComponentWhere>>,
    /// Filter by name.
    name: Option<StringFilter>,
    /// True selects components with a name; false selects the one with the empty name.
    named: Option<bool>,
}

impl Where for ComponentWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { name: check!(self.name, "name"), named: self.named };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct ComponentQuery;

graph_object! {
    impl ComponentQuery {
        /// The component with this name. Null if there is none. The empty name stands for tests without a component.
        async fn component(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The exact name.")] name: String,
        ) -> Option<FieldResult<Component>> {
            let filter = row::Filter { name: Some(Text::equals(name)), named: None };
            find_first(ctx, filter).await
        }
    }
    /// Number of components that match.
    count component_count: row::Entity;
    /// A numbered page of the names of components, in order of their first metrics.
    names component_names: row::Entity = |component| component.0.name;
}

/// Queries of what has measured a component, as REST v1 lists it. A type of its own, because the fields of
/// a type that are functions precede its other fields in the schema.
#[derive(Default)]
pub struct MeasuredComponentQuery;

graph_object! {
    impl MeasuredComponentQuery {
        /// A numbered page of the names of the pipelines in which a component was measured, in order of its first
        /// metrics there.
        async fn component_pipeline_names(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "Exact name of the component.")] component: String,
            #[graphql(desc = "Exact name of a project: only what it measured.")] project: Option<String>,
            #[graphql(desc = "Page number, from 1. Negative numbers count from the last page.", default_with = "Some(1)")] page: Option<i64>,
        ) -> FieldResult<NamePage> {
            let names = listing::pipelines_of_component(&state_of(ctx).database.store, &component, project.as_deref()).await;
            Ok(NamePage::from_names(names.map_err(Error::from)?, page, state_of(ctx).page_size)?)
        }

        /// A numbered page of the names of a pipeline's builds in which a component was measured, in order of its first
        /// metrics there.
        async fn component_build_names(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "Exact name of the component.")] component: String,
            #[graphql(desc = "Exact name of the pipeline.")] pipeline: String,
            #[graphql(desc = "Exact name of a project: only what it measured.")] project: Option<String>,
            #[graphql(desc = "Page number, from 1. Negative numbers count from the last page.", default_with = "Some(1)")] page: Option<i64>,
        ) -> FieldResult<NamePage> {
            let db = &state_of(ctx).database.store;
            let size = state_of(ctx).page_size;
            let Some(builds) = Builds::of(db, &component, &pipeline, project.as_deref()).await.map_err(Error::from)? else {
                return Ok(NamePage::from_names(Vec::new(), page, size)?);
            };
            let caches = state_of(ctx).caches();
            let total = caches.counts.of(db, format!("{builds:?}"), builds.count(db)).await;
            let total = total.map_err(Error::from)?;
            let skip = (page_number(page, total, size)? - 1) * size;
            Ok(NamePage::new(builds.names(db, skip, size).await.map_err(Error::from)?, total, size))
        }

        /// A numbered page of the hashes of a build's sessions in which a component was measured, in order of its first
        /// metrics there.
        async fn component_session_hashes(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "Exact name of the component.")] component: String,
            #[graphql(desc = "Exact name of the pipeline.")] pipeline: String,
            #[graphql(desc = "Exact name of the build.")] build: String,
            #[graphql(desc = "Exact name of a project: only what it measured.")] project: Option<String>,
            #[graphql(desc = "Page number, from 1. Negative numbers count from the last page.", default_with = "Some(1)")] page: Option<i64>,
        ) -> FieldResult<NamePage> {
            let db = &state_of(ctx).database.store;
            let hashes = listing::sessions_of_component(db, &component, &pipeline, &build, project.as_deref()).await;
            Ok(NamePage::from_names(hashes.map_err(Error::from)?, page, state_of(ctx).page_size)?)
        }
    }
    /// All components. Includes the one with the empty name if there are metrics without a component.
    list components: row::Entity = |_| Parent::Root;
}
