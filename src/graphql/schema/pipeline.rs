//! Pipelines, identified by the session tag `pipeline_branch`.

use async_graphql::{Context, ID, InputObject};
use entity::{
    edges,
    filter::Text,
    listing,
    table::{
        build as build_row, metric as metric_row, pipeline as row, project as project_row, run as run_row,
        session as session_row,
    },
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, DateTimeFilter, LatestRunOrder, StringFilter, Where, check},
            listed::listed_as_row,
            loader_keys::load_row,
            object::graph_object,
            page::charge_names,
        },
        schema::{
            global_id::{find_first, global_id},
            project::Project,
            statistics,
        },
        state::state_of,
    },
};

/// A stored pipeline.
pub struct Pipeline(pub row::Model);

listed_as_row!(Pipeline, PipelineWhere, LatestRunOrder);

graph_object! {
    /// A CI pipeline of a project, identified by the session tag `pipeline_branch`.
    impl Pipeline {
        scalars {
            /// Global ID of the pipeline.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The name.
            fn name(&self) -> &str {
                &self.0.name
            }
        }

        /// The project of the pipeline.
        async fn project(&self, ctx: &Context<'_>) -> FieldResult<Project> {
            load_row::<project_row::Entity>(ctx, self.0.project_id).await.map(Project)
        }
    }
    ranking {
        /// The metrics recorded in the pipeline that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |pipeline| Parent::Row(edges::METRICS_OF_PIPELINE, pipeline.0.id);
    }
    stats statistics { |pipeline| (edges::METRICS_OF_PIPELINE, pipeline.0.id) }
    /// The builds of the pipeline, in order of their first sessions.
    list builds: build_row::Entity = |pipeline| Parent::Row(edges::BUILDS_OF_PIPELINE, pipeline.0.id);
    /// The runs of the pipeline.
    list runs: run_row::Entity = |pipeline| Parent::Row(edges::RUNS_OF_PIPELINE, pipeline.0.id);
    /// The sessions of the pipeline, including those without a build number.
    list sessions: session_row::Entity = |pipeline| Parent::Row(edges::SESSIONS_OF_PIPELINE, pipeline.0.id);
    /// The metrics recorded in it.
    list metrics: metric_row::Entity = |pipeline| Parent::Row(edges::METRICS_OF_PIPELINE, pipeline.0.id);
}

/// Filter for pipelines. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct PipelineWhere {
    /// All of these filters must match.
    and: Option<Vec<PipelineWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<PipelineWhere>>,
    /// This filter must not match.
    not: Option<Box<PipelineWhere>>,
    /// Filter by name.
    name: Option<StringFilter>,
    /// Filter by the name of the project.
    project: Option<StringFilter>,
    /// Start time of the latest run, on the clock of its machine; of the latest session if all of them are in runs of others.
    last_run_date: Option<DateTimeFilter>,
}

impl Where for PipelineWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            name: check!(self.name, "name"),
            project: check!(self.project, "project"),
            last_run_date: check!(self.last_run_date, "lastRunDate"),
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct PipelineQuery;

graph_object! {
    impl PipelineQuery {
        /// The pipeline with this name. Null if there is none.
        async fn pipeline(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The exact name.")] name: String,
            #[graphql(desc = "Exact name of the project. Default: that of the first pipeline with this name.")]
            project: Option<String>,
        ) -> Option<FieldResult<Pipeline>> {
            let (name, project) = (Some(Text::equals(name)), project.map(Text::equals));
            find_first(ctx, row::Filter { name, project, last_run_date: None }).await
        }

        /// The names of all pipelines, in order of their first sessions. A name that several projects have appears once.
        #[graphql(complexity = "crate::graphql::lists::cost::cost(Some(crate::graphql::limits::MAX_ROWS), None, 1)")]
        async fn pipeline_names(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "Exact name of a project: only its pipelines.")] project: Option<String>,
        ) -> FieldResult<Vec<String>> {
            let names = listing::pipelines(&state_of(ctx).database.store, project.as_deref()).await.map_err(Error::from)?;
            charge_names(ctx, &names)?;
            Ok(names)
        }
    }
    /// All pipelines.
    list pipelines: row::Entity = |_| Parent::Root;
}
