//! The sealer: compresses the older part of the history's head whenever it is long enough.

use std::{sync::Arc, time::Duration};

use entity::{
    driver::executor::Writer,
    history::{self, NewSegment},
    query::Store,
};
use sea_orm::DbErr;
use tokio::sync::watch;

use crate::ingest::{queue::WeakIngest, watermark::Watermark};

/// Pause after a segment that could not be stored.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Seals what is left by an older version, which had no segments. Each transaction makes one, so that this may be interrupted.
///
/// # Errors
/// The database's.
pub(crate) async fn take_over(writer: &Writer, store: &Store, keeps_rows: bool) -> Result<(), DbErr> {
    let mut segments = 0;
    loop {
        let tx = writer.begin().await?;
        let Some(segment) = store.history.compress_oldest(&tx).await? else { break };
        segment.store(&tx).await?;
        if !keeps_rows {
            while let Some(until) = history::drainable(&tx).await? {
                history::drain(&tx, until).await?;
            }
        }
        tx.commit().await?;
        segments += 1;
        if segments % 100 == 0 {
            tracing::info!(segments, "compressing the history of an older version");
        }
    }
    Ok(())
}

/// Runs until the committer ends.
pub(crate) async fn run(store: Store, ingest: WeakIngest, mut watermark: watch::Receiver<Watermark>, keeps_rows: bool) {
    // What an earlier run has left is deleted first.
    let mut is_due = true;
    loop {
        let newest = watermark.borrow_and_update().metric;
        if is_due || store.history.is_due(newest) {
            let sealed = seal(&store, &ingest, keeps_rows).await;
            is_due = sealed.is_err();
            if watermark.has_changed().is_err() {
                return;
            }
            if let Err(reason) = sealed {
                tracing::warn!(reason, "a segment could not be stored; retrying in 1 s");
                tokio::time::sleep(RETRY_INTERVAL).await;
                continue;
            }
        }
        if watermark.changed().await.is_err() {
            return;
        }
    }
}

/// Seals as many segments as there are, and deletes the rows of those.
async fn seal(store: &Store, ingest: &WeakIngest, keeps_rows: bool) -> Result<(), String> {
    let failed = |error: DbErr| error.to_string();
    loop {
        if !keeps_rows {
            while let Some(until) = history::drainable(store).await.map_err(failed)? {
                ingest.drain(until).await.map_err(|error| error.message)?;
            }
        }
        store.history.update(store).await.map_err(failed)?;
        let history = Arc::clone(&store.history);
        let compressed = tokio::task::spawn_blocking(move || history.compress()).await;
        let compressed: Result<Option<NewSegment>, DbErr> = compressed.map_err(|error| error.to_string())?;
        match compressed.map_err(|error| error.to_string())? {
            Some(segment) => ingest.seal(segment).await.map_err(|error| error.message)?,
            None => return Ok(()),
        }
    }
}
