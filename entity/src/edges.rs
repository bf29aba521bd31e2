//! The edges of the graph: the conditions by which rows of one table are found from a row of another.

use sea_orm::sea_query::{Condition, ExprTrait as _, Query};

use crate::{
    column,
    list::Edge,
    table::{
        branch, build, component, component_build, execution_context, item, machine_class,
        metric::{self, Link},
        pipeline, run, session, session_context, session_tag, variant,
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

/// The metrics of a run.
pub const METRICS_OF_RUN: Edge<metric::Entity> = Edge { name: "run.metrics", link: Link::Sessions(SESSIONS_OF_RUN) };

/// The metrics of a branch.
pub const METRICS_OF_BRANCH: Edge<metric::Entity> =
    Edge { name: "branch.metrics", link: Link::Sessions(SESSIONS_OF_BRANCH) };

/// The metrics of a project.
pub const METRICS_OF_PROJECT: Edge<metric::Entity> =
    Edge { name: "project.metrics", link: Link::Sessions(SESSIONS_OF_PROJECT) };

/// The metrics of a machine class.
pub const METRICS_OF_MACHINE_CLASS: Edge<metric::Entity> =
    Edge { name: "machine_class.metrics", link: Link::Contexts(CONTEXTS_OF_MACHINE_CLASS) };

/// The sessions of a run.
pub const SESSIONS_OF_RUN: Edge<session::Entity> =
    Edge::new("run.sessions", |run| Condition::all().add(column::of(session::Column::RunId).eq(run)));

/// The sessions of a branch.
pub const SESSIONS_OF_BRANCH: Edge<session::Entity> =
    Edge::new("branch.sessions", |branch| Condition::all().add(column::of(session::Column::BranchId).eq(branch)));

/// The sessions of a project.
pub const SESSIONS_OF_PROJECT: Edge<session::Entity> =
    Edge::new("project.sessions", |project| Condition::all().add(column::of(session::Column::ProjectId).eq(project)));

/// The runs of a project.
pub const RUNS_OF_PROJECT: Edge<run::Entity> =
    Edge::new("project.runs", |project| Condition::all().add(column::of(run::Column::ProjectId).eq(project)));

/// The runs of a pipeline.
pub const RUNS_OF_PIPELINE: Edge<run::Entity> =
    Edge::new("pipeline.runs", |pipeline| Condition::all().add(column::of(run::Column::PipelineId).eq(pipeline)));

/// The runs of a build.
pub const RUNS_OF_BUILD: Edge<run::Entity> =
    Edge::new("build.runs", |build| Condition::all().add(column::of(run::Column::BuildId).eq(build)));

/// The runs of a branch.
pub const RUNS_OF_BRANCH: Edge<run::Entity> =
    Edge::new("branch.runs", |branch| Condition::all().add(column::of(run::Column::BranchId).eq(branch)));

/// The runs that measured something on machines of a class.
pub const RUNS_OF_MACHINE_CLASS: Edge<run::Entity> = Edge::new("machine_class.runs", |class| {
    let runs = Query::select()
        .column((session::Entity, session::Column::RunId))
        .from(session_context::Entity)
        .inner_join(session::Entity, column::of(session::Column::Id).eq(column::of(session_context::Column::SessionId)))
        .inner_join(
            execution_context::Entity,
            column::of(execution_context::Column::Id).eq(column::of(session_context::Column::ContextId)),
        )
        .and_where(column::of(execution_context::Column::MachineClassId).eq(class))
        .take();
    Condition::all().add(column::of(run::Column::Id).in_subquery(runs))
});

/// The contexts in which the sessions of a run measured something.
pub const CONTEXTS_OF_RUN: Edge<execution_context::Entity> = Edge::new("run.contexts", |run| {
    let contexts = Query::select()
        .column((session_context::Entity, session_context::Column::ContextId))
        .from(session::Entity)
        .inner_join(
            session_context::Entity,
            column::of(session_context::Column::SessionId).eq(column::of(session::Column::Id)),
        )
        .and_where(column::of(session::Column::RunId).eq(run))
        .take();
    Condition::all().add(column::of(execution_context::Column::Id).in_subquery(contexts))
});

/// The execution contexts of a machine class.
pub const CONTEXTS_OF_MACHINE_CLASS: Edge<execution_context::Entity> = Edge::new("machine_class.contexts", |class| {
    Condition::all().add(column::of(execution_context::Column::MachineClassId).eq(class))
});

/// The classes of the machines that a run measured something on.
pub const MACHINE_CLASSES_OF_RUN: Edge<machine_class::Entity> = Edge::new("run.machine_classes", |run| {
    let classes = Query::select()
        .column((execution_context::Entity, execution_context::Column::MachineClassId))
        .from(session::Entity)
        .inner_join(
            session_context::Entity,
            column::of(session_context::Column::SessionId).eq(column::of(session::Column::Id)),
        )
        .inner_join(
            execution_context::Entity,
            column::of(execution_context::Column::Id).eq(column::of(session_context::Column::ContextId)),
        )
        .and_where(column::of(session::Column::RunId).eq(run))
        .take();
    Condition::all().add(column::of(machine_class::Column::Id).in_subquery(classes))
});

/// The pipelines of a project.
pub const PIPELINES_OF_PROJECT: Edge<pipeline::Entity> =
    Edge::new("project.pipelines", |project| Condition::all().add(column::of(pipeline::Column::ProjectId).eq(project)));

/// The branches of a project.
pub const BRANCHES_OF_PROJECT: Edge<branch::Entity> =
    Edge::new("project.branches", |project| Condition::all().add(column::of(branch::Column::ProjectId).eq(project)));
