//! The schema: object types, queries, mutations and subscriptions.

pub mod announce;
pub mod audit;
pub mod branch;
pub mod build;
pub mod comparison;
pub mod comparison_summary;
pub mod component;
pub mod deletion;
pub mod dimension;
pub mod execution_context;
pub mod global_id;
pub mod history_point;
pub mod hub;
pub mod item;
pub mod machine_class;
pub mod metric;
pub mod metric_group;
pub mod metric_group_connection;
pub mod metric_group_cursor;
pub mod metric_group_json;
pub mod metric_groups;
pub mod metric_input;
pub mod metric_where;
pub mod node;
pub mod pipeline;
pub mod project;
pub mod ranking;
pub mod record;
mod record_missing;
pub mod run;
pub mod run_progress;
pub mod run_where;
pub mod selection;
pub mod session;
pub mod session_where;
pub mod statistics;
pub mod tag;
pub mod user_error;
pub mod variant;
pub mod variant_comparison;
pub mod variant_comparison_connection;
pub mod variant_comparison_json;

use async_graphql::{MergedObject, MergedSubscription, Schema, SchemaBuilder};

use crate::{config::Scope, graphql::directive::access};

/// Read operations.
#[derive(Default, MergedObject)]
#[graphql(directive = access::apply(Scope::Read))]
pub struct Query(
    node::NodeQuery,
    session::SessionQuery,
    execution_context::ContextQuery,
    metric::MetricQuery,
    ranking::TopQuery,
    metric_groups::MetricGroupQuery,
    comparison::ComparisonQuery,
    component::ComponentQuery,
    component::MeasuredComponentQuery,
    item::ItemQuery,
    variant::VariantQuery,
    project::ProjectQuery,
    pipeline::PipelineQuery,
    build::BuildQuery,
    branch::BranchQuery,
    run::RunQuery,
    machine_class::MachineClassQuery,
    tag::TagQuery,
    audit::AuditQuery,
);

/// Write operations. A successful response means that the data is on disk.
#[derive(Default, MergedObject)]
#[graphql(directive = access::apply(Scope::Ingest))]
pub struct Mutation(
    announce::SessionMutation,
    announce::ContextMutation,
    record::RecordMutation,
    record_missing::RecordMissingMutation,
    deletion::DeletionMutation,
);

/// Events, pushed as they are recorded.
#[derive(Default, MergedSubscription)]
pub struct Subscription(record::RecordSubscription, run_progress::RunSubscription);

/// The executable schema.
pub type ExecutableSchema = Schema<Query, Mutation, Subscription>;

/// Returns the builder of an executable schema.
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
}

/// Returns the schema in the schema definition language.
pub fn sdl() -> String {
    builder().finish().sdl()
}
