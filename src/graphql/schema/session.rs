//! Sessions: one pytest run, or one worker of a parallel run.

use std::{collections::HashMap, ops::Range};

use async_graphql::{Context, Enum, ID, InputObject, parser::types::SelectionSet};
use entity::{
    announced, edges,
    filter::Tree,
    list,
    table::{
        build as build_row, execution_context as context_row, metric as metric_row, pipeline as pipeline_row,
        session as row,
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
        limits::MAX_FILTER_TAGS,
        lists::{
            connection::Parent,
            dataloader::{Loaders, load_cached, loaders_of},
            filter::{Connectives, DateTimeFilter, Direction, StringFilter, Where, check},
            json_writer::{JsonList, can_write, write_list},
            listed::{Exposed, Listed, SelectionContext, WritableEdge, WriteEdge},
            loader_keys::{RowById, TagById, TagIdsBySession},
            object::graph_object,
            page::announced_page,
        },
        live::feed::Live,
        scalars::{Int, LocalDateTime},
        schema::{build::Build, global_id::global_id, pipeline::Pipeline, statistics, tag::Tag},
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
        Ok(state_of(ctx).caches().lists.count::<row::Entity>(&state_of(ctx).database.store, filter).await?)
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

/// Filter for sessions. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct SessionWhere {
    /// All of these filters must match.
    and: Option<Vec<SessionWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<SessionWhere>>,
    /// This filter must not match.
    not: Option<Box<SessionWhere>>,
    /// Filter by hash.
    hash: Option<StringFilter>,
    /// The revision under test, as the version control system names it.
    scm_ref: Option<StringFilter>,
    /// Filter by the name of the pipeline.
    pipeline: Option<StringFilter>,
    /// Filter by the name of the build.
    build: Option<StringFilter>,
    /// Start time of the run, on the clock of its machine.
    run_date: Option<DateTimeFilter>,
    /// Filter by tags.
    tagged: Option<TaggedFilter>,
}

/// Filter for the tags of a session.
#[derive(Debug, Clone, InputObject)]
pub struct TaggedFilter {
    /// Names of the tags, at most 100. If empty, every session matches.
    names: Option<Vec<String>>,
    /// Values, paired with the names by position. An empty or missing value matches any value except the empty text.
    values: Option<Vec<String>>,
    /// Whether one matching tag is enough, or all must match.
    #[graphql(default)]
    method: Match,
}

/// How several conditions are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub enum Match {
    /// At least one must match.
    #[default]
    MatchAny,
    /// All must match.
    MatchAll,
}

impl TaggedFilter {
    /// Splits the tags into those that must all match, and those of which one must match.
    fn split(self) -> Result<(Vec<row::Tagged>, Vec<row::Tagged>), Error> {
        let Self { names, values, method } = self;
        if names.as_ref().is_some_and(|names| names.len() > MAX_FILTER_TAGS) {
            return Err(Error::bad_input(format!("where.tagged.names: at most {MAX_FILTER_TAGS} tags at a time")));
        }
        let values = values.unwrap_or_default().into_iter().map(Some).chain(std::iter::repeat(None));
        let pairs = names.unwrap_or_default().into_iter().zip(values);
        let tagged =
            pairs.map(|(name, value)| row::Tagged { name, value: value.filter(|text| !text.is_empty()) }).collect();
        match method {
            Match::MatchAny => Ok((Vec::new(), tagged)),
            Match::MatchAll => Ok((tagged, Vec::new())),
        }
    }
}

impl Where for SessionWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let Self { and, or, not, hash, scm_ref, pipeline, build, run_date, tagged } = self;
        let (tagged_all, tagged_any) = tagged.map(TaggedFilter::split).transpose()?.unwrap_or_default();
        let own = row::Filter {
            hash: check!(hash, "hash"),
            scm_ref: check!(scm_ref, "scmRef"),
            pipeline: check!(pipeline, "pipeline"),
            build: check!(build, "build"),
            run_date: check!(run_date, "runDate"),
            tagged_all,
            tagged_any,
        };
        Ok((own, Connectives { and, or, not }))
    }
}

/// Sort keys of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SessionOrderField {
    /// When the session was announced. Metrics that refer to it may have arrived earlier.
    Announced,
    /// Start time of the run, on the clock of its machine.
    RunDate,
}

/// Sort order of sessions.
#[derive(Debug, Clone, Copy, InputObject)]
pub struct SessionOrder {
    /// The sort key.
    by: SessionOrderField,
    /// The sort direction.
    #[graphql(default)]
    direction: Direction,
}

impl From<SessionOrder> for list::Order<row::Sort> {
    fn from(SessionOrder { by, direction }: SessionOrder) -> Self {
        direction.order(match by {
            SessionOrderField::Announced => row::Sort::Announced,
            SessionOrderField::RunDate => row::Sort::RunDate,
        })
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
