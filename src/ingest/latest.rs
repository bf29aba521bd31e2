//! What is on disk by now: told after each commit, by whichever server on the same database it was made.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use entity::driver::{
    executor::Reader,
    history::{Past, Sight},
};
use futures_util::future::select_all;
use tokio::{
    sync::{Notify, watch},
    task::{JoinError, JoinHandle},
};

use super::Ingest;
use crate::db::{Database, Notice, Notices};

/// Between two looks at what is on disk, where nobody says that there is more.
const AGAIN: Duration = Duration::from_secs(1);

/// The greatest numbers on disk, told after each commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latest {
    /// The key of the last metric.
    pub metric: i64,
    /// The number of the last announcement of a session.
    pub session: i64,
    /// How often the history was found to be another one than before: an earlier state of it, or a new one.
    pub history: u64,
    /// The key of the last metric and the number of the last session that the present history began with.
    pub(super) begun: (i64, i64),
    /// How often everything that is remembered of rows had to be forgotten.
    pub memory: u64,
}

impl Latest {
    /// What a look has shown, before the first commit.
    pub(super) fn first(sight: &Sight) -> Self {
        let Sight { metric, session, .. } = *sight;
        Self { metric, session, ..Self::default() }
    }

    /// The numbers that the present history began with.
    #[must_use]
    pub fn begun(&self) -> Self {
        let (metric, session) = self.begun;
        Self { metric, session, ..*self }
    }

    /// Rises to these numbers where they are greater.
    pub(super) fn rise(&mut self, other: Self) {
        self.metric = self.metric.max(other.metric);
        self.session = self.session.max(other.session);
    }

    /// Tells those who wait for more.
    pub(super) fn tell(self, tell: &watch::Sender<Self>) {
        tell.send_if_modified(|latest| {
            let before = *latest;
            latest.rise(self);
            *latest != before
        });
    }

    /// Tells that nothing that is remembered holds, and that the history is another one where that is so. It had got as far as `sight` shows
    /// before anything was added to it.
    pub(super) fn forget(past: Past, sight: &Sight, tell: &watch::Sender<Self>) {
        tell.send_modify(|latest| {
            latest.memory += 1;
            let Sight { metric, session, .. } = *sight;
            // Those who wait may not have read all yet of a history that goes on.
            if past == Past::Another || metric < latest.metric || session < latest.session {
                tracing::warn!(
                    "the database holds another history than before: what was remembered of it is forgotten"
                );
                let (history, memory) = (latest.history + 1, latest.memory);
                *latest = Self { metric, session, history, begun: (metric, session), memory };
            }
        });
    }
}

/// As servers tell each other: never longer, however much was stored.
impl fmt::Display for Latest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.metric, self.session)
    }
}

impl FromStr for Latest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (metric, session) = text.split_once(' ').ok_or(())?;
        let (metric, session) = (metric.parse().map_err(drop)?, session.parse().map_err(drop)?);
        Ok(Self { metric, session, ..Self::default() })
    }
}

/// Looks at what others store, and whether the history goes on, until it is dropped.
#[derive(Debug)]
pub(super) struct Others(Vec<JoinHandle<()>>);

impl Others {
    /// Looks as soon as `notices` say that there is more, and every second.
    pub(super) fn watch(
        database: &Database,
        notices: Option<Notices>,
        first: Sight,
        tell: watch::Sender<Latest>,
        ingest: &Ingest,
    ) -> Self {
        let looker =
            Looker { reader: database.watch.clone(), seen: (0, first), tell: tell.clone(), again: ingest.again() };
        let more = Arc::new(Notify::new());
        let looking = tokio::spawn(looker.run(Arc::clone(&more)));
        let listening = notices.map(|notices| tokio::spawn(listen(notices, tell, more)));
        Self(std::iter::once(looking).chain(listening).collect())
    }

    /// Waits until one of those who look and listen ends, which they do only when they fail.
    pub(super) async fn died(&mut self) -> Result<(), JoinError> {
        select_all(&mut self.0).await.0
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// What is said of numbers is looked at, not believed: it may be of a history that is gone.
async fn listen(mut notices: Notices, tell: watch::Sender<Latest>, more: Arc<Notify>) {
    loop {
        match notices.next().await {
            Notice::Said(text) => {
                let (said, mut risen) = (text.parse::<Latest>(), *tell.borrow());
                // Most of it was said by this server.
                if said.is_ok_and(|said| {
                    risen.rise(said);
                    risen == *tell.borrow()
                }) {
                    continue;
                }
            }
            Notice::Interrupted => {
                // Another server may have taken over, which lacks the last commits: numbers that are used again mean other rows.
                tell.send_modify(|latest| latest.memory += 1);
            }
        }
        more.notify_one();
    }
}

/// Has the committer see for itself whether the history goes on. Answers whether there is one to do so.
pub(super) type Again = Box<dyn Fn(u64) -> bool + Send + Sync>;

struct Looker {
    reader: Reader,
    /// What the last look has shown, and of which history.
    seen: (u64, Sight),
    tell: watch::Sender<Latest>,
    again: Again,
}

impl Looker {
    async fn run(mut self, more: Arc<Notify>) {
        loop {
            // Either way there may be more.
            let _ = tokio::time::timeout(AGAIN, more.notified()).await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "what others store is not seen at the moment");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    async fn look(&mut self) -> Result<(), sea_orm::DbErr> {
        // Before the look: everything that was told by then is on disk.
        let told = *self.tell.borrow();
        let sight = Sight::of(&self.reader).await?;
        let (history, seen) = &self.seen;
        // That another history has begun since the last look is known already, and nothing of it is to be passed over.
        let goes_on = (*history != told.history || sight.goes_on_from(seen))
            && sight.metric >= told.metric
            && sight.session >= told.session;
        if goes_on {
            let risen = Latest::first(&sight);
            self.tell.send_if_modified(|latest| {
                let before = *latest;
                // Numbers of a history that has ended meanwhile say nothing of this one.
                if before.history == told.history {
                    latest.rise(risen);
                }
                *latest != before
            });
        } else if self.tell.borrow().history == told.history && !(self.again)(told.history) {
            Latest::forget(Past::Another, &sight, &self.tell);
        }
        self.seen = (told.history, sight);
        Ok(())
    }
}
