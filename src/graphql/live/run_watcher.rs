//! Watches runs in progress: how far each has come, and its slowest tests so far.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use entity::{
    announced,
    filter::Text,
    query::metrics,
    run,
    table::{build as build_row, metric as metric_row, session as session_row},
};
use futures_util::{Stream, stream};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    error::Error,
    graphql::{
        fairness::FairnessGate,
        lists::dataloader::Loaders,
        live::{
            elapsed::{self, Elapsed, Span},
            feed::{Feeds, Live},
        },
        state::GraphState,
    },
    ingest::Watermark,
};

/// Pause between two updates of a run: clients need a few a second, not thousands.
const UPDATE_INTERVAL: Duration = Duration::from_millis(250);
/// Pause after an update that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of metrics in one read.
const MAX_READ_ROWS: u64 = 20_000;
/// Slowest tests that are reported.
const SLOWEST_COUNT: u64 = 5;

/// Identifies a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Run {
    /// The session with this hash.
    Session(String),
    /// All sessions of a build together.
    Build {
        /// Name of the project, unless it may be any.
        project: Option<String>,
        /// Name of the pipeline.
        pipeline: String,
        /// Name of the build.
        name: String,
    },
}

/// Progress of a run.
pub struct Progress<M> {
    /// Metrics so far.
    pub tests_seen: i64,
    /// Metrics that the run before it had in total.
    pub tests_expected: Option<i64>,
    /// From the start of the run to the end of the latest test that ended.
    pub elapsed: Duration,
    /// The slowest tests so far, the slowest first.
    pub slowest: Vec<Arc<M>>,
}

/// The runs that are watched: each once, however many subscribers it has. `M` is the object type of a metric, `S` that of a session.
pub struct RunWatchers<M: Live, S: Live> {
    metrics: Feeds<M>,
    sessions: Feeds<S>,
    fairness: FairnessGate,
    watched: Mutex<HashMap<Run, Weak<WatchedRun<M>>>>,
}

/// The progress at the last update; `None` before the first.
type LatestProgress<M> = Option<Arc<Progress<M>>>;

/// A run that is watched until its last subscriber leaves.
struct WatchedRun<M> {
    progress: watch::Receiver<LatestProgress<M>>,
    watching: AbortHandle,
}

impl<M> Drop for WatchedRun<M> {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl<M, S> RunWatchers<M, S>
where
    M: Live<Entity = metric_row::Entity>,
    S: Live<Entity = session_row::Entity>,
{
    /// Builds an empty registry. A run is updated when these feeds have new rows of it.
    pub fn new(metrics: Feeds<M>, sessions: Feeds<S>, fairness: FairnessGate) -> Self {
        Self { metrics, sessions, fairness, watched: Mutex::default() }
    }

    /// Streams the progress of `run`: a snapshot at once, then an update whenever more of it is on disk. The flag is false for the
    /// snapshot and true for updates.
    pub fn follow(
        &self,
        state: &Arc<GraphState>,
        run: Run,
    ) -> impl Stream<Item = (Arc<Progress<M>>, bool)> + use<M, S> {
        let watched = self.watch(state, run);
        let mut news = watched.progress.clone();
        news.mark_changed();
        stream::unfold((watched, news, false), async |(watched, mut news, changed)| {
            let progress = loop {
                news.changed().await.ok()?;
                if let Some(progress) = news.borrow_and_update().clone() {
                    break progress;
                }
            };
            // It covers everything that changed in between.
            Some(((progress, changed), (watched, news, true)))
        })
    }

    fn watch(&self, state: &Arc<GraphState>, run: Run) -> Arc<WatchedRun<M>> {
        let mut runs = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = runs.get(&run).and_then(Weak::upgrade) {
            return watched;
        }
        runs.retain(|_, watched| watched.strong_count() > 0);
        let (sender, progress) = watch::channel(None);
        let (metrics, sessions, fairness) = (self.metrics.clone(), self.sessions.clone(), self.fairness.clone());
        let task = Watcher { state: Arc::clone(state), run: run.clone(), metrics, sessions, fairness };
        let watching = tokio::spawn(task.run(sender)).abort_handle();
        let watched = Arc::new(WatchedRun { progress, watching });
        runs.insert(run, Arc::downgrade(&watched));
        watched
    }
}

impl Run {
    /// The filters that select its metrics and its sessions.
    fn filters(&self) -> (metric_row::Filter, session_row::Filter) {
        match self {
            Self::Session(hash) => {
                let hash = Some(Text::equals(hash));
                let of_session = session_row::Filter { hash: hash.clone(), ..Default::default() };
                (metric_row::Filter { session: hash, ..Default::default() }, of_session)
            }
            Self::Build { project, pipeline, name } => {
                let project = project.as_ref().map(Text::equals);
                let (pipeline, build) = (Some(Text::equals(pipeline)), Some(Text::equals(name)));
                let of_session = session_row::Filter {
                    project: project.clone(),
                    pipeline: pipeline.clone(),
                    build: build.clone(),
                    ..Default::default()
                };
                (metric_row::Filter { project, pipeline, build, ..Default::default() }, of_session)
            }
        }
    }
}

/// The task that watches one run.
struct Watcher<M: Live, S: Live> {
    state: Arc<GraphState>,
    run: Run,
    metrics: Feeds<M>,
    sessions: Feeds<S>,
    fairness: FairnessGate,
}

impl<M, S> Watcher<M, S>
where
    M: Live<Entity = metric_row::Entity>,
    S: Live<Entity = session_row::Entity>,
{
    /// Publishes the progress after each commit that concerns the run, until the committer ends.
    async fn run(self, sender: watch::Sender<LatestProgress<M>>) {
        let Self { state, run, metrics, sessions, fairness } = self;
        let (of_metrics, of_sessions) = run.filters();
        let mut metrics = metrics.subscribe(&state, of_metrics.into());
        let mut sessions = sessions.subscribe(&state, of_sessions.into());
        let mut run_state = RunState::new();
        let mut watermark = state.ingest.watermark();
        let begun = |watermark: &Watermark| (watermark.history, watermark.deletions);
        let mut present = begun(&watermark.borrow());
        let mut is_new = true;
        loop {
            match fairness.read(Box::pin(run_state.update(&state, &run))).await {
                Ok(changed) => {
                    let is_first = std::mem::take(&mut is_new);
                    if changed || is_first {
                        sender.send_replace(Some(Arc::new(run_state.progress())));
                    }
                }
                Err(_) if state.ingest.watermark().has_changed().is_err() => return,
                Err(_) => {
                    tokio::time::sleep(RETRY_INTERVAL).await;
                    continue;
                }
            }
            tokio::time::sleep(UPDATE_INTERVAL).await;
            let goes_on = tokio::select! {
                news = metrics.next() => news.is_some(),
                news = sessions.next() => news.is_some(),
                // The history was replaced, or sessions were deleted: all of it has to be read again.
                news = watermark.wait_for(|now| begun(now) != present) => news.is_ok(),
            };
            if !goes_on {
                return;
            }
            let now = begun(&watermark.borrow());
            if now != present {
                (run_state, present, is_new) = (RunState::new(), now, true);
            }
            // One update covers all of it.
            metrics.skip();
            sessions.skip();
        }
    }
}

/// What has been read of a run.
struct RunState<M> {
    sessions: HashMap<i64, SessionState>,
    build: Option<build_row::Model>,
    expected: Option<i64>,
    slowest: Vec<SlowTest<M>>,
}

/// One of the slowest tests.
struct SlowTest<M> {
    seconds: f64,
    id: i64,
    metric: Arc<M>,
}

/// What has been read of a session.
#[derive(Clone)]
struct SessionState {
    is_announced: bool,
    metrics: i64,
    elapsed: Elapsed,
    /// When the server last read anything new of it.
    seen: Instant,
    /// The key of its newest metric that has been read.
    newest: i64,
}

/// Returns when a test began, and how long it took. Values out of range saturate.
#[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
fn span(row: &metric_row::Model) -> Span {
    Span { start: row.started_at, duration: (row.total_time * 1e6) as i64 }
}

impl<M: Live<Entity = metric_row::Entity>> RunState<M> {
    fn new() -> Self {
        Self { sessions: HashMap::new(), build: None, expected: None, slowest: Vec::new() }
    }

    fn progress(&self) -> Progress<M> {
        let elapsed = elapsed::combined(self.sessions.values().map(|session| session.elapsed));
        Progress {
            tests_seen: self.sessions.values().map(|session| session.metrics).sum(),
            tests_expected: self.expected,
            elapsed: Duration::from_micros(u64::try_from(elapsed).unwrap_or(0)),
            slowest: self.slowest.iter().map(|slow| Arc::clone(&slow.metric)).collect(),
        }
    }

    /// Brings itself up to date. Returns whether anything has changed. On an error it stays as it is.
    async fn update(&mut self, state: &GraphState, run: &Run) -> Result<bool, Error> {
        let db = &state.database.store;
        if let (Run::Build { project, pipeline, name }, None) = (run, &self.build) {
            self.build = run::build_named(db, project.as_deref(), pipeline, name).await?;
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
        let changed = self.changed_sessions(state, &news).await?;
        let slowest = self.slowest(state, &changed).await?;
        self.expected = expected;
        self.slowest = slowest;
        self.sessions.extend(changed);
        Ok(true)
    }

    fn is_news(&self, row: &session_row::Model) -> bool {
        let is_current =
            |old: &SessionState| old.metrics == row.metric_count && old.is_announced == row.announced.is_some();
        !self.sessions.get(&row.id).is_some_and(is_current)
    }

    /// Whether the previous run must be looked up again.
    fn is_new_kind(&self, row: &session_row::Model) -> bool {
        let is_comparable = |old: &SessionState| old.metrics > 0 && old.is_announced == row.announced.is_some();
        !self.sessions.get(&row.id).is_some_and(is_comparable)
    }

    /// Groups `sessions` into those that were read before and those that join. Metrics after the key of a group are new.
    fn news(&self, sessions: impl Iterator<Item = i64>) -> Vec<(Vec<i64>, i64)> {
        let (present, joining): (Vec<i64>, Vec<i64>) = sessions.partition(|id| self.sessions.contains_key(id));
        let seen = present.iter().filter_map(|id| self.sessions.get(id)).map(|session| session.newest).min();
        // A session that joins late brings metrics from before.
        let mut news = vec![(present, seen.unwrap_or(0)), (joining, 0)];
        news.retain(|(sessions, _)| !sessions.is_empty());
        news
    }

    async fn changed_sessions(
        &self,
        state: &GraphState,
        sessions: &[session_row::Model],
    ) -> Result<HashMap<i64, SessionState>, Error> {
        let now = Instant::now();
        let mut changed = HashMap::new();
        for row in sessions {
            let old = self.sessions.get(&row.id);
            let mut elapsed = old.map(|session| session.elapsed).unwrap_or_default();
            if let Some(start) = row.run_date {
                elapsed.begin(start);
            }
            let newest = old.map_or(0, |session| session.newest);
            let (is_announced, metrics) = (row.announced.is_some(), row.metric_count);
            changed.insert(row.id, SessionState { is_announced, metrics, elapsed, seen: now, newest });
        }
        for (ids, mut after) in self.news(sessions.iter().map(|row| row.id)) {
            loop {
                let rows = metrics::of_sessions_after(&state.database.store, &ids, after, MAX_READ_ROWS).await?;
                let mut results: HashMap<i64, Vec<metric_row::Model>> = HashMap::new();
                let (last, is_all) = (rows.last().map(|row| row.id), (rows.len() as u64) < MAX_READ_ROWS);
                for row in rows {
                    results.entry(row.session_id).or_default().push(row);
                }
                for (id, mut rows) in results {
                    let Some(session) = changed.get_mut(&id) else { continue };
                    // The key of the group is that of its session with the fewest: others have read some of these rows.
                    rows.retain(|row| row.id > session.newest);
                    let Some(newest) = rows.last() else { continue };
                    session.newest = newest.id;
                    let waited = self.sessions.get(&id).map(|old| now.duration_since(old.seen));
                    session.elapsed.add(&rows.iter().map(span).collect::<Vec<_>>(), waited);
                }
                match last {
                    Some(last) if !is_all => after = last,
                    _ => break,
                }
            }
        }
        Ok(changed)
    }

    /// Returns the slowest of the tests so far and the new ones of `changed`.
    async fn slowest(
        &self,
        state: &GraphState,
        changed: &HashMap<i64, SessionState>,
    ) -> Result<Vec<SlowTest<M>>, Error> {
        let last = changed.values().map(|session| session.newest).max().unwrap_or(0);
        let mut rows = Vec::new();
        for (sessions, after) in self.news(changed.keys().copied()) {
            rows.extend(metrics::slowest(&state.database.store, &sessions, after, last, SLOWEST_COUNT).await?);
        }
        rows.retain(|row| self.slowest.iter().all(|slow| slow.id != row.id));
        let durations: Vec<(f64, i64)> = rows.iter().map(|row| (row.total_time, row.id)).collect();
        let loaders = Loaders::new(state.database.store.clone());
        let objects = loaders.driver().drive(M::objects(state, &loaders, rows)).await?;
        let more = durations.into_iter().zip(objects);
        let more = more.map(|((seconds, id), metric)| SlowTest { seconds, id, metric: Arc::new(metric) });
        let kept = |slow: &SlowTest<M>| SlowTest { metric: Arc::clone(&slow.metric), ..*slow };
        let mut slowest: Vec<SlowTest<M>> = self.slowest.iter().map(kept).chain(more).collect();
        slowest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.id.cmp(&b.id)));
        slowest.truncate(usize::try_from(SLOWEST_COUNT).unwrap_or(usize::MAX));
        Ok(slowest)
    }
}
