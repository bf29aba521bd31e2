//! Whether the database still holds the history that is remembered. It may be put back to an earlier one at any time: by a backup that is
//! restored, by a standby that takes over and lacks the last commits, by somebody who empties the tables.

use std::collections::BTreeMap;

use sea_orm::{DbErr, Statement};

use crate::{dialect::Engine, driver::source::Source};

/// Rows of other servers that are kept: one that is gone is made anew.
const KEPT: i64 = 100;

/// What has become of the history since the last commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Past {
    /// It goes on from there.
    #[default]
    Same,
    /// Somebody else has written to the file: it may go on, or be another one.
    Touched,
    /// It is another one.
    Another,
}

/// The last commit of the one who writes, to be found again before anything that is remembered is used. If it is there, so is everything
/// that it and the transactions before it have read.
///
/// On PostgreSQL a row in `committer` counts the commits of each server. On SQLite a number tells when anybody else has written.
#[derive(Debug, Default)]
pub struct Trail {
    name: String,
    /// The number of the last commit that is known to be one; `None` before the first.
    committed: Option<i64>,
    /// The greatest number that may have been committed: an answer may have been lost.
    tried: i64,
}

impl Trail {
    /// The transaction that followed it was committed.
    pub fn commit(&mut self) {
        self.committed = Some(self.tried);
    }

    /// Takes note of what a file tells, which is what it told at the last commit unless somebody else has written to it.
    pub(crate) fn meets(&mut self, version: i64) -> Past {
        self.tried = version;
        if self.committed.is_none_or(|committed| committed == version) { Past::Same } else { Past::Touched }
    }

    /// The statement that finds the last commit and counts the next one, a row if it is there; `None` before the first.
    pub(crate) fn next(&mut self) -> Option<String> {
        let (committed, tried) = (self.committed?, self.tried);
        self.tried += 1;
        Some(format!(
            "UPDATE committer SET commits = {} WHERE name = '{}' AND commits BETWEEN {committed} AND {tried}",
            self.tried, self.name
        ))
    }

    /// Begins anew, under another name: one that a restored history may know as well is no proof.
    pub(crate) async fn begin(&mut self, db: &impl Source) -> Result<(), DbErr> {
        let sql = format!(
            "WITH old AS (DELETE FROM committer WHERE id <= (SELECT MAX(id) FROM committer) - {KEPT}) \
             INSERT INTO committer (name, commits) \
             VALUES (md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text), 1) RETURNING name"
        );
        let rows = db.all_of::<String>(Statement::from_string(db.engine().backend(), sql)).await?;
        self.name = rows.into_iter().next().ok_or_else(|| DbErr::RecordNotFound("a committer".to_owned()))?;
        (self.committed, self.tried) = (None, 1);
        Ok(())
    }
}

/// What a look at the history shows of how far it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// The greatest key of metrics.
    pub metric: i64,
    /// The number of the last announcement of a session.
    pub session: i64,
    /// How many commits each server has made, by the key of its row.
    commits: BTreeMap<i64, i64>,
}

impl Sight {
    /// Looks, in one statement.
    ///
    /// # Errors
    /// The database's.
    pub async fn of(db: &impl Source) -> Result<Self, DbErr> {
        let commits = match db.engine() {
            Engine::Sqlite => "''",
            Engine::Postgres => "(SELECT COALESCE(string_agg(id || ' ' || commits, ' '), '') FROM committer)",
        };
        let sql = format!("SELECT (SELECT MAX(id) FROM metric), (SELECT MAX(announced) FROM session), {commits}");
        let statement = Statement::from_string(db.engine().backend(), sql);
        let row = db.all_of::<(Option<i64>, (Option<i64>, String))>(statement).await?.pop();
        let (metric, (session, commits)) = row.unwrap_or_default();
        let numbers: Vec<i64> = commits.split(' ').filter_map(|number| number.parse().ok()).collect();
        let commits = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(Self { metric: metric.unwrap_or(0), session: session.unwrap_or(0), commits })
    }

    /// Whether the history that this shows goes on from what `before`, an earlier look, has shown.
    pub fn goes_on_from(&self, before: &Self) -> bool {
        let has_all = |(id, commits): (&i64, &i64)| self.commits.get(id).is_none_or(|now| now >= commits);
        let newest_is_there = before.commits.keys().next_back().is_none_or(|id| self.commits.contains_key(id));
        self.metric >= before.metric
            && self.session >= before.session
            && newest_is_there
            && before.commits.iter().all(has_all)
    }
}

#[cfg(test)]
mod tests {
    use super::{Past, Sight, Trail};

    fn sight(metric: i64, session: i64, commits: &[(i64, i64)]) -> Sight {
        Sight { metric, session, commits: commits.iter().copied().collect() }
    }

    #[test]
    fn a_history_goes_on_as_long_as_nothing_is_taken_back() {
        let before = sight(10, 2, &[(1, 5), (2, 7)]);
        for now in [
            before.clone(),
            sight(11, 2, &[(1, 5), (2, 8)]),
            sight(10, 3, &[(1, 6), (2, 7), (3, 1)]),
            // Rows of servers that are long gone are cleared away.
            sight(10, 2, &[(2, 7)]),
        ] {
            assert!(now.goes_on_from(&before), "{now:?}");
        }
        for now in [
            sight(9, 2, &[(1, 5), (2, 7)]),
            sight(10, 1, &[(1, 5), (2, 7)]),
            // Others have filled up what was lost.
            sight(99, 9, &[(1, 99), (2, 6)]),
            sight(99, 9, &[(1, 99)]),
            sight(0, 0, &[]),
        ] {
            assert!(!now.goes_on_from(&before), "{now:?}");
        }
        assert!(before.goes_on_from(&Sight::default()));
    }

    #[test]
    fn a_commit_whose_answer_was_lost_may_be_there_or_not() {
        let mut trail = Trail::default();
        assert_eq!(trail.next(), None);
        (trail.name, trail.tried) = ("a".to_owned(), 1);
        trail.commit();
        assert!(trail.next().is_some_and(|sql| sql.contains("commits = 2 ") && sql.contains("BETWEEN 1 AND 1")));
        assert!(trail.next().is_some_and(|sql| sql.contains("commits = 3 ") && sql.contains("BETWEEN 1 AND 2")));
        trail.commit();
        assert!(trail.next().is_some_and(|sql| sql.contains("commits = 4 ") && sql.contains("BETWEEN 3 AND 3")));
    }

    #[test]
    fn a_file_that_somebody_else_wrote_to_is_noticed_until_the_next_commit() {
        let mut trail = Trail::default();
        assert_eq!(trail.meets(4), Past::Same);
        trail.commit();
        let met = [4, 5, 5].map(|version| trail.meets(version));
        assert_eq!(met, [Past::Same, Past::Touched, Past::Touched]);
        trail.commit();
        assert_eq!(trail.meets(5), Past::Same);
    }
}
