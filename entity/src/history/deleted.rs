//! Sessions that are deleted, while rows and segments still have metrics of them. No scan shows these.

use sea_orm::DbErr;

use crate::{driver::source::Source, history::key_set::KeySet};

const SELECT_DELETED: &str = "SELECT id, session_id FROM deletion";

/// The sessions that are deleted, as far as the deletion is not complete.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// The numbers of their deletions.
    numbers: KeySet,
    /// Their keys.
    pub(crate) sessions: KeySet,
}

impl Deleted {
    /// Reads them.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn read(db: &impl Source) -> Result<Self, DbErr> {
        let rows = db.select::<(i64, i64), 0>(SELECT_DELETED, []).await?;
        let (numbers, sessions): (Vec<i64>, Vec<i64>) = rows.into_iter().unzip();
        Ok(Self { numbers: numbers.into_iter().collect(), sessions: sessions.into_iter().collect() })
    }

    /// Returns whether all deletions after number `before` up to number `last` are among them.
    pub(crate) fn has_all(&self, before: i64, last: i64) -> bool {
        (before + 1..=last).all(|number| self.numbers.contains(number))
    }
}
