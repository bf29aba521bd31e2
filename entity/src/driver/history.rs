//! Whether the database still holds the history that the caches were filled from. It may be replaced by an earlier one at any time: a
//! backup is restored, a standby that lacks the last commits takes over, tables are emptied.

use std::collections::BTreeMap;

use sea_orm::{DbErr, Statement};

use crate::{
    dialect::Engine,
    driver::{keys, source::Source},
};

/// Rows of other servers that are kept in `committer`. A server whose row is gone begins a new one.
const MAX_COMMITTERS: i64 = 100;

/// What has become of the history since the last commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Continuity {
    /// It continues.
    #[default]
    Continues,
    /// It continues, but another server has deleted sessions.
    Thinned,
    /// Another process has written to the file: it may continue, or be another one.
    Uncertain,
    /// It is another one.
    Replaced,
}

/// The last commit of this server, which is looked up before any cache is used. If it is there, so is everything that it and the
/// transactions before it have read.
///
/// On PostgreSQL a row in `committer` counts the commits of each server. On SQLite, `PRAGMA data_version` changes when another process
/// writes.
#[derive(Debug, Default)]
pub struct CommitTrail {
    name: String,
    /// The number of the last commit that was confirmed; `None` before the first.
    committed: Option<i64>,
    /// The greatest number that may have been committed: the confirmation may have been lost.
    tried: i64,
    /// How many sessions were deleted from the history, as far as this server knows.
    deletions: i64,
}

const SELECT_DELETIONS: &str = "COALESCE((SELECT deletions FROM history), 0)";

impl CommitTrail {
    /// Notes that the transaction was committed, in which so many sessions were deleted.
    pub fn commit(&mut self, deletions: i64) {
        self.committed = Some(self.tried);
        self.deletions += deletions;
    }

    /// Compares the data version of a file with that at the last commit.
    pub(crate) fn check_data_version(&mut self, version: i64) -> Continuity {
        self.tried = version;
        if self.committed.is_none_or(|committed| committed == version) {
            Continuity::Continues
        } else {
            Continuity::Uncertain
        }
    }

    /// Whether the commit that was tried last is there, though its confirmation was lost. No other transaction of this server may be open.
    pub(crate) async fn is_there(&self, db: &impl Source) -> Result<bool, DbErr> {
        let sql = "SELECT commits FROM committer WHERE name = $1";
        let statement = db.engine().statement(sql, [self.name.as_str().into()]);
        Ok(db.all_of::<i64>(statement).await?.pop() == Some(self.tried))
    }

    /// Returns the statement that counts the next commit, and affects a row if the last one is there and no other server has deleted
    /// sessions since; `None` before the first.
    pub(crate) fn next_commit(&mut self) -> Option<String> {
        let (update, deletions) = (self.count_commit(self.tried)?, self.deletions);
        self.tried += 1;
        Some(format!("{update} AND {SELECT_DELETIONS} = {deletions}"))
    }

    /// Returns the statement that counts the next commit, if none after number `last` was tried.
    fn count_commit(&self, last: i64) -> Option<String> {
        let committed = self.committed?;
        Some(format!(
            "UPDATE committer SET commits = {} WHERE name = '{}' AND commits BETWEEN {committed} AND {last}",
            last + 1,
            self.name
        ))
    }

    /// Counts the next commit after the statement of [`Self::next_commit`] affected no row. Returns whether the last commit is there: then
    /// sessions were deleted.
    pub(crate) async fn rejoin(&mut self, db: &impl Source) -> Result<bool, DbErr> {
        let Some(update) = self.count_commit(self.tried - 1) else { return Ok(false) };
        let sql = format!("WITH next AS ({update} RETURNING id) SELECT {SELECT_DELETIONS} FROM next");
        let deletions = db.all_of::<i64>(Statement::from_string(db.engine().backend(), sql)).await?.pop();
        self.deletions = deletions.unwrap_or(self.deletions);
        Ok(deletions.is_some())
    }

    /// Begins a new row, under a new name: a restored history may contain the old one.
    pub(crate) async fn restart(&mut self, db: &impl Source) -> Result<(), DbErr> {
        let sql = format!(
            "WITH old AS (DELETE FROM committer WHERE id <= (SELECT MAX(id) FROM committer) - {MAX_COMMITTERS}) \
             INSERT INTO committer (name, commits) \
             VALUES (md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text), 1) \
             RETURNING name, {SELECT_DELETIONS}"
        );
        let rows = db.all_of::<(String, i64)>(Statement::from_string(db.engine().backend(), sql)).await?;
        let row = rows.into_iter().next().ok_or_else(|| DbErr::RecordNotFound("a committer".to_owned()))?;
        ((self.name, self.deletions), self.committed, self.tried) = (row, None, 1);
        Ok(())
    }
}

/// How far the history goes at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistorySnapshot {
    /// The greatest key of metrics.
    pub metric: i64,
    /// The number of the last announcement of a session.
    pub session: i64,
    /// The number of sessions that were deleted.
    pub deletions: i64,
    /// How many commits each server has made, by the key of its row.
    commits: BTreeMap<i64, i64>,
}

impl HistorySnapshot {
    /// Reads it, in one statement.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(db: &impl Source) -> Result<Self, DbErr> {
        let commits = match db.engine() {
            Engine::Sqlite => "''",
            Engine::Postgres => "(SELECT COALESCE(string_agg(id || ' ' || commits, ' '), '') FROM committer)",
        };
        let sql = format!(
            "SELECT (SELECT last_metric_id FROM history), ({}), {SELECT_DELETIONS}, {commits}",
            keys::greatest("session", "announced")
        );
        let statement = Statement::from_string(db.engine().backend(), sql);
        let row = db.all_of::<((Option<i64>, Option<i64>), (i64, String))>(statement).await?.pop();
        let ((metric, session), (deletions, commits)) = row.unwrap_or_default();
        let numbers: Vec<i64> = commits.split(' ').filter_map(|number| number.parse().ok()).collect();
        let commits = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(Self { metric: metric.unwrap_or(0), session: session.unwrap_or(0), deletions, commits })
    }

    /// Whether this may be a later state of the history that `before` shows.
    pub fn continues(&self, before: &Self) -> bool {
        let has_all = |(id, commits): (&i64, &i64)| self.commits.get(id).is_none_or(|now| now >= commits);
        let newest_is_there = before.commits.keys().next_back().is_none_or(|id| self.commits.contains_key(id));
        self.metric >= before.metric
            && self.deletions >= before.deletions
            && self.session >= before.session
            && newest_is_there
            && before.commits.iter().all(has_all)
    }
}

#[cfg(test)]
mod tests {
    use super::{CommitTrail, Continuity, HistorySnapshot};

    fn snapshot(metric: i64, session: i64, commits: &[(i64, i64)]) -> HistorySnapshot {
        HistorySnapshot { metric, session, deletions: 0, commits: commits.iter().copied().collect() }
    }

    #[test]
    fn a_history_continues_as_long_as_no_number_falls() {
        let before = snapshot(10, 2, &[(1, 5), (2, 7)]);
        for now in [
            before.clone(),
            snapshot(11, 2, &[(1, 5), (2, 8)]),
            snapshot(10, 3, &[(1, 6), (2, 7), (3, 1)]),
            // Rows of servers that are long gone are deleted.
            snapshot(10, 2, &[(2, 7)]),
        ] {
            assert!(now.continues(&before), "{now:?}");
        }
        for now in [
            snapshot(9, 2, &[(1, 5), (2, 7)]),
            snapshot(10, 1, &[(1, 5), (2, 7)]),
            // Other servers have reached the lost numbers again.
            snapshot(99, 9, &[(1, 99), (2, 6)]),
            snapshot(99, 9, &[(1, 99)]),
            snapshot(0, 0, &[]),
        ] {
            assert!(!now.continues(&before), "{now:?}");
        }
        assert!(before.continues(&HistorySnapshot::default()));
    }

    #[test]
    fn a_commit_without_confirmation_may_be_there_or_not() {
        let mut trail = CommitTrail::default();
        assert_eq!(trail.next_commit(), None);
        (trail.name, trail.tried) = ("a".to_owned(), 1);
        trail.commit(0);
        assert!(trail.next_commit().is_some_and(|sql| sql.contains("commits = 2 ") && sql.contains("BETWEEN 1 AND 1")));
        assert!(trail.next_commit().is_some_and(|sql| sql.contains("commits = 3 ") && sql.contains("BETWEEN 1 AND 2")));
        trail.commit(0);
        assert!(trail.next_commit().is_some_and(|sql| sql.contains("commits = 4 ") && sql.contains("BETWEEN 3 AND 3")));
    }

    #[test]
    fn a_commit_is_counted_only_if_no_session_was_deleted_by_another_server() {
        let mut trail = CommitTrail { name: "a".to_owned(), committed: Some(1), tried: 1, deletions: 3 };
        assert!(trail.next_commit().is_some_and(|sql| sql.ends_with("FROM history), 0) = 3")));
        trail.commit(2);
        assert!(trail.next_commit().is_some_and(|sql| sql.ends_with("FROM history), 0) = 5")));
    }

    #[test]
    fn a_file_that_another_process_wrote_to_is_uncertain_until_the_next_commit() {
        let mut trail = CommitTrail::default();
        assert_eq!(trail.check_data_version(4), Continuity::Continues);
        trail.commit(0);
        let found = [4, 5, 5].map(|version| trail.check_data_version(version));
        assert_eq!(found, [Continuity::Continues, Continuity::Uncertain, Continuity::Uncertain]);
        trail.commit(0);
        assert_eq!(trail.check_data_version(5), Continuity::Continues);
    }
}
