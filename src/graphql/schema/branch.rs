//! Branches of projects, as tags of sessions name them.

use async_graphql::{Context, ID, InputObject};
use entity::{
    edges,
    filter::Text,
    table::{branch as row, metric as metric_row, project as project_row, run as run_row, session as session_row},
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
        },
        schema::{
            global_id::{find_first, global_id},
            project::Project,
            statistics,
        },
    },
};

/// A stored branch.
pub struct Branch(pub row::Model);

listed_as_row!(Branch, BranchWhere, LatestRunOrder);

graph_object! {
    /// A branch of the source of a project, as tags of sessions name it: `branch`, else `git_branch`, else the pipeline
    /// where the CI system is Drone. The setting `--branch-tag` names other tags.
    impl Branch {
        scalars {
            /// Global ID of the branch.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The name, as the tag has it.
            fn name(&self) -> &str {
                &self.0.name
            }
        }

        /// The project of the branch.
        async fn project(&self, ctx: &Context<'_>) -> FieldResult<Project> {
            load_row::<project_row::Entity>(ctx, self.0.project_id).await.map(Project)
        }
    }
    ranking {
        /// The metrics recorded for the branch that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |branch| Parent::Row(edges::METRICS_OF_BRANCH, branch.0.id);
    }
    stats statistics { |branch| (edges::METRICS_OF_BRANCH, branch.0.id) }
    /// The runs of the branch.
    list runs: run_row::Entity = |branch| Parent::Row(edges::RUNS_OF_BRANCH, branch.0.id);
    /// The sessions of the branch.
    list sessions: session_row::Entity = |branch| Parent::Row(edges::SESSIONS_OF_BRANCH, branch.0.id);
    /// The metrics recorded for it.
    list metrics: metric_row::Entity = |branch| Parent::Row(edges::METRICS_OF_BRANCH, branch.0.id);
}

/// Filter for branches. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct BranchWhere {
    /// All of these filters must match.
    and: Option<Vec<BranchWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<BranchWhere>>,
    /// This filter must not match.
    not: Option<Box<BranchWhere>>,
    /// Filter by name.
    name: Option<StringFilter>,
    /// Filter by the name of the project.
    project: Option<StringFilter>,
    /// Start time of the latest run, on the clock of its machine; of the latest session if all of them are in runs of others.
    last_run_date: Option<DateTimeFilter>,
}

impl Where for BranchWhere {
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
pub struct BranchQuery;

graph_object! {
    impl BranchQuery {
        /// The branch with this name. Null if there is none.
        async fn branch(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The exact name.")] name: String,
            #[graphql(desc = "Exact name of the project. The empty name stands for sessions that name no project.", default)]
            project: String,
        ) -> Option<FieldResult<Branch>> {
            let (name, project) = (Some(Text::equals(name)), Some(Text::equals(project)));
            find_first(ctx, row::Filter { name, project, last_run_date: None }).await
        }
    }
    /// All branches, by default in the order of their latest runs.
    list branches: row::Entity = |_| Parent::Root;
}
