//! Watches runs while they happen: how far each has come, and what took longest so far.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use entity::{
    announced,
    filter::Text,
    run,
    table::{build as build_row, metric as metric_row, session as session_row},
};
use futures_util::{Stream, stream};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    error::Error,
    graphql::{
        fairness::Turns,
        lists::dataloader::Loaders,
        live::{
            elapsed::{self, Elapsed, Span},
            feed::{Feeds, Live},
        },
        state::GraphState,
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

/// Which run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Run {
    /// The session of this hash.
    Session(String),
    /// The sessions of a build, all together.
    Build {
        /// Filter by the name of the pipeline.
        pipeline: String,
        /// Its own name.
        name: String,
    },
}

/// Progress of a run.
pub struct Progress<M> {
    /// Metrics so far.
    pub tests_seen: i64,
    /// Metrics that the run before it had in all.
    pub tests_expected: Option<i64>,
    /// From its start to the end of the test that ended last.
    pub elapsed: Duration,
    /// What took longest so far, the longest first.
    pub slowest: Vec<Arc<M>>,
}

/// The runs that are watched: each once, however many want to know. `M` is the object of a metric, `S` that of a session.
pub struct Runs<M: Live, S: Live> {
    metrics: Feeds<M>,
    sessions: Feeds<S>,
    turns: Turns,
    watched: Mutex<HashMap<Run, Weak<Watched<M>>>>,
}

/// What a run's watcher last saw; nothing before its first look.
type Watermark<M> = Option<Arc<Progress<M>>>;

/// A run that is watched until nobody wants to know any more.
struct Watched<M> {
    progress: watch::Receiver<Watermark<M>>,
    watching: AbortHandle,
}

impl<M> Drop for Watched<M> {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl<M, S> Runs<M, S>
where
    M: Live<Entity = metric_row::Entity>,
    S: Live<Entity = session_row::Entity>,
{
    /// Runs that are looked at whenever these feeds have news of them.
    pub fn new(metrics: Feeds<M>, sessions: Feeds<S>, turns: Turns) -> Self {
        Self { metrics, sessions, turns, watched: Mutex::default() }
    }

    /// How far `run` has come: at once, and whenever more of it is on disk; each with whether anything has changed since the one before.
    pub fn follow(
        &self,
        served: &Arc<GraphState>,
        run: Run,
    ) -> impl Stream<Item = (Arc<Progress<M>>, bool)> + use<M, S> {
        let watched = self.watch(served, run);
        let mut news = watched.progress.clone();
        news.mark_changed();
        stream::unfold((watched, news, false), async |(watched, mut news, changed)| {
            let progress = loop {
                news.changed().await.ok()?;
                if let Some(progress) = news.borrow_and_update().clone() {
                    break progress;
                }
            };
            // What changed in between is told with it: nothing is lost.
            Some(((progress, changed), (watched, news, true)))
        })
    }

    fn watch(&self, served: &Arc<GraphState>, run: Run) -> Arc<Watched<M>> {
        let mut runs = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = runs.get(&run).and_then(Weak::upgrade) {
            return watched;
        }
        runs.retain(|_, watched| watched.strong_count() > 0);
        let (tell, progress) = watch::channel(None);
        let (metrics, sessions, turns) = (self.metrics.clone(), self.sessions.clone(), self.turns.clone());
        let look = Watcher { served: Arc::clone(served), run: run.clone(), metrics, sessions, turns };
        let watching = tokio::spawn(look.look_on(tell)).abort_handle();
        let watched = Arc::new(Watched { progress, watching });
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

/// What looks at one run.
struct Watcher<M: Live, S: Live> {
    served: Arc<GraphState>,
    run: Run,
    metrics: Feeds<M>,
    sessions: Feeds<S>,
    turns: Turns,
}

impl<M, S> Watcher<M, S>
where
    M: Live<Entity = metric_row::Entity>,
    S: Live<Entity = session_row::Entity>,
{
    /// Looks when anything of the run has come to be known, until the committer ends.
    async fn look_on(self, tell: watch::Sender<Watermark<M>>) {
        let Self { served, run, metrics, sessions, turns } = self;
        let (of_metrics, of_sessions) = run.filters();
        let mut metrics = metrics.listen(&served, of_metrics.into());
        let mut sessions = sessions.listen(&served, of_sessions.into());
        let mut state = State::new();
        let mut latest = served.ingest.watermark();
        let mut history = latest.borrow().history;
        loop {
            match turns.take(Box::pin(state.look(&served, &run))).await {
                Ok(changed) => {
                    if changed || tell.borrow().is_none() {
                        tell.send_replace(Some(Arc::new(state.progress())));
                    }
                }
                Err(_) if served.ingest.watermark().has_changed().is_err() => return,
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
                (state, history) = (State::new(), now);
            }
            // One look covers all of it.
            metrics.skip();
            sessions.skip();
        }
    }
}

/// What is known of a run.
struct State<M> {
    sessions: HashMap<i64, Part>,
    build: Option<build_row::Model>,
    expected: Option<i64>,
    slowest: Vec<Slow<M>>,
}

/// One of the slowest.
struct Slow<M> {
    seconds: f64,
    id: i64,
    metric: Arc<M>,
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

impl<M: Live<Entity = metric_row::Entity>> State<M> {
    fn new() -> Self {
        Self { sessions: HashMap::new(), build: None, expected: None, slowest: Vec::new() }
    }

    fn progress(&self) -> Progress<M> {
        let elapsed = elapsed::together(self.sessions.values().map(|part| part.elapsed));
        Progress {
            tests_seen: self.sessions.values().map(|part| part.metrics).sum(),
            tests_expected: self.expected,
            elapsed: Duration::from_micros(u64::try_from(elapsed).unwrap_or(0)),
            slowest: self.slowest.iter().map(|slow| Arc::clone(&slow.metric)).collect(),
        }
    }

    /// Brings itself up to date, or stays as it is where that fails; tells whether anything has changed.
    async fn look(&mut self, served: &GraphState, run: &Run) -> Result<bool, Error> {
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

    async fn parts(&self, served: &GraphState, sessions: &[session_row::Model]) -> Result<HashMap<i64, Part>, Error> {
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
    async fn slowest(&self, served: &GraphState, parts: &HashMap<i64, Part>) -> Result<Vec<Slow<M>>, Error> {
        let last = parts.values().map(|part| part.newest).max().unwrap_or(0);
        let mut rows = Vec::new();
        for (sessions, after) in self.news(parts.keys().copied()) {
            rows.extend(run::slowest(&served.database.reader, &sessions, after, last, SLOWEST).await?);
        }
        rows.retain(|row| self.slowest.iter().all(|slow| slow.id != row.id));
        let figures: Vec<(f64, i64)> = rows.iter().map(|row| (row.total_time, row.id)).collect();
        let loaders = Loaders::new(served.database.reader.clone());
        let objects = loaders.driver().drive(M::objects(served, &loaders, rows)).await?;
        let more = figures.into_iter().zip(objects);
        let more = more.map(|((seconds, id), metric)| Slow { seconds, id, metric: Arc::new(metric) });
        let kept = |slow: &Slow<M>| Slow { metric: Arc::clone(&slow.metric), ..*slow };
        let mut slowest: Vec<Slow<M>> = self.slowest.iter().map(kept).chain(more).collect();
        slowest.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.id.cmp(&b.id)));
        slowest.truncate(usize::try_from(SLOWEST).unwrap_or(usize::MAX));
        Ok(slowest)
    }
}
