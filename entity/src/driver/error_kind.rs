//! Kinds of errors, the same for both drivers.

use rusqlite::{ErrorCode, ffi};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

/// Why a statement failed, as far as it matters for what to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value was refused, in the database's words: the statement would fail again.
    Value(String),
    /// Two transactions collided, or rows were deleted whose keys are cached. A retry may pass.
    Collision,
    /// The database is locked by others, restarts, or can't be reached at the moment: a retry may pass later.
    Busy,
    /// The database or the connection failed.
    Database,
}

/// An error of rusqlite, as the variant of `DbErr` that sqlx would give.
pub(crate) fn failed(error: &rusqlite::Error) -> DbErr {
    // No value violates a key by itself: a cached key is stale.
    let message = RuntimeErr::Internal(error.to_string());
    let Some(failure) = error.sqlite_error() else { return DbErr::Query(message) };
    match (failure.code, failure.extended_code) {
        (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            DbErr::RecordNotFound(error.to_string())
        }
        (
            ErrorCode::ConstraintViolation
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange,
            _,
        ) => DbErr::Exec(message),
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => DbErr::Conn(message),
        _ => DbErr::Query(message),
    }
}

impl ErrorKind {
    /// Returns the kind of `error`.
    pub fn of(error: &DbErr) -> Self {
        match error {
            // See `failed`.
            DbErr::Exec(RuntimeErr::Internal(message)) => Self::Value(message.clone()),
            DbErr::Conn(RuntimeErr::Internal(_)) | DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Self::Busy,
            DbErr::RecordNotFound(_) => Self::Collision,
            DbErr::Exec(RuntimeErr::SqlxError(error))
            | DbErr::Query(RuntimeErr::SqlxError(error))
            | DbErr::Conn(RuntimeErr::SqlxError(error)) => {
                if is_lost(error) {
                    return Self::Busy;
                }
                let failure = error.as_database_error();
                let code = failure.and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
                match (code.as_ref(), code.get(..2).unwrap_or_default()) {
                    // No value violates a key by itself.
                    ("40001" | "40P01" | "23503" | "23505", _) => Self::Collision,
                    (code, class) if is_passing(code, class) => Self::Busy,
                    // Values, constraints, checks of views, limits, and what triggers raise.
                    (_, "22" | "23" | "44" | "54" | "P0") => {
                        Self::Value(failure.map(|failure| failure.message().to_owned()).unwrap_or_default())
                    }
                    _ => Self::Database,
                }
            }
            _ => Self::Database,
        }
    }
}

/// Whether there is no connection: it broke, or the server does not answer.
fn is_lost(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed)
}

/// Whether what this code of PostgreSQL says will pass: a restart, a failover, too many connections, a lock or a statement that took too
/// long.
fn is_passing(code: &str, class: &str) -> bool {
    class == "08"
        || matches!(
            code,
            "25006" | "25P03" | "25P04" | "53300" | "55000" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "57P05"
        )
}

#[cfg(test)]
mod tests {
    use super::{ErrorKind, failed, ffi};

    #[test]
    fn refused_values_are_distinguished_from_failures() {
        let of = |code| {
            ErrorKind::of(&failed(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("why".to_owned()))))
        };
        for code in
            [ffi::SQLITE_CONSTRAINT_TRIGGER, ffi::SQLITE_CONSTRAINT_CHECK, ffi::SQLITE_TOOBIG, ffi::SQLITE_MISMATCH]
        {
            assert_eq!(of(code), ErrorKind::Value("why".to_owned()));
        }
        for code in [ffi::SQLITE_CONSTRAINT_FOREIGNKEY, ffi::SQLITE_CONSTRAINT_UNIQUE] {
            assert_eq!(of(code), ErrorKind::Collision);
        }
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED] {
            assert_eq!(of(code), ErrorKind::Busy);
        }
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR, ffi::SQLITE_READONLY, ffi::SQLITE_CORRUPT] {
            assert_eq!(of(code), ErrorKind::Database);
        }
    }
}
