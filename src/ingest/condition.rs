//! Whether anything can be stored, as far as the last attempts have shown.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use entity::driver::fault::Fault;
use sea_orm::DbErr;

use crate::ingest::retry;

/// So long after a failure for lack of room only metrics that are stored are believed.
const UNTIL_BELIEVED: Duration = Duration::from_secs(30);

/// What an attempt has proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Metrics were stored: there is room for more.
    Stored,
    /// The database takes transactions: hardly anything was stored.
    Tried,
}

/// What the committer remembers of its attempts.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    is_failing: Arc<AtomicBool>,
    /// When the last attempt failed for lack of room, since the last success.
    out_of_room: Option<Instant>,
}

impl Condition {
    /// Keeps `is_failing` up to date from now on.
    pub fn shown_by(is_failing: Arc<AtomicBool>) -> Self {
        Self { is_failing, out_of_room: None }
    }

    /// Whether nothing can be stored.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// An attempt succeeded, at `now`.
    pub fn passed(&mut self, proof: Proof, now: Instant) {
        let is_believed = proof == Proof::Stored
            || self.out_of_room.is_none_or(|failed| now.duration_since(failed) >= UNTIL_BELIEVED);
        if is_believed && self.is_failing.swap(false, Ordering::Relaxed) {
            self.out_of_room = None;
            tracing::info!("the database takes what is stored again");
        }
    }

    /// An attempt failed, at `now`. That a value was refused, or others came in the way, says nothing of the next one.
    pub fn failed(&mut self, error: &DbErr, now: Instant) {
        if Fault::of(error) != Fault::Database {
            return;
        }
        if retry::is_for_room(error) {
            self.out_of_room = Some(now);
        }
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "nothing can be stored");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use sea_orm::{DbErr, RuntimeErr};

    use super::{Condition, Proof};

    fn failure(said: &str) -> DbErr {
        DbErr::Query(RuntimeErr::Internal(said.to_owned()))
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
    fn a_full_disk_is_not_believed_to_have_room_before_something_is_stored_or_a_while_has_passed() {
        for said in ["database or disk is full", "disk I/O error"] {
            let (mut condition, mut now) = (Condition::default(), Instant::now());
            condition.failed(&failure(said), now);
            condition.passed(Proof::Tried, now);
            assert!(condition.is_failing(), "{said}");
            condition.passed(Proof::Stored, now);
            assert!(!condition.is_failing(), "{said}");
            condition.failed(&failure(said), now);
            now += Duration::from_secs(29);
            condition.passed(Proof::Tried, now);
            assert!(condition.is_failing(), "{said}");
            condition.failed(&failure(said), now);
            now += Duration::from_secs(29);
            condition.passed(Proof::Tried, now);
            assert!(condition.is_failing(), "{said}");
            now += Duration::from_secs(1);
            condition.passed(Proof::Tried, now);
            assert!(!condition.is_failing(), "{said}");
        }
    }
}
