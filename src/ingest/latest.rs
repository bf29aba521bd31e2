//! What is on disk by now: told after each commit, by whichever server on the same database it was made.

use std::{fmt, str::FromStr};

use entity::source::{Reader, Source};
use sea_orm::DbErr;
use tokio::{
    sync::watch,
    task::{JoinError, JoinHandle},
};

use super::commit::greatest;
use crate::db::{Notice, Notices};

/// Where servers tell each other.
pub(super) const CHANNEL: &str = "metrograph_latest";

/// The greatest numbers on disk, told after each commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latest {
    /// The key of the last metric.
    pub metric: i64,
    /// The number of the last announcement of a session.
    pub session: i64,
}

impl Latest {
    /// What the database holds.
    pub(super) async fn read(db: &impl Source) -> Result<Self, DbErr> {
        Ok(Self { metric: greatest(db, "metric", "id").await?, session: greatest(db, "session", "announced").await? })
    }

    /// Rises to `other` where that is greater.
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
        Ok(Self { metric: metric.parse().map_err(drop)?, session: session.parse().map_err(drop)? })
    }
}

/// Listens to the other servers until it is dropped.
#[derive(Debug)]
pub(super) struct Others(JoinHandle<()>);

impl Others {
    pub(super) fn listen(mut notices: Notices, reader: Reader, tell: watch::Sender<Latest>) -> Self {
        let listening = async move {
            loop {
                let heard = match notices.next().await {
                    Notice::Said(text) => text.parse().ok(),
                    Notice::Interrupted => None,
                };
                let latest = match heard {
                    Some(latest) => Ok(latest),
                    None => Latest::read(&reader).await,
                };
                match latest {
                    Ok(latest) => latest.tell(&tell),
                    Err(error) => {
                        tracing::warn!(%error, "what other servers stored meanwhile is looked up again");
                        notices.interrupt().await;
                    }
                }
            }
        };
        Self(tokio::spawn(listening))
    }

    /// Waits until it ends, which it does only when it fails.
    pub(super) async fn died(&mut self) -> Result<(), JoinError> {
        (&mut self.0).await
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.0.abort();
    }
}
