//! The edges of the graph: the conditions by which rows of one table are found from a row of another.

use sea_orm::sea_query::{Condition, ExprTrait as _, Query};

use crate::{
    column,
    list::Edge,
    table::{
        build, component, component_build, execution_context, item,
        metric::{self, Link},
        pipeline, session, session_context, session_tag, variant,
    },
};

/// The metrics of a session.
pub const METRICS_OF_SESSION: Edge<metric::Entity> = Edge { name: "session.metrics", link: Link::Session };

/// The metrics of an execution context.
pub const METRICS_OF_CONTEXT: Edge<metric::Entity> = Edge { name: "context.metrics", link: Link::Context };

/// The metrics of a variant: its history.
pub const METRICS_OF_VARIANT: Edge<metric::Entity> = Edge { name: "variant.metrics", link: Link::Variant };

/// The metrics of an item.
pub const METRICS_OF_ITEM: Edge<metric::Entity> = Edge { name: "item.metrics", link: Link::Variants(VARIANTS_OF_ITEM) };

/// The metrics of a component.
pub const METRICS_OF_COMPONENT: Edge<metric::Entity> =
    Edge { name: "component.metrics", link: Link::Variants(VARIANTS_OF_COMPONENT) };

/// The metrics of a build.
pub const METRICS_OF_BUILD: Edge<metric::Entity> =
    Edge { name: "build.metrics", link: Link::Sessions(SESSIONS_OF_BUILD) };

/// The metrics of a pipeline.
pub const METRICS_OF_PIPELINE: Edge<metric::Entity> =
    Edge { name: "pipeline.metrics", link: Link::Sessions(SESSIONS_OF_PIPELINE) };

/// The sessions of a build.
pub const SESSIONS_OF_BUILD: Edge<session::Entity> =
    Edge::new("build.sessions", |build| Condition::all().add(column::of(session::Column::BuildId).eq(build)));

/// The sessions of a pipeline, those without a build number included.
pub const SESSIONS_OF_PIPELINE: Edge<session::Entity> = Edge::new("pipeline.sessions", |pipeline| {
    let builds = Query::select()
        .column(build::Column::Id)
        .from(build::Entity)
        .and_where(column::of(build::Column::PipelineId).eq(pipeline))
        .take();
    Condition::all().add(column::of(session::Column::BuildId).in_subquery(builds))
});

/// The sessions with a tag.
pub const SESSIONS_OF_TAG: Edge<session::Entity> = Edge::new("tag.sessions", |tag| {
    let sessions = Query::select()
        .column(session_tag::Column::SessionId)
        .from(session_tag::Entity)
        .and_where(column::of(session_tag::Column::TagId).eq(tag))
        .take();
    Condition::all().add(column::of(session::Column::Id).in_subquery(sessions))
});

/// The sessions that measured something in an execution context.
pub const SESSIONS_OF_CONTEXT: Edge<session::Entity> = Edge::new("context.sessions", |context| {
    let sessions = Query::select()
        .column(session_context::Column::SessionId)
        .from(session_context::Entity)
        .and_where(column::of(session_context::Column::ContextId).eq(context))
        .take();
    Condition::all().add(column::of(session::Column::Id).in_subquery(sessions))
});

/// The contexts in which a session measured something.
pub const CONTEXTS_OF_SESSION: Edge<execution_context::Entity> = Edge::new("session.contexts", |session| {
    let contexts = Query::select()
        .column(session_context::Column::ContextId)
        .from(session_context::Entity)
        .and_where(column::of(session_context::Column::SessionId).eq(session))
        .take();
    Condition::all().add(column::of(execution_context::Column::Id).in_subquery(contexts))
});

/// The pipelines that measured a component.
pub const PIPELINES_OF_COMPONENT: Edge<pipeline::Entity> = Edge::new("component.pipelines", |component| {
    let (of_build, measured) = (build::Column::Id, component_build::Column::BuildId);
    let pipelines = Query::select()
        .column((build::Entity, build::Column::PipelineId))
        .from(component_build::Entity)
        .inner_join(build::Entity, column::of(of_build).eq(column::of(measured)))
        .and_where(column::of(component_build::Column::ComponentId).eq(component))
        .take();
    Condition::all().add(column::of(pipeline::Column::Id).in_subquery(pipelines))
});

/// The builds of a pipeline.
pub const BUILDS_OF_PIPELINE: Edge<build::Entity> =
    Edge::new("pipeline.builds", |pipeline| Condition::all().add(column::of(build::Column::PipelineId).eq(pipeline)));

/// The builds that measured a component.
pub const BUILDS_OF_COMPONENT: Edge<build::Entity> = Edge::new("component.builds", |component| {
    let measured = Query::select()
        .column(component_build::Column::BuildId)
        .from(component_build::Entity)
        .and_where(column::of(component_build::Column::ComponentId).eq(component))
        .take();
    Condition::all().add(column::of(build::Column::Id).in_subquery(measured))
});

/// The components that a build measured.
pub const COMPONENTS_OF_BUILD: Edge<component::Entity> = Edge::new("build.components", |build| {
    let measured = Query::select()
        .column(component_build::Column::ComponentId)
        .from(component_build::Entity)
        .and_where(column::of(component_build::Column::BuildId).eq(build))
        .take();
    Condition::all().add(column::of(component::Column::Id).in_subquery(measured))
});

/// The items of a component.
pub const ITEMS_OF_COMPONENT: Edge<item::Entity> =
    Edge::new("component.items", |component| Condition::all().add(column::of(item::Column::ComponentId).eq(component)));

/// The variants of an item.
pub const VARIANTS_OF_ITEM: Edge<variant::Entity> =
    Edge::new("item.variants", |item| Condition::all().add(column::of(variant::Column::ItemId).eq(item)));

/// The variants of a component.
pub const VARIANTS_OF_COMPONENT: Edge<variant::Entity> = Edge::new("component.variants", |component| {
    Condition::all().add(
        column::of(variant::Column::ItemId).in_subquery(
            Query::select()
                .column(item::Column::Id)
                .from(item::Entity)
                .and_where(column::of(item::Column::ComponentId).eq(component))
                .take(),
        ),
    )
});
