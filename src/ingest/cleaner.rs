//! The cleaner: clears away what is left of deleted sessions, after the transaction that deleted them.
//!
//! The table `deletion` has what is to be done, so that it goes on after a crash. No step changes an answer.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use entity::{
    driver::source::Source as _,
    history::{self, Deletions},
    query::Store,
};
use sea_orm::DbErr;

use crate::ingest::{
    jobs::clean_up::CleanUp,
    queue::{Ingest, WeakIngest},
};

/// Free pages of a file that one transaction gives back.
const PAGES_AT_A_TIME: u32 = 256;
/// So few free pages stay: ingest frees and takes pages all the time.
const KEPT_PAGES: i64 = 32;
/// While metrics arrive, the pause after a step is as many times as long as the step took.
const PAUSES: u32 = 10;

/// What is left to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// There may be more.
    More,
    /// More, after this time.
    Later(Duration),
}

/// The time in microseconds since 1970 in UTC.
fn now() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX)
}

/// Takes the next step: so small that new metrics hardly wait. The columns of a segment that was replaced stay as long as `grace` for those
/// who read them.
pub(crate) async fn step(store: &Store, ingest: &WeakIngest, grace: Duration) -> Result<Rest, String> {
    let deletions = Deletions::of(store).await.map_err(|error| error.to_string())?;
    let Some(deletions) = deletions else { return Ok(Rest::Nothing) };
    let step = match next(store, deletions, grace).await.map_err(|error| error.to_string())? {
        Ok(step) => step,
        Err(rest) => return Ok(rest),
    };
    let newest = store.history.newest();
    let begun = Instant::now();
    ingest.clean_up(step).await.map_err(|error| error.message)?;
    let took = begun.elapsed();
    store.history.update(store).await.map_err(|error| error.to_string())?;
    if store.history.newest() > newest {
        tokio::time::sleep(took * PAUSES).await;
    }
    Ok(Rest::More)
}

/// Returns the next step, or that there is none by now.
async fn next(store: &Store, deletions: Deletions, grace: Duration) -> Result<Result<CleanUp, Rest>, DbErr> {
    if store.history.backlog() > 0 {
        // It is sealed without them first.
        return Ok(Err(Rest::Nothing));
    }
    if let Some(replacement) = store.history.next_replacement(store).await? {
        return Ok(Ok(CleanUp::Replace(Box::new(replacement), now())));
    }
    let rows = history::deleted_rows(store).await?;
    if !rows.is_empty() {
        return Ok(Ok(CleanUp::DeleteRows(rows)));
    }
    if let Some((segment, replaced_at)) = history::replaced(store).await? {
        let age = Duration::from_micros(now().saturating_sub(replaced_at).unsigned_abs());
        return Ok(match grace.checked_sub(age) {
            Some(rest) if !rest.is_zero() => Err(Rest::Later(rest)),
            _ => Ok(CleanUp::DropReplaced(segment)),
        });
    }
    if store.select::<i64, 0>(store.engine().free_pages(), []).await?.pop().unwrap_or_default() > KEPT_PAGES {
        return Ok(Ok(CleanUp::GiveBack(PAGES_AT_A_TIME)));
    }
    Ok(Ok(CleanUp::Complete(deletions)))
}

impl Ingest {
    /// Clears away everything that is left of deleted sessions.
    ///
    /// # Errors
    /// The database's, or a damaged segment. A server goes on with it.
    pub(crate) async fn clear_deleted(&self, store: &Store, grace: Duration) -> Result<(), String> {
        let ingest = self.downgrade();
        loop {
            match step(store, &ingest, grace).await? {
                Rest::Nothing => return Ok(()),
                Rest::More => {}
                Rest::Later(time) => tokio::time::sleep(time).await,
            }
        }
    }
}
