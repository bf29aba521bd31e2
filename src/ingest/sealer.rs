//! The sealer: compresses the older part of the history's head whenever it is long enough. Between that, it has the cleaner clear away
//! what was deleted.

use std::{sync::Arc, time::Duration};

use entity::{
    history::{self, NewSegment},
    query::Store,
};
use sea_orm::DbErr;
use tokio::{sync::watch, time::Instant};

use crate::ingest::{
    cleaner::{self, Rest},
    queue::WeakIngest,
    watermark::Watermark,
};

/// Pause after a segment that could not be stored.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after a step of the cleaner that failed: a segment may be damaged.
const CLEANING_RETRY_INTERVAL: Duration = Duration::from_mins(1);
/// After so many segments of an older version's metrics, the progress is logged.
const LOGGED_SEGMENTS: u32 = 50;
/// How long the rows of an older version's metrics stay after the last of them was sealed.
const BACKLOG_GRACE: Duration = Duration::from_secs(5);

/// Runs until the committer ends.
pub(crate) async fn run(
    store: Store,
    ingest: WeakIngest,
    mut watermark: watch::Receiver<Watermark>,
    keeps_rows: bool,
    grace: Duration,
) {
    let mut deletions = watermark.borrow().deletions;
    // What an earlier run has left is done first.
    let mut wake = Some(Instant::now());
    loop {
        let now = *watermark.borrow_and_update();
        let is_time = wake.is_some_and(|wake| wake <= Instant::now());
        // Sessions may have been deleted, here or by another server.
        if is_time || now.deletions > deletions || store.history.is_due(now.metric) {
            deletions = now.deletions;
            let done = work(&store, &ingest, keeps_rows, grace).await;
            if watermark.has_changed().is_err() {
                return;
            }
            if let Err(reason) = &done {
                tracing::warn!(reason, "a segment could not be stored; retrying in 1 s");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            wake = match done {
                Ok(Rest::Nothing) => None,
                Ok(Rest::Later(time)) => Some(Instant::now() + time),
                Ok(Rest::More) | Err(_) => {
                    wake = Some(Instant::now());
                    continue;
                }
            };
        }
        let changed = match wake {
            None => watermark.changed().await,
            Some(wake) => tokio::time::timeout_at(wake, watermark.changed()).await.unwrap_or(Ok(())),
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Seals what is due, then takes a step at clearing away what was deleted. Returns what is left of that.
async fn work(store: &Store, ingest: &WeakIngest, keeps_rows: bool, grace: Duration) -> Result<Rest, String> {
    seal(store, ingest, keeps_rows).await?;
    match cleaner::step(store, ingest, grace).await {
        Ok(rest) => Ok(rest),
        Err(reason) => {
            tracing::warn!(reason, "deleted metrics could not be cleared away; retrying in 60 s");
            Ok(Rest::Later(CLEANING_RETRY_INTERVAL))
        }
    }
}

/// Seals as many segments as there are, and deletes the rows of those: at first what an older version left.
async fn seal(store: &Store, ingest: &WeakIngest, keeps_rows: bool) -> Result<(), String> {
    let failed = |error: DbErr| error.to_string();
    let mut from_backlog = 0_u32;
    loop {
        store.history.update(store).await.map_err(failed)?;
        let left = store.history.backlog();
        if left > 0 {
            if from_backlog.is_multiple_of(LOGGED_SEGMENTS) {
                tracing::info!(left, "compressing the metrics of an older version");
            }
            if let Some(segment) = store.history.compress_backlog(store).await.map_err(failed)? {
                ingest.seal(segment).await.map_err(|error| error.message)?;
            }
            from_backlog += 1;
            continue;
        }
        if from_backlog > 0 {
            tracing::info!("compressed the metrics of an older version");
            // Scans that began before still read rows.
            tokio::time::sleep(BACKLOG_GRACE).await;
            from_backlog = 0;
        }
        if !keeps_rows {
            while let Some(until) = history::drainable(store).await.map_err(failed)? {
                ingest.drain(until).await.map_err(|error| error.message)?;
            }
        }
        let history = Arc::clone(&store.history);
        let compressed = tokio::task::spawn_blocking(move || history.compress()).await;
        let compressed: Result<Option<NewSegment>, DbErr> = compressed.map_err(|error| error.to_string())?;
        match compressed.map_err(|error| error.to_string())? {
            Some(segment) => ingest.seal(segment).await.map_err(|error| error.message)?,
            None => return Ok(()),
        }
    }
}
