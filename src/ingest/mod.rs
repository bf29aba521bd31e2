//! The one way in for writes: a queue, and behind it one committer that stores what is waiting in one transaction and answers
//! when it is on disk. REST, GraphQL and whatever comes later hand their rows over here.

mod commit;
mod condition;
mod counters;
mod fault;
mod latest;
mod outcome;
mod rows;
mod statements;
mod words;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use entity::{
    driver::history::Sight,
    table::{execution_context, metric, session, tag},
    time::LocalDateTime,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch},
    task::{JoinError, JoinHandle},
};

use crate::{
    db::{Database, OpenError},
    error::{Code, Error},
};
use condition::Condition;
pub use latest::Latest;
use latest::Others;

/// A measurement on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMetric {
    /// The hash of its session, announced or not.
    pub session_hash: String,
    /// The hash of its execution context, announced or not.
    pub context_hash: String,
    /// When the test began.
    pub started_at: LocalDateTime,
    /// The component, or the empty text.
    pub component: String,
    /// The module's path.
    pub item_path: String,
    /// The test function.
    pub item: String,
    /// The test function with its parameters.
    pub variant: String,
    /// The file.
    pub location: String,
    /// `function`, `module`, …
    pub kind: String,
    /// Seconds.
    pub total_time: f64,
    /// Seconds.
    pub user_time: f64,
    /// Seconds.
    pub kernel_time: f64,
    /// Ratio.
    pub cpu_usage: f64,
    /// MB.
    pub memory_usage: f64,
    /// Whether the test passed, where that is known.
    pub passed: Option<bool>,
}

/// A session's announcement.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// What metrics call it.
    pub hash: String,
    /// When the run began.
    pub run_date: LocalDateTime,
    /// The revision under test.
    pub scm_ref: Option<String>,
    /// Names and values in the order given.
    pub tags: Vec<(String, String)>,
}

/// An execution context's announcement.
#[derive(Debug, Clone, PartialEq)]
pub struct NewContext {
    /// What metrics call it.
    pub hash: String,
    /// Processors.
    pub cpu_count: i64,
    /// MHz.
    pub cpu_frequency: f64,
    /// The processor's type.
    pub cpu_type: String,
    /// The processor's maker and model.
    pub cpu_vendor: Option<String>,
    /// MB.
    pub ram_total: i64,
    /// The machine's name on the network.
    pub machine_node: String,
    /// The machine's type.
    pub machine_type: String,
    /// The machine's word size.
    pub machine_arch: String,
    /// The operating system.
    pub system_info: String,
    /// The Python.
    pub python_info: String,
}

/// A measurement as it was stored. Its words are those that were sent: nothing has to be read to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What was sent.
    pub sent: NewMetric,
    /// Its row.
    pub row: metric::Model,
    /// The key of its item.
    pub item_id: i64,
    /// The key of its component.
    pub component_id: i64,
}

/// A session as it was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    /// Its row.
    pub row: session::Model,
    /// Its tags, in their order.
    pub tags: Vec<tag::Model>,
}

type Answer<T> = oneshot::Sender<Result<T, Error>>;

enum Work {
    Metrics(Vec<NewMetric>, Answer<Vec<Recorded>>),
    Session(NewSession, Answer<Announced>),
    Context(NewContext, Answer<execution_context::Model>),
    /// A token was sent at this time. Nobody waits.
    TokenUse(i64, i64),
    /// The history of this number does not seem to go on. Nobody waits.
    Doubt(u64),
}

impl Work {
    fn metrics(&self) -> &[NewMetric] {
        match self {
            Self::Metrics(metrics, _) => metrics,
            Self::Session(..) | Self::Context(..) | Self::TokenUse(..) | Self::Doubt(_) => &[],
        }
    }

    fn brings_metrics(&self) -> bool {
        matches!(self, Self::Metrics(..))
    }

    /// Rows that it adds or fills in.
    fn rows(&self) -> usize {
        self.metrics().len().max(1)
    }
}

struct Waiting {
    work: Work,
    /// Holds the place in the queue until the rows are on disk.
    place: OwnedSemaphorePermit,
}

/// The committer at work. It ends with the last [`Ingest`], or when it is told to: a connection that was cut may hold one for
/// as long as it likes.
#[derive(Debug)]
pub struct Committer {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Told of until here.
    others: Others,
}

impl Committer {
    /// Waits until it ends by itself, which it does only when it fails, and tells how. What was not answered is not stored then.
    pub(crate) async fn died(&mut self) -> String {
        let Self { task, others, .. } = self;
        let (what, ended) = tokio::select! {
            ended = task => ("the committer", ended),
            ended = others.died() => ("what sees to the history", ended),
        };
        if ended.as_ref().is_err_and(JoinError::is_cancelled) {
            // The whole program ends.
            std::future::pending::<()>().await;
        }
        format!("{what} ended: {}", ended.map_or_else(|error| error.to_string(), |()| "nobody told it to".to_owned()))
    }

    /// Takes nothing more, and waits until everything handed over is stored.
    pub async fn finish(self) {
        let Self { end, task, others: _others } = self;
        // It has ended by itself when nobody listens.
        let _ = end.send(());
        if let Err(error) = task.await {
            tracing::error!(%error, "the committer did not end well");
        }
    }
}

/// The handle that requests hold.
#[derive(Debug, Clone)]
pub struct Ingest {
    queue: mpsc::UnboundedSender<Waiting>,
    places: Arc<Semaphore>,
    latest: watch::Receiver<Latest>,
    is_read_only: bool,
    is_failing: Arc<AtomicBool>,
}

impl Ingest {
    /// Rows that may wait at any time; the next are turned away until some are stored.
    pub(crate) const MOST_WAITING: usize = 50_000;
    /// Rows that one request may bring.
    pub(crate) const MOST_AT_ONCE: usize = 10_000;

    /// Starts the committer, unless the database is only read from.
    ///
    /// # Errors
    /// The database's.
    pub async fn start(database: &Database) -> Result<(Self, Committer), OpenError> {
        let (queue, waiting) = mpsc::unbounded_channel();
        let is_read_only = database.is_read_only();
        let writer = if is_read_only { None } else { Some(database.writer().await?) };
        // Before the first look, so that nothing happens unnoticed in between.
        let notices = database.notices().await?;
        let first = Sight::of(&database.watch).await.map_err(|error| database.unusable(error))?;
        let (tell, latest) = watch::channel(Latest::first(&first));
        let (places, is_failing) = (Arc::new(Semaphore::new(Self::MOST_WAITING)), Arc::<AtomicBool>::default());
        let condition = Condition::told_by(Arc::clone(&is_failing));
        let ingest = Self { queue, places, latest, is_read_only, is_failing };
        let others = Others::watch(database, notices, first, tell.clone(), &ingest);
        let (end, ended) = oneshot::channel();
        let task = match writer {
            Some(writer) => {
                // A thread of its own: SQLite blocks the one that writes.
                let runtime = Handle::current();
                tokio::task::spawn_blocking(move || {
                    runtime.block_on(commit::run(writer, condition, waiting, tell, ended));
                })
            }
            None => tokio::spawn(async move {
                // Until it is told to end, or nobody is left to tell it.
                let _ = ended.await;
                drop(tell);
            }),
        };
        Ok((ingest, Committer { end, task, others }))
    }

    /// Whether the committer is at work; also where there is nothing for it to do.
    pub(crate) fn is_alive(&self) -> bool {
        self.is_read_only || !self.queue.is_closed()
    }

    /// Whether the last attempt to store has failed for the database's fault, and none has succeeded since.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Hands doubts about the history over, without keeping the committer at work.
    fn again(&self) -> latest::Again {
        if self.is_read_only {
            return Box::new(|_| false);
        }
        let (queue, places) = (self.queue.downgrade(), Arc::clone(&self.places));
        Box::new(move |history| {
            if let (Some(queue), Ok(place)) = (queue.upgrade(), Arc::clone(&places).try_acquire_owned()) {
                // The next look asks again.
                let _ = queue.send(Waiting { work: Work::Doubt(history), place });
            }
            true
        })
    }

    /// How often everything that is remembered of rows had to be forgotten.
    pub(crate) fn memory(&self) -> u64 {
        self.latest.borrow().memory
    }

    /// What is on disk by now. The channel closes when the committer ends.
    pub(crate) fn latest(&self) -> watch::Receiver<Latest> {
        self.latest.clone()
    }

    /// Stores metrics, all or none, and answers them in the same order once they are on disk.
    ///
    /// # Errors
    /// [`Code::ReadOnly`], [`Code::TooLarge`] for more than [`Self::MOST_AT_ONCE`], [`Code::Busy`] while too many wait,
    /// [`Code::DatabaseUnavailable`].
    pub(crate) async fn record(&self, metrics: Vec<NewMetric>) -> Result<Vec<Recorded>, Error> {
        if metrics.is_empty() {
            return Ok(Vec::new());
        }
        if metrics.len() > Self::MOST_AT_ONCE {
            let (most, given) = (Self::MOST_AT_ONCE, metrics.len());
            let message = format!("metrics: at most {most} at a time, not {given}: send them in parts");
            return Err(Error::new(Code::TooLarge, message));
        }
        self.hand_over(|answer| Work::Metrics(metrics, answer)).await
    }

    /// Announces a session. Announcing it again with the same payload answers the stored one.
    ///
    /// # Errors
    /// [`Code::Conflict`] when the hash is known with another payload; [`Code::Busy`], [`Code::DatabaseUnavailable`].
    pub(crate) async fn announce_session(&self, session: NewSession) -> Result<Announced, Error> {
        self.hand_over(|answer| Work::Session(session, answer)).await
    }

    /// Announces an execution context. A known hash answers the stored one, whatever the payload: the hash that workers
    /// compute does not cover every field.
    ///
    /// # Errors
    /// [`Code::Busy`], [`Code::DatabaseUnavailable`].
    pub(crate) async fn announce_context(&self, context: NewContext) -> Result<execution_context::Model, Error> {
        self.hand_over(|answer| Work::Context(context, answer)).await
    }

    /// Has it noted that the token of this key was sent at `now` (microseconds since 1970 in UTC), and does not wait. Answers
    /// whether there was room. Where nothing is stored, this is not, either.
    pub(crate) fn note_token_use(&self, token: i64, now: i64) -> bool {
        if self.is_read_only {
            return true;
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.is_ok_and(|place| self.queue.send(Waiting { work: Work::TokenUse(token, now), place }).is_ok())
    }

    async fn hand_over<T>(&self, work: impl FnOnce(Answer<T>) -> Work) -> Result<T, Error> {
        if self.is_read_only {
            return Err(Error::new(
                Code::ReadOnly,
                "this server stores nothing (--read-only): send this to one that does",
            ));
        }
        let (answer, answered) = oneshot::channel();
        let work = work(answer);
        let rows = u32::try_from(work.rows()).unwrap_or(u32::MAX);
        let place = (Arc::clone(&self.places).try_acquire_many_owned(rows))
            .map_err(|_| Error::new(Code::Busy, "too many rows wait to be stored; try again in a second"))?;
        let gone = |()| {
            Error::new(
                Code::DatabaseUnavailable,
                "the server stores nothing more: it is stopping, or see its log; try again",
            )
        };
        self.queue.send(Waiting { work, place }).map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }
}
