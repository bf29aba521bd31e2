//! Sessions: one pytest run, or one worker of a parallel run.

use std::{collections::HashMap, ops::Range};

use async_graphql::{Context, ID, parser::types::SelectionSet};
use entity::{
    announced::{self, Announced as _},
    edges,
    filter::Tree,
    list,
    table::{
        branch as branch_row, build as build_row, execution_context as context_row, metric as metric_row,
        pipeline as pipeline_row, project as project_row, run as run_row, session as row,
    },
    time,
};

use futures_util::future::BoxFuture;

use crate::{
    config::Scope,
    error::Error,
    graphql::{
        directive::access,
        error::FieldResult,
        lists::{
            connection::Parent,
            dataloader::{Loaders, load_cached, loaders_of},
            json_writer::{JsonList, can_write, write_list},
            listed::{Exposed, Listed, SelectionContext, WritableEdge, WriteEdge},
            loader_keys::{RowById, TagById, TagIdsBySession, load_row},
            object::graph_object,
            page::announced_page,
        },
        live::feed::Live,
        scalars::{Int, LocalDateTime},
        schema::{
            branch::Branch,
            build::Build,
            global_id::global_id,
            pipeline::Pipeline,
            project::Project,
            run::Run,
            session_where::{SessionOrder, SessionWhere},
            statistics,
            tag::Tag,
        },
        state::{GraphState, ObjectCaches, state_of},
    },
    ingest::Watermark,
};

/// An announced session.
pub struct Session(row::Model);

impl Session {
    /// Returns the session of a row, if it is announced. Until then only its hash is known, from metrics.
    pub fn announced(row: row::Model) -> Option<Self> {
        row.announced.is_some().then_some(Self(row))
    }

    /// Returns the id of the row.
    pub fn row_id(&self) -> i64 {
        self.0.id
    }
}

impl Exposed for row::Entity {
    type Object = Session;
}

impl Listed for Session {
    type Entity = row::Entity;
    type Where = SessionWhere;
    type OrderBy = SessionOrder;

    async fn from_rows(ctx: &Context<'_>, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        Self::objects(state_of(ctx), loaders_of(ctx), rows).await
    }

    fn edge(field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        if field == "tags" { Some(&SessionTags) } else { None }
    }

    async fn page(
        ctx: &Context<'_>,
        filter: &Tree<row::Filter>,
        number: Option<i64>,
        size: u64,
    ) -> Result<(Vec<row::Model>, u64), Error> {
        announced_page::<Self>(ctx, filter, number, size).await
    }

    async fn count(ctx: &Context<'_>, filter: &Tree<row::Filter>) -> Result<u64, Error> {
        let db = &state_of(ctx).database.store;
        if filter.all(&row::Entity::is_settled) {
            return Ok(state_of(ctx).caches().lists.count::<row::Entity>(db, filter).await?);
        }
        Ok(list::count::<row::Entity>(db, filter).await?)
    }
}

impl Live for Session {
    fn number(latest: &Watermark) -> i64 {
        latest.session
    }

    async fn objects(_: &GraphState, _: &Loaders, rows: Vec<row::Model>) -> Result<Vec<Self>, Error> {
        Ok(rows.into_iter().filter_map(Self::announced).collect())
    }

    fn matches(&self, filter: &row::Filter) -> Option<bool> {
        filter.matches(&self.0)
    }
}

graph_object! {
    /// One run of pytest. With pytest-xdist, each worker has a session of its own, and the controller has one without
    /// metrics.
    impl Session {
        scalars {
            /// Global ID of the session.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// The hash that identifies the session.
            fn hash(&self) -> &str {
                &self.0.hash
            }

            /// Start time of the run, on the clock of its machine.
            fn run_date(&self) -> LocalDateTime {
                // The column is nullable, but announced sessions have a run date.
                LocalDateTime(self.0.run_date().unwrap_or_else(|| time::LocalDateTime::from_parts(0, None)))
            }

            /// The revision under test, as the version control system names it. Null if not sent.
            fn scm_ref(&self) -> Option<&str> {
                self.0.scm_ref.as_deref()
            }

            /// Number of metrics recorded in it. Failed tests, and tests that the plugin does not measure, have none.
            #[graphql(directive = access::apply(Scope::Read))]
            fn metric_count(&self) -> Int {
                self.0.metric_count.into()
            }
        }

        /// The run that the session belongs to.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn run(&self, ctx: &Context<'_>) -> FieldResult<Run> {
            // Announced sessions have one.
            load_row::<run_row::Entity>(ctx, self.0.run_id.unwrap_or_default()).await.map(Run)
        }

        /// The project of the session, from the tag `project` or the address that it was sent to.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn project(&self, ctx: &Context<'_>) -> FieldResult<Project> {
            load_row::<project_row::Entity>(ctx, self.0.project_id.unwrap_or_default()).await.map(Project)
        }

        /// The branch of the session, from its tags. Null if none names it.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn branch(&self, ctx: &Context<'_>) -> Option<FieldResult<Branch>> {
            Some(load_row::<branch_row::Entity>(ctx, self.0.branch_id?).await.map(Branch))
        }

        /// The build of the session, from the tags `pipeline_build_no` and `pipeline_branch`. Null without these tags.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn build(&self, ctx: &Context<'_>) -> Option<FieldResult<Build>> {
            let build = build_row_of(ctx, &self.0).await;
            build.map(|build| build.filter(|build| !build.name.is_empty()).map(Build)).transpose()
        }

        /// The pipeline of the session, from the tag `pipeline_branch`. Null without this tag.
        #[graphql(directive = access::apply(Scope::Read))]
        async fn pipeline(&self, ctx: &Context<'_>) -> Option<FieldResult<Pipeline>> {
            let build = match build_row_of(ctx, &self.0).await.transpose()? {
                Ok(build) => build,
                Err(error) => return Some(Err(error)),
            };
            let pipeline = loaders_of(ctx).load(RowById::<pipeline_row::Entity>::new(build.pipeline_id)).await;
            pipeline.map(|row| row.map(Pipeline)).map_err(Into::into).transpose()
        }
    }
    ranking {
        /// The metrics recorded in the session that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |session| Parent::Row(edges::METRICS_OF_SESSION, session.0.id);
    }
    short {
        /// The tags of the session, in the order announced.
        async fn tags(&self, ctx: &Context<'_>) -> FieldResult<Vec<Tag>> {
            let caches = state_of(ctx).caches();
            let ObjectCaches { tags, session_tags, .. } = &*caches;
            let keys = load_cached(loaders_of(ctx), session_tags, std::iter::once(self.0.id), TagIdsBySession).await?;
            let tags = load_cached(loaders_of(ctx), tags, keys.iter().flat_map(|keys| keys.iter().copied()), TagById).await?;
            Ok(tags.into_iter().map(Tag).collect())
        }
    }
    stats statistics { |session| (edges::METRICS_OF_SESSION, session.0.id) }
    /// The metrics recorded in the session.
    list metrics: metric_row::Entity = |session| Parent::Row(edges::METRICS_OF_SESSION, session.0.id);
    /// The execution contexts in which the session recorded metrics.
    list contexts: context_row::Entity = |session| Parent::Row(edges::CONTEXTS_OF_SESSION, session.0.id);
}

async fn build_row_of(ctx: &Context<'_>, session: &row::Model) -> FieldResult<Option<build_row::Model>> {
    match session.build_id {
        Some(build) => Ok(loaders_of(ctx).load(RowById::<build_row::Entity>::new(build)).await?),
        None => Ok(None),
    }
}

#[derive(Default)]
pub struct SessionQuery;

graph_object! {
    impl SessionQuery {
        /// The announced session with this hash. Null if there is none.
        async fn session(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "The hash that identifies the session.")] hash: String,
        ) -> Option<FieldResult<Session>> {
            let row = announced::by_hash::<row::Entity>(&state_of(ctx).database.store, &hash).await;
            row.map(|row| row.and_then(Session::announced)).map_err(|error| Error::from(error).into()).transpose()
        }
    }
    /// Number of sessions that match.
    count session_count: row::Entity;
    /// A numbered page of sessions, in the order announced.
    page session_page: row::Entity;
    /// A numbered page of the hashes of sessions, in the order announced.
    names session_hashes: row::Entity = |session| session.0.hash;
    /// All sessions.
    list sessions: row::Entity = |_| Parent::Root;
}

/// The edge to the tags of a session. Each tag is written once and copied to all sessions that have it.
pub struct SessionTags;

impl WritableEdge<Session> for SessionTags {
    fn can_write(&self, set: &SelectionSet) -> bool {
        can_write::<Tag>(set)
    }

    fn load<'a>(
        &'a self,
        selection: SelectionContext<'a>,
        sessions: &'a [Session],
    ) -> BoxFuture<'a, FieldResult<WriteEdge<Session>>> {
        Box::pin(async move {
            let caches = state_of(selection.ctx).caches();
            let ObjectCaches { tags, session_tags, .. } = &*caches;
            let ids = sessions.iter().map(Session::row_id);
            let lists = load_cached(loaders_of(selection.ctx), session_tags, ids.clone(), TagIdsBySession).await?;
            let mut keys: Vec<i64> = lists.iter().flat_map(|keys| keys.iter().copied()).collect();
            keys.sort_unstable();
            keys.dedup();
            let tags = load_cached(loaders_of(selection.ctx), tags, keys.iter().copied(), TagById).await?;
            let tags: Vec<Tag> = tags.into_iter().map(Tag).collect();
            let JsonList { json, ranges } = write_list(selection, &tags).await?;
            let ranges: HashMap<i64, Range<usize>> = keys.into_iter().zip(ranges).collect();
            let lists: HashMap<i64, _> = ids.zip(lists).collect();
            Ok(Box::new(move |session: &Session, out: &mut Vec<u8>| {
                out.push(b'[');
                for (i, tag) in lists[&session.row_id()].iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&json[ranges[tag].clone()]);
                }
                out.push(b']');
            }) as WriteEdge<Session>)
        })
    }
}
