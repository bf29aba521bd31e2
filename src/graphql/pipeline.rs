//! Pipelines: as the session tag `pipeline_branch` names them.

use async_graphql::{Context, Enum, ID, InputObject};
use entity::{
    build as build_row,
    filter::{Text, Tree},
    list, metric as metric_row, pipeline as row, session as session_row,
};

use super::{
    Answer,
    build::Build,
    filter::{Connectives, Direction, StringFilter, Where, check},
    metric::Metric,
    node,
    paging::{Listed, Of, graph_object},
    served,
    session::Session,
};
use crate::error::Error;

/// A stored pipeline.
pub struct Pipeline(pub row::Model);

impl Listed for Pipeline {
    type Entity = row::Entity;
    type Where = PipelineWhere;
    type OrderBy = PipelineOrder;

    async fn from_rows(_: &Context<'_>, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        Ok(rows.into_iter().map(Self).collect())
    }

    async fn count(ctx: &Context<'_>, filter: &Tree<row::Filter>) -> Result<u64, Error> {
        Ok(list::count::<row::Entity>(&served(ctx).database.reader, filter).await?)
    }
}

graph_object! {
    /// A CI pipeline, as the session tag `pipeline_branch` names it.
    impl Pipeline {
        /// The pipeline's key among all objects.
        pub(super) async fn id(&self) -> ID {
            node::global_id::<Self>(self.0.id)
        }

        /// Its name.
        async fn name(&self) -> &str {
            &self.0.name
        }
    }
    /// Its builds, in order of their first sessions.
    list builds: Build = |pipeline| Of::Parent(build_row::OF_PIPELINE, pipeline.0.id);
    /// Its sessions, those without a build number included.
    list sessions: Session = |pipeline| Of::Parent(session_row::OF_PIPELINE, pipeline.0.id);
    /// What was measured in it.
    list metrics: Metric = |pipeline| Of::Parent(metric_row::OF_PIPELINE, pipeline.0.id);
}

/// Which pipelines. Every condition given must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct PipelineWhere {
    /// All of these must hold.
    and: Option<Vec<PipelineWhere>>,
    /// At least one of these must hold.
    or: Option<Vec<PipelineWhere>>,
    /// This must not hold.
    not: Option<Box<PipelineWhere>>,
    /// The name.
    name: Option<StringFilter>,
}

impl Where for PipelineWhere {
    type Filter = row::Filter;

    fn parts(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter { name: check!(self.name, "name") };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// What pipelines can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum PipelineOrderField {
    /// When the server first heard of them.
    FirstSeen,
}

/// The order of a list of pipelines.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct PipelineOrder {
    /// What to order by.
    by: PipelineOrderField,
    /// Which way.
    #[graphql(default)]
    direction: Direction,
}

impl From<PipelineOrder> for list::Order<row::Sort> {
    fn from(PipelineOrder { by, direction }: PipelineOrder) -> Self {
        direction.of(match by {
            PipelineOrderField::FirstSeen => row::Sort::FirstSeen,
        })
    }
}

#[derive(Default)]
pub struct PipelineQuery;

graph_object! {
    impl PipelineQuery {
        /// The pipeline with this name, null when there is none.
        async fn pipeline(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The exact name.")] name: String,
        ) -> Option<Answer<Pipeline>> {
            node::find_first(ctx, row::Filter { name: Some(Text::equals(name)) }).await
        }

        /// The names of all pipelines, in order of their first sessions.
        async fn pipeline_names(&self, ctx: &Context<'_>) -> Answer<Vec<String>> {
            Ok(row::names(&served(ctx).database.reader).await.map_err(Error::from)?)
        }
    }
    /// All pipelines.
    list pipelines: Pipeline = |_| Of::Everyone;
}
