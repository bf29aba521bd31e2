//! Whether anything can be stored, according to the last attempts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use entity::driver::error_kind::ErrorKind;
use sea_orm::DbErr;

use crate::ingest::retry;

/// For this time after a full disk, only stored metrics prove that there is space again.
const FULL_DISK_DISTRUST: Duration = Duration::from_secs(30);

/// What an attempt has proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Metrics were stored: there is space for more.
    Stored,
    /// The database takes transactions: hardly any space was needed.
    Tried,
}

/// What the committer remembers of its attempts.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    is_failing: Arc<AtomicBool>,
    /// When the disk was last found full, since the last success.
    disk_full: Option<Instant>,
}

impl Condition {
    /// Keeps `is_failing` up to date from now on.
    pub fn shown_by(is_failing: Arc<AtomicBool>) -> Self {
        Self { is_failing, disk_full: None }
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Notes a success at `now`.
    pub fn passed(&mut self, proof: Proof, now: Instant) {
        let is_believed = proof == Proof::Stored
            || self.disk_full.is_none_or(|failed| now.duration_since(failed) >= FULL_DISK_DISTRUST);
        if is_believed && self.is_failing.swap(false, Ordering::Relaxed) {
            self.disk_full = None;
            tracing::info!("the database accepts writes again");
        }
    }

    /// Notes a failure at `now`. A refused value or a collision predicts nothing for the next attempt.
    pub fn failed(&mut self, error: &DbErr, now: Instant) {
        if matches!(ErrorKind::of(error), ErrorKind::Value(_) | ErrorKind::Collision) {
            return;
        }
        if retry::is_full_disk(error) {
            self.disk_full = Some(now);
        }
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the database rejects writes");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use sea_orm::{DbErr, RuntimeErr};

    use super::{Condition, Proof};

    fn failure(message: &str) -> DbErr {
        DbErr::Query(RuntimeErr::Internal(message.to_owned()))
    }

    #[test]
    fn what_the_database_fails_at_holds_until_the_next_success() {
        let (mut condition, now) = (Condition::default(), Instant::now());
        condition.passed(Proof::Stored, now);
        assert!(!condition.is_failing());
        for proof in [Proof::Stored, Proof::Tried] {
            condition.failed(&failure("database is locked"), now);
            condition.failed(&failure("database is locked"), now);
            assert!(condition.is_failing());
            condition.passed(proof, now);
            assert!(!condition.is_failing());
        }
    }

    #[test]
    fn a_value_that_is_refused_and_a_collision_say_nothing() {
        let (mut condition, now) = (Condition::default(), Instant::now());
        let (value, collision) =
            (DbErr::Exec(RuntimeErr::Internal("too big".to_owned())), DbErr::RecordNotFound("a row".to_owned()));
        condition.failed(&value, now);
        condition.failed(&collision, now);
        assert!(!condition.is_failing());
        condition.failed(&failure("database is locked"), now);
        condition.failed(&value, now);
        assert!(condition.is_failing());
    }

    #[test]
    fn a_full_disk_stays_unready_until_something_is_stored_or_a_while_has_passed() {
        for message in ["database or disk is full", "disk I/O error"] {
            let (mut condition, mut now) = (Condition::default(), Instant::now());
            condition.failed(&failure(message), now);
            condition.passed(Proof::Tried, now);
            assert!(condition.is_failing(), "{message}");
            condition.passed(Proof::Stored, now);
            assert!(!condition.is_failing(), "{message}");
            condition.failed(&failure(message), now);
            now += Duration::from_secs(29);
            condition.passed(Proof::Tried, now);
            assert!(condition.is_failing(), "{message}");
            condition.failed(&failure(message), now);
            now += Duration::from_secs(29);
            condition.passed(Proof::Tried, now);
            assert!(condition.is_failing(), "{message}");
            now += Duration::from_secs(1);
            condition.passed(Proof::Tried, now);
            assert!(!condition.is_failing(), "{message}");
        }
    }
}
