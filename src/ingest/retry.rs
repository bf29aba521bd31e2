//! What becomes of a batch that was not stored: tried again, tried in parts, or given up with a reason.

use std::time::Duration;

use entity::driver::fault::Fault;
use sea_orm::{DbErr, RuntimeErr};

use crate::error::Error;

/// So often a transaction that others came in the way of is tried again.
const TRIES: u32 = 8;

/// Before the second try of a transaction; twice as long before each later one.
const A_MOMENT: Duration = Duration::from_millis(5);

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same again, after a while.
    Again(Duration),
    /// Each half of it, unless it is one piece of work.
    InParts,
    /// Nothing.
    GiveUp,
}

impl Next {
    /// After the try of this number, from 1, failed with `error`.
    pub fn after(tries: u32, error: &DbErr) -> Self {
        match Fault::of(error) {
            Fault::Collision if tries < TRIES => Self::Again(A_MOMENT * 2_u32.pow(tries - 1)),
            Fault::Value(_) => Self::InParts,
            Fault::Collision | Fault::Database => Self::GiveUp,
        }
    }
}

/// What the one is told whose work was not stored.
pub(crate) fn refusal(error: DbErr) -> Error {
    match Fault::of(&error) {
        Fault::Value(said) => {
            tracing::warn!(%error, "the database refused what it was to store");
            Error::bad_input(format!("the database does not take this: {said}; nothing of it was stored"))
        }
        Fault::Collision | Fault::Database => Error::from(error),
    }
}

/// Whether there was no room on the disk, or it failed: a transaction that needs hardly any may go through meanwhile.
pub(crate) fn is_for_room(error: &DbErr) -> bool {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => {
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
            matches!(code.as_ref(), "53100" | "58030")
        }
        // "database or disk is full", "disk I/O error"
        DbErr::Query(RuntimeErr::Internal(said)) => said.contains("disk"),
        _ => false,
    }
}
