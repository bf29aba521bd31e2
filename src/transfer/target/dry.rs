//! Counts what a database lacks, and stores nothing.

use std::collections::{BTreeSet, HashMap};

use entity::{announced, query::stored::stored, table::session};

use crate::{
    db::Database,
    error::Error,
    ingest::{Missing, NewContext, NewSession, NumberedMetric},
    transfer::{
        fingerprint::{Fingerprint, fingerprint},
        record::Refusal,
        source::NamedMetrics,
        target::Target,
    },
};

/// A database that is only read, or one that does not exist yet.
pub(crate) struct DryRun<'a> {
    database: Option<(&'a Database, NamedMetrics)>,
}

impl<'a> DryRun<'a> {
    /// Reads `database`, if there is one.
    pub fn of(database: Option<&'a Database>) -> Self {
        Self { database: database.map(|database| (database, NamedMetrics::default())) }
    }
}

impl Target for DryRun<'_> {
    async fn contexts(&mut self, _: Vec<NewContext>) -> Result<(), Error> {
        Ok(())
    }

    async fn sessions(&mut self, _: Vec<NewSession>) -> Result<Vec<Refusal>, Error> {
        Ok(Vec::new())
    }

    async fn metrics(&mut self, metrics: Vec<NumberedMetric>) -> Result<Missing, Error> {
        let mut counts: HashMap<Fingerprint, u32> = HashMap::new();
        if let (Some((database, names)), false) = (&mut self.database, metrics.is_empty()) {
            let db = &database.store;
            let times = metrics.iter().map(|one| one.metric.started_at.micros);
            let period = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
            let hashes: BTreeSet<&str> = metrics.iter().map(|one| one.metric.session_hash.as_str()).collect();
            let hashes: Vec<&str> = hashes.into_iter().collect();
            let sessions = announced::measured::<session::Entity>(db, &hashes).await?;
            let found = stored(db, &sessions, period).await?;
            for metric in names.of(db, found.metrics).await? {
                *counts.entry(fingerprint(&metric)).or_default() += 1;
            }
        }
        let is_missing = |one: &&NumberedMetric| {
            one.ordinal.unwrap_or(1) > counts.get(&fingerprint(&one.metric)).copied().unwrap_or_default()
        };
        let stored = metrics.iter().filter(is_missing).count() as u64;
        Ok(Missing { stored, present: metrics.len() as u64 - stored })
    }
}
