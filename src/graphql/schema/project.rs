//! Projects: what pipelines and branches belong to.

use async_graphql::{Context, ID, InputObject};
use entity::{
    edges,
    filter::Text,
    table::{
        branch as branch_row, metric as metric_row, pipeline as pipeline_row, project as row, run as run_row,
        session as session_row,
    },
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, StringFilter, Where, check},
            listed::listed_as_row,
            object::graph_object,
        },
        schema::{
            global_id::{find_first, global_id},
            statistics,
        },
    },
};

/// A stored project.
pub struct Project(pub row::Model);

listed_as_row!(Project, ProjectWhere);

graph_object! {
    /// A project, usually a repository: the session tag `project`, or `NAME` of the address `/p/NAME/api/v1` that a session
    /// was sent to. The project with the empty name has the sessions that name none.
    impl Project {
        scalars {
            /// Global ID of the project.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The name. Empty for sessions that name no project.
            fn name(&self) -> &str {
                &self.0.name
            }
        }
    }
    ranking {
        /// The metrics recorded in the project that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |project| Parent::Row(edges::METRICS_OF_PROJECT, project.0.id);
    }
    stats statistics { |project| (edges::METRICS_OF_PROJECT, project.0.id) }
    /// The pipelines of the project, in order of their first sessions.
    list pipelines: pipeline_row::Entity = |project| Parent::Row(edges::PIPELINES_OF_PROJECT, project.0.id);
    /// The branches of the project.
    list branches: branch_row::Entity = |project| Parent::Row(edges::BRANCHES_OF_PROJECT, project.0.id);
    /// The runs of the project.
    list runs: run_row::Entity = |project| Parent::Row(edges::RUNS_OF_PROJECT, project.0.id);
    /// The sessions of the project.
    list sessions: session_row::Entity = |project| Parent::Row(edges::SESSIONS_OF_PROJECT, project.0.id);
    /// The metrics recorded in it.
    list metrics: metric_row::Entity = |project| Parent::Row(edges::METRICS_OF_PROJECT, project.0.id);
}

/// Filter for projects. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ProjectWhere {
    /// All of these filters must match.
    and: Option<Vec<ProjectWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<ProjectWhere>>,
    /// This filter must not match.
    not: Option<Box<ProjectWhere>>,
    /// Filter by name.
    name: Option<StringFilter>,
}

impl Where for ProjectWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { name: check!(self.name, "name") };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct ProjectQuery;

graph_object! {
    impl ProjectQuery {
        /// The project with this name. Null if there is none. The empty name stands for sessions that name no project.
        async fn project(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The exact name.")] name: String,
        ) -> Option<FieldResult<Project>> {
            find_first(ctx, row::Filter { name: Some(Text::equals(name)) }).await
        }
    }
    /// All projects.
    list projects: row::Entity = |_| Parent::Root;
}
