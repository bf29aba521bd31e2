//! What happens to a batch that failed: it is retried, split, or given up.

use std::time::Duration;

use entity::driver::error_kind::ErrorKind;
use sea_orm::{DbErr, RuntimeErr};

use crate::error::{Code, Error};

/// How often a transaction that collided with another one is tried.
const MAX_TRIES: u32 = 8;

/// Pause before the second try; it doubles before each later one.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);

/// Pause between two tries while the database is busy.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same again, after a pause.
    Retry(Duration),
    /// The same after a pause, until the jobs may wait no longer.
    Wait(Duration),
    /// Each half of it, unless it is a single job.
    Split,
    /// Nothing: its senders get the error.
    GiveUp,
}

impl Next {
    /// Decides after try number `tries` (from 1, without those that found the database busy) failed with `error`.
    pub fn after(tries: u32, error: &DbErr) -> Self {
        match ErrorKind::of(error) {
            ErrorKind::Collision if tries < MAX_TRIES => Self::Retry(FIRST_BACKOFF * 2_u32.pow(tries - 1)),
            ErrorKind::Busy => Self::Wait(BUSY_PAUSE),
            ErrorKind::Value(_) => Self::Split,
            ErrorKind::Collision | ErrorKind::Database => Self::GiveUp,
        }
    }
}

/// The error that the sender of a failed job gets.
pub(crate) fn refusal(error: DbErr) -> Error {
    match ErrorKind::of(&error) {
        ErrorKind::Value(reason) => {
            tracing::warn!(%error, "the database refused a value");
            Error::bad_input(format!("the database rejected a value: {reason}; nothing was stored"))
        }
        ErrorKind::Collision | ErrorKind::Busy | ErrorKind::Database => Error::from(error),
    }
}

/// The error that the sender of a job gets which has waited long enough for a busy database. `is_sure`: whether it was not stored.
pub(crate) fn waited_in_vain(is_sure: bool) -> Error {
    let outcome = if is_sure { "nothing was stored" } else { "it may have been stored" };
    let message =
        format!("the database was busy, or out of reach, for as long as a request may take: {outcome}; try again");
    Error::new(Code::DatabaseUnavailable, message)
}

/// Whether the disk is full, or failed: a transaction that needs hardly any space may pass meanwhile.
pub(crate) fn is_full_disk(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
            matches!(code.as_ref(), "53100" | "58030")
        }
        // "database or disk is full", "disk I/O error"
        DbErr::Query(RuntimeErr::Internal(reason)) => reason.contains("disk"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_orm::{DbErr, RuntimeErr};

    use super::{MAX_TRIES, Next};

    #[test]
    fn collisions_are_retried_with_growing_pauses_and_not_for_ever() {
        let collision = DbErr::RecordNotFound("a row".to_owned());
        let pauses = [5, 10, 20, 40, 80, 160, 320];
        for (tries, pause) in (1..).zip(pauses) {
            assert_eq!(Next::after(tries, &collision), Next::Retry(Duration::from_millis(pause)));
        }
        assert_eq!(Next::after(MAX_TRIES, &collision), Next::GiveUp);
    }

    #[test]
    fn a_refused_value_splits_the_batch_and_a_failure_ends_it() {
        assert_eq!(Next::after(1, &DbErr::Exec(RuntimeErr::Internal("too big".to_owned()))), Next::Split);
        assert_eq!(Next::after(1, &DbErr::Query(RuntimeErr::Internal("disk is full".to_owned()))), Next::GiveUp);
    }

    #[test]
    fn a_busy_database_is_waited_for() {
        let busy = DbErr::Conn(RuntimeErr::Internal("database is locked".to_owned()));
        for tries in [1, MAX_TRIES, 1_000] {
            assert!(matches!(Next::after(tries, &busy), Next::Wait(_)));
        }
    }
}
