//! Subscriptions to announced sessions and to the progress of a run.

use std::sync::Arc;

use async_graphql::{Context, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt as _};

use crate::{
    config::Scope,
    error::Error,
    graphql::{
        directive::access,
        error::FieldError,
        live::{
            feed,
            run_watcher::{Progress, Run, RunWatchers},
        },
        scalars::Int,
        schema::{build::BuildName, metric::Metric, session::Session, session_where::SessionWhere},
        state::shared_state,
    },
};

/// Progress of a run.
#[derive(SimpleObject)]
pub struct RunProgress {
    /// Number of measurements recorded so far.
    tests_seen: Int,
    /// Number of measurements of the previous run. Null if there is no comparable run. For a session, the previous run
    /// is the session announced last before it whose first measurement was of the same component, in another build of
    /// the same pipeline (or also without a pipeline). For a build, it is the last earlier build of the pipeline that
    /// measured every component measured so far.
    tests_expected: Option<Int>,
    /// Time from the start of the run to the end of its latest test, in seconds, pauses included. If the start is
    /// unknown, it counts from the first measurement. Times are those of the workers' clocks, which tests may change,
    /// so implausible steps are ignored. A step is implausible if it is longer than a day. While the run is being
    /// watched, it is also implausible if it exceeds the time that the server waited for the result by more than a
    /// minute. Sessions of a build run in parallel.
    elapsed: f64,
    /// The slowest tests so far, slowest first, at most five.
    slowest: Vec<Arc<Metric>>,
    /// False in the initial snapshot, true in every update.
    changed: bool,
}

impl RunProgress {
    fn new(progress: &Progress<Metric>, changed: bool) -> Self {
        Self {
            tests_seen: progress.tests_seen.into(),
            tests_expected: progress.tests_expected.map(Int::from),
            elapsed: progress.elapsed.as_secs_f64(),
            slowest: progress.slowest.clone(),
            changed,
        }
    }
}

#[derive(Default)]
pub struct RunSubscription;

#[Subscription]
impl RunSubscription {
    /// Each session announced from now on, pushed once it is on disk.
    #[graphql(directive = access::apply(Scope::Read))]
    async fn session_announced(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "where", desc = "Filter: return only items that match.")] filter: Option<SessionWhere>,
    ) -> Result<impl Stream<Item = Arc<Session>>, FieldError> {
        Ok(feed::follow(ctx, filter)?)
    }

    /// Progress of one run: an initial snapshot, then updates as results are stored, at most four per second. The run
    /// may start later.
    #[graphql(directive = access::apply(Scope::Read))]
    async fn run_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The hash of a session. Give either this or `build`.")] session: Option<String>,
        #[graphql(desc = "A build with all its sessions. Give either this or `session`.")] build: Option<BuildName>,
    ) -> Result<impl Stream<Item = RunProgress>, FieldError> {
        let run = match (session, build) {
            (Some(hash), None) => Run::Session(hash),
            (None, Some(BuildName { pipeline, name, project })) => Run::Build { project, pipeline, name },
            _ => return Err(Error::bad_input("session, build: give one of them").into()),
        };
        let events = ctx.data_unchecked::<Arc<RunWatchers<Metric, Session>>>().follow(shared_state(ctx), run);
        Ok(feed::with_fairness(ctx, events.map(|(progress, changed)| (RunProgress::new(&progress, changed), 0))))
    }
}
