//! Builds, identified by the session tag `pipeline_build_no` within a pipeline.

use async_graphql::{Context, ID, InputObject, OneofObject};
use entity::{
    edges,
    filter::{Text, Tree},
    table::{
        build as row, component as component_row, metric as metric_row, pipeline as pipeline_row, run as run_row,
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
            page::{NamePage, Page},
        },
        schema::{
            global_id::{find_by_id, find_first, global_id},
            pipeline::Pipeline,
            statistics,
        },
    },
};

/// A stored build.
pub struct Build(pub row::Model);

listed_as_row!(Build, BuildWhere, LatestRunOrder);

graph_object! {
    /// A build of a CI pipeline, identified by the session tag `pipeline_build_no`.
    impl Build {
        scalars {
            /// Global ID of the build.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// Name of the build, usually a number. Empty for sessions of a pipeline without a build number.
            fn name(&self) -> &str {
                &self.0.name
            }
        }

        /// The pipeline of the build.
        async fn pipeline(&self, ctx: &Context<'_>) -> FieldResult<Pipeline> {
            load_row::<pipeline_row::Entity>(ctx, self.0.pipeline_id).await.map(Pipeline)
        }
    }
    ranking {
        /// The metrics recorded in the build that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |build| Parent::Row(edges::METRICS_OF_BUILD, build.0.id);
    }
    stats statistics { |build| (edges::METRICS_OF_BUILD, build.0.id) }
    /// The runs of the build: one, unless the tag `run_id` divides its sessions.
    list runs: run_row::Entity = |build| Parent::Row(edges::RUNS_OF_BUILD, build.0.id);
    /// The sessions of the build.
    list sessions: session_row::Entity = |build| Parent::Row(edges::SESSIONS_OF_BUILD, build.0.id);
    /// The components measured in the build.
    list components: component_row::Entity = |build| Parent::Row(edges::COMPONENTS_OF_BUILD, build.0.id);
    /// The metrics recorded in it.
    list metrics: metric_row::Entity = |build| Parent::Row(edges::METRICS_OF_BUILD, build.0.id);
}

/// Filter for builds. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct BuildWhere {
    /// All of these filters must match.
    and: Option<Vec<BuildWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<BuildWhere>>,
    /// This filter must not match.
    not: Option<Box<BuildWhere>>,
    /// Filter by name.
    name: Option<StringFilter>,
    /// Filter by the name of the pipeline.
    pipeline: Option<StringFilter>,
    /// Filter by the name of the project.
    project: Option<StringFilter>,
    /// Start time of the latest run, on the clock of its machine; of the latest session if all of them are in runs of others.
    last_run_date: Option<DateTimeFilter>,
}

impl Where for BuildWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            name: check!(self.name, "name"),
            pipeline: check!(self.pipeline, "pipeline"),
            project: check!(self.project, "project").filter(|project| *project != Text::default()),
            last_run_date: check!(self.last_run_date, "lastRunDate"),
            first_of_name: None,
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// A build, identified by the names of its pipeline and itself.
#[derive(Debug, InputObject)]
pub struct BuildName {
    /// Name of the pipeline, from the tag `pipeline_branch`.
    pub pipeline: String,
    /// Name of the build, from the tag `pipeline_build_no`.
    pub name: String,
    /// Name of the project. Default: any; of several builds with these names, the first.
    pub project: Option<String>,
}

impl From<BuildName> for row::Filter {
    fn from(BuildName { pipeline, name, project }: BuildName) -> Self {
        let (name, pipeline) = (Some(Text::equals(name)), Some(Text::equals(pipeline)));
        Self { name, pipeline, project: project.map(Text::equals), ..Self::default() }
    }
}

/// What a build is looked up by: one of these.
#[derive(Debug, OneofObject)]
pub enum BuildBy {
    /// The `id` of the build.
    Id(ID),
    /// Its names.
    Named(BuildName),
}

#[derive(Default)]
pub struct BuildQuery;

graph_object! {
    impl BuildQuery {
        /// A build. Null if there is none.
        async fn build(&self, ctx: &Context<'_>, #[graphql(desc = "What to look it up by.")] by: BuildBy) -> Option<FieldResult<Build>> {
            match by {
                BuildBy::Id(id) => find_by_id(ctx, &id).await,
                BuildBy::Named(name) => find_first(ctx, name.into()).await,
            }
        }

        /// A numbered page of the names of builds, in order of their first sessions. A name that a pipeline's namesakes in
        /// several projects have appears once for them.
        async fn build_names(
            &self,
            ctx: &Context<'_>,
            #[graphql(name = "where", desc = "Filter: return only items that match.")] filter: Option<BuildWhere>,
            #[graphql(desc = "Page number, from 1. Negative numbers count from the last page.", default_with = "Some(1)")] page: Option<i64>,
        ) -> FieldResult<NamePage> {
            let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
            let own = row::Filter { first_of_name: Some(Box::new(filter.clone())), ..row::Filter::default() };
            let builds = Page::<Build>::of(ctx, &Tree { and: vec![filter], ..own.into() }, page).await?;
            Ok(NamePage::from_page(builds, |build| build.0.name))
        }
    }
    /// All builds with a build number.
    list builds: row::Entity = |_| Parent::Root;
}
