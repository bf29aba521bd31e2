//! Records those of several metrics that are missing: a source that is brought again, in full or in part, adds nothing twice.
//!
//! Equal metrics are numbered. The third of a source is missing if fewer than three are stored, so the same source counts once, and a source
//! that has really measured the same three times counts three times.

use std::collections::{BTreeSet, HashMap};

use entity::{
    announced,
    driver::source::Source as _,
    query::{Store, stored::stored},
    table::{
        metric::{self, Content},
        session,
    },
};
use sea_orm::DbErr;

use crate::{
    error::{Code, Error, MEANWHILE},
    ingest::{
        batch::Batch,
        condition::Proof,
        job::Job,
        jobs::record_metrics::{NewMetric, check_all, insert_rows, rows_of},
        queue::Ingest,
    },
};

/// How often the history may be read anew because it was sealed or replaced meanwhile.
const MAX_READS: usize = 20;
const SEALED_UNTIL: &str = "SELECT sealed_until FROM history";

/// A metric, and its number among equal ones of its source, from 1.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberedMetric {
    /// The metric.
    pub metric: NewMetric,
    /// Its number; `None` if it is counted among those that it is recorded with.
    pub ordinal: Option<u32>,
}

/// How many of several metrics were missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Those that were missing, and are stored now.
    pub stored: u64,
    /// Those that were stored already.
    pub present: u64,
}

struct RecordMissing {
    metrics: Vec<NumberedMetric>,
    /// What was stored of them, and how often.
    stored: HashMap<Content, u32>,
    /// The greatest key that was assigned then.
    until: i64,
}

/// What was read of the history is too old: its later rows may be gone from the table.
struct Outdated(Vec<NumberedMetric>);

impl Job for RecordMissing {
    type Stored = Option<u64>;
    type Answer = Result<Missing, Outdated>;

    const PROOF: Proof = Proof::Stored;

    fn rows(&self) -> usize {
        self.metrics.len().max(1)
    }

    async fn store(&self, batch: &mut Batch<'_>) -> Result<Option<u64>, DbErr> {
        let sealed_until = batch.tx.select::<i64, 0>(SEALED_UNTIL, []).await?.pop().unwrap_or_default();
        if sealed_until > self.until || !batch.continues {
            return Ok(None);
        }
        let metrics: Vec<&NewMetric> = self.metrics.iter().map(|numbered| &numbered.metric).collect();
        let rows = rows_of(&metrics, batch).await?;
        let sessions: BTreeSet<i64> = rows.iter().map(|row| row.row.session_id).collect();
        let sessions: Vec<i64> = sessions.into_iter().collect();
        // What was stored since it was read, and what is about to be.
        let mut since: HashMap<Content, u32> = HashMap::new();
        for row in metric::rows_after(&batch.tx, &sessions, self.until).await? {
            *since.entry(row.content()).or_default() += 1;
        }
        let mut given: HashMap<Content, u32> = HashMap::new();
        let mut missing = Vec::with_capacity(rows.len());
        for (row, numbered) in rows.into_iter().zip(&self.metrics) {
            let content = row.row.content();
            let ordinal = numbered.ordinal.unwrap_or_else(|| {
                let given = given.entry(content.clone()).or_default();
                *given += 1;
                *given
            });
            let stored = self.stored.get(&content).copied().unwrap_or_default();
            let since = since.entry(content).or_default();
            if ordinal > stored + *since {
                *since += 1;
                missing.push(row);
            }
        }
        if missing.is_empty() {
            return Ok(Some(0));
        }
        insert_rows(missing, batch).await.map(|inserted| Some(inserted.len() as u64))
    }

    fn answer(self, stored: Option<u64>) -> Result<Result<Missing, Outdated>, Error> {
        let given = self.metrics.len() as u64;
        Ok(match stored {
            Some(stored) => Ok(Missing { stored, present: given - stored }),
            None => Err(Outdated(self.metrics)),
        })
    }
}

impl Ingest {
    /// Stores those of these metrics that are missing, all or none, and returns how many those were, once they are on disk.
    ///
    /// # Errors
    /// Those of [`check_all`], of [`Self::run`], and the database's.
    pub(crate) async fn record_missing(&self, db: &Store, mut metrics: Vec<NumberedMetric>) -> Result<Missing, Error> {
        let Some(first) = metrics.first() else { return Ok(Missing::default()) };
        let mut period = (first.metric.started_at.micros, first.metric.started_at.micros);
        for NumberedMetric { metric, .. } in &metrics {
            let start = metric.started_at.micros;
            period = (period.0.min(start), period.1.max(start));
        }
        check_all(metrics.iter().map(|numbered| &numbered.metric))?;
        for _ in 0..MAX_READS {
            let hashes: BTreeSet<&str> = metrics.iter().map(|one| one.metric.session_hash.as_str()).collect();
            let hashes: Vec<&str> = hashes.into_iter().collect();
            let sessions = announced::measured::<session::Entity>(db, &hashes).await?;
            let found = stored(db, &sessions, period).await?;
            let mut counts: HashMap<Content, u32> = HashMap::with_capacity(found.metrics.len());
            for row in &found.metrics {
                *counts.entry(row.content()).or_default() += 1;
            }
            match self.run(RecordMissing { metrics, stored: counts, until: found.until }).await? {
                Ok(missing) => return Ok(missing),
                Err(Outdated(same)) => metrics = same,
            }
        }
        Err(Error::new(Code::DatabaseUnavailable, format!("the history was compressed {MEANWHILE}")))
    }
}
