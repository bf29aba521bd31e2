//! Runs as they happen: sessions as they are announced, and how far a run has come.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use async_graphql::{Context, InputObject, SimpleObject, Subscription};
use entity::{
    announced,
    filter::Text,
    run,
    table::{build as build_row, metric as metric_row, session as session_row},
};
use futures_util::{Stream, stream};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    config::Scope,
    error::Error,
    graphql::{
        Served,
        error::Failure,
        lists::dataloader::Loaders,
        live::{
            elapsed::{self, Elapsed, Span},
            feed::{self, Live as _},
        },
        request::authorization::access,
        scalars::Int,
        schema::{
            metric::Metric,
            session::{Session, SessionWhere},
        },
        shared,
    },
};

/// Between two looks at a run: a few events a second say as much as thousands.
const REST: Duration = Duration::from_millis(250);
/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// Metrics of a run that are read together.
const AT_A_TIME: u64 = 20_000;
/// How many of the slowest are told.
const SLOWEST: u64 = 5;

/// A build, identified by the names of its pipeline and itself.
#[derive(Debug, InputObject)]
pub struct BuildName {
    /// Name of the pipeline, from the tag `pipeline_branch`.
    pipeline: String,
    /// Name of the build, from the tag `pipeline_build_no`.
    name: String,
}

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
    ) -> Result<impl Stream<Item = Arc<Session>>, Failure> {
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
    ) -> Result<impl Stream<Item = RunProgress>, Failure> {
        let run = match (session, build) {
            (Some(hash), None) => Run::Session(hash),
            (None, Some(BuildName { pipeline, name })) => Run::Build { pipeline, name },
            _ => return Err(Error::bad_input("session, build: give one of them").into()),
        };
        let served = shared(ctx);
        let watched = served.runs.watch(served, run);
        let mut states = watched.states.clone();
        states.mark_changed();
        let events = stream::unfold((watched, states, false), async |(watched, mut states, changed)| {
            let state = loop {
                states.changed().await.ok()?;
                if let Some(state) = states.borrow_and_update().clone() {
                    break state;
                }
            };
            // What changed in between is told with it: nothing is lost.
            Some(((state.told(changed), 0), (watched, states, true)))
        });
        Ok(feed::in_turn(ctx, events))
    }
}

/// Which run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Run {
    Session(String),
    Build { pipeline: String, name: String },
}

/// The runs that are watched: each once, however many want to know.
#[derive(Default)]
pub struct Runs(Mutex<HashMap<Run, Weak<Watched>>>);

/// A run that is watched until nobody wants to know any more.
struct Watched {
    states: watch::Receiver<Option<Arc<State>>>,
    watching: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Runs {
    fn watch(&self, served: &Arc<Served>, run: Run) -> Arc<Watched> {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = runs.get(&run).and_then(Weak::upgrade) {
            return watched;
        }
        runs.retain(|_, watched| watched.strong_count() > 0);
        let (tell, states) = watch::channel(None);
        let watching = tokio::spawn(look_on(Arc::clone(served), run.clone(), tell)).abort_handle();
        let watched = Arc::new(Watched { states, watching });
        runs.insert(run, Arc::downgrade(&watched));
        watched
    }
}

impl Run {
    /// Its sessions, as a filter of metrics and as one of sessions.
    fn filters(&self) -> (metric_row::Filter, session_row::Filter) {
        match self {
            Self::Session(hash) => {
                let hash = Some(Text::equals(hash));
                let of_session = session_row::Filter { hash: hash.clone(), ..Default::default() };
                (metric_row::Filter { session: hash, ..Default::default() }, of_session)
            }
            Self::Build { pipeline, name } => {
                let (pipeline, build) = (Some(Text::equals(pipeline)), Some(Text::equals(name)));
                let of_session =
                    session_row::Filter { pipeline: pipeline.clone(), build: build.clone(), ..Default::default() };
                (metric_row::Filter { pipeline, build, ..Default::default() }, of_session)
            }
        }
    }
}

/// Looks when anything of the run has come to be known, until the committer ends.
async fn look_on(served: Arc<Served>, run: Run, tell: watch::Sender<Option<Arc<State>>>) {
    let (of_metrics, of_sessions) = run.filters();
    let mut metrics = Metric::feeds(&served).listen(&served, of_metrics.into());
    let mut sessions = Session::feeds(&served).listen(&served, of_sessions.into());
    let mut state = State::default();
    let mut latest = served.ingest.latest();
    let mut history = latest.borrow().history;
    loop {
        match served.turns.take(Box::pin(state.look(&served, &run))).await {
            Ok(changed) => {
                if changed || tell.borrow().is_none() {
                    tell.send_replace(Some(Arc::new(state.clone())));
                }
            }
            Err(_) if served.ingest.latest().has_changed().is_err() => return,
            Err(_) => {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        }
        tokio::time::sleep(REST).await;
        let goes_on = tokio::select! {
            news = metrics.next() => news.is_some(),
            news = sessions.next() => news.is_some(),
            // All of it may have been otherwise.
            news = latest.wait_for(|latest| latest.history > history) => news.is_ok(),
        };
        if !goes_on {
            return;
        }
        let now = latest.borrow().history;
        if now > history {
            (state, history) = (State::default(), now);
        }
        // One look covers all of it.
        metrics.skip();
        sessions.skip();
    }
}

/// What is known of a run.
#[derive(Clone, Default)]
struct State {
    sessions: HashMap<i64, Part>,
    build: Option<build_row::Model>,
    expected: Option<i64>,
    slowest: Vec<Slow>,
}

/// One of the slowest.
#[derive(Clone)]
struct Slow {
    seconds: f64,
    id: i64,
    metric: Arc<Metric>,
}

/// What is known of a session.
#[derive(Clone)]
struct Part {
    is_announced: bool,
    metrics: i64,
    elapsed: Elapsed,
    /// When the server last saw anything new of it.
    seen: Instant,
    /// The key of its newest metric: everything up to it has been looked at.
    newest: i64,
}

impl State {
    fn told(&self, changed: bool) -> RunProgress {
        let elapsed = elapsed::together(self.sessions.values().map(|part| part.elapsed));
        RunProgress {
            tests_seen: self.sessions.values().map(|part| part.metrics).sum::<i64>().into(),
            tests_expected: self.expected.map(Int::from),
            elapsed: Duration::from_micros(u64::try_from(elapsed).unwrap_or(0)).as_secs_f64(),
            slowest: self.slowest.iter().map(|slow| Arc::clone(&slow.metric)).collect(),
            changed,
        }
    }

    /// Brings itself up to date, or stays as it is where that fails; tells whether anything has changed.
    async fn look(&mut self, served: &Served, run: &Run) -> Result<bool, Error> {
        let db = &served.database.reader;
        if let (Run::Build { pipeline, name }, None) = (run, &self.build) {
            self.build = run::build_named(db, pipeline, name).await?;
        }
        let rows = match (run, &self.build) {
            (Run::Session(hash), _) => announced::by_hash::<session_row::Entity>(db, hash).await?.into_iter().collect(),
            (Run::Build { .. }, Some(build)) => run::sessions_of(db, build.id).await?,
            (Run::Build { .. }, None) => Vec::new(),
        };
        let news: Vec<session_row::Model> = rows.into_iter().filter(|row| self.is_news(row)).collect();
        if news.is_empty() {
            return Ok(false);
        }
        let expected = match &self.build {
            Some(build) => run::before_build(db, build).await?,
            None if news.iter().any(|row| self.is_new_kind(row)) => run::before_session(db, &news[0]).await?,
            None => self.expected,
        };
        let parts = self.parts(served, &news).await?;
        let slowest = self.slowest(served, &parts).await?;
        self.expected = expected;
        self.slowest = slowest;
        self.sessions.extend(parts);
        Ok(true)
    }

    fn is_news(&self, row: &session_row::Model) -> bool {
        let is_known = |part: &Part| part.metrics == row.metric_count && part.is_announced == row.announced.is_some();
        !self.sessions.get(&row.id).is_some_and(is_known)
    }

    /// Whether it may be compared with another run than before.
    fn is_new_kind(&self, row: &session_row::Model) -> bool {
        let is_known = |part: &Part| part.metrics > 0 && part.is_announced == row.announced.is_some();
        !self.sessions.get(&row.id).is_some_and(is_known)
    }

    /// Those of `sessions` that were known before and those that join, each with the key behind which their metrics are new.
    fn news(&self, sessions: impl Iterator<Item = i64>) -> Vec<(Vec<i64>, i64)> {
        let (known, joining): (Vec<i64>, Vec<i64>) = sessions.partition(|id| self.sessions.contains_key(id));
        let seen = known.iter().filter_map(|id| self.sessions.get(id)).map(|part| part.newest).min();
        // A session that joins late brings metrics from before.
        let mut news = vec![(known, seen.unwrap_or(0)), (joining, 0)];
        news.retain(|(sessions, _)| !sessions.is_empty());
        news
    }

    async fn parts(&self, served: &Served, sessions: &[session_row::Model]) -> Result<HashMap<i64, Part>, Error> {
        let now = Instant::now();
        let mut parts = HashMap::new();
        for row in sessions {
            let known = self.sessions.get(&row.id);
            let mut elapsed = known.map(|part| part.elapsed).unwrap_or_default();
            if let Some(start) = row.run_date {
                elapsed.begin(start);
            }
            let newest = known.map_or(0, |part| part.newest);
            let (is_announced, metrics) = (row.announced.is_some(), row.metric_count);
            parts.insert(row.id, Part { is_announced, metrics, elapsed, seen: now, newest });
        }
        for (ids, mut after) in self.news(sessions.iter().map(|row| row.id)) {
            loop {
                let rows = run::timed(&served.database.reader, &ids, after, AT_A_TIME).await?;
                let mut results: HashMap<i64, Vec<run::Timed>> = HashMap::new();
                for row in &rows {
                    results.entry(row.session).or_default().push(*row);
                }
                for (session, mut rows) in results {
                    let Some(part) = parts.get_mut(&session) else { continue };
                    // Those of a session that had more than another are known.
                    rows.retain(|row| row.id > part.newest);
                    let Some(last) = rows.last() else { continue };
                    part.newest = last.id;
                    let waited = self.sessions.get(&session).map(|known| now.duration_since(known.seen));
                    let spans: Vec<Span> = rows.iter().map(|row| Span { start: row.start, took: row.took }).collect();
                    part.elapsed.add(&spans, waited);
                }
                match rows.last() {
                    Some(last) if rows.len() as u64 == AT_A_TIME => after = last.id,
                    _ => break,
                }
            }
        }
        Ok(parts)
    }

    /// The slowest of those known and those that `parts` have more.
    async fn slowest(&self, served: &Served, parts: &HashMap<i64, Part>) -> Result<Vec<Slow>, Error> {
        let last = parts.values().map(|part| part.newest).max().unwrap_or(0);
        let mut rows = Vec::new();
        for (sessions, after) in self.news(parts.keys().copied()) {
            rows.extend(run::slowest(&served.database.reader, &sessions, after, last, SLOWEST).await?);
        }
        rows.retain(|row| self.slowest.iter().all(|slow| slow.id != row.id));
        let figures: Vec<(f64, i64)> = rows.iter().map(|row| (row.total_time, row.id)).collect();
        let loaders = Loaders::new(served.database.reader.clone());
        let objects = loaders.driver().drive(Metric::objects(served, &loaders, rows)).await?;
        let more = figures.into_iter().zip(objects);
        let more = more.map(|((seconds, id), metric)| Slow { seconds, id, metric: Arc::new(metric) });
        let mut slowest: Vec<Slow> = self.slowest.iter().cloned().chain(more).collect();
        slowest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.id.cmp(&b.id)));
        slowest.truncate(usize::try_from(SLOWEST).unwrap_or(usize::MAX));
        Ok(slowest)
    }
}
