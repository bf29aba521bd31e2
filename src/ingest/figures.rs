//! What ingest counts and measures of itself, for monitoring.

use std::{sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramOpts, HistogramTimer, IntCounter, Registry};

/// Upper bounds of times in seconds: from a commit to memory to one that waits for another process.
const SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5, 10.0];
/// Upper bounds of the rows of a batch.
const ROWS: [f64; 6] = [1.0, 10.0, 100.0, 1_000.0, 5_000.0, 10_000.0];

/// Counters and histograms of one server.
#[derive(Debug, Clone)]
pub(crate) struct Figures(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    commit_time: Histogram,
    commit_rows: Histogram,
    failed: IntCounter,
    waits: IntCounter,
    refused: IntCounter,
    sealing_time: Histogram,
}

impl Figures {
    /// Creates the figures of a server that has stored nothing yet.
    ///
    /// # Errors
    /// None: the names are valid.
    pub(super) fn new() -> prometheus::Result<Self> {
        let histogram = |name: &str, help: &str, bounds: &[f64]| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))
        };
        Ok(Self(Arc::new(Inner {
            commit_time: histogram(
                "metrograph_commit_duration_seconds",
                "Time of a transaction that stored.",
                &SECONDS,
            )?,
            commit_rows: histogram("metrograph_commit_rows", "Rows that a transaction stored.", &ROWS)?,
            failed: IntCounter::new(
                "metrograph_commit_failures_total",
                "Transactions that failed, apart from those that found the database busy.",
            )?,
            waits: IntCounter::new(
                "metrograph_database_busy_total",
                "Attempts to store that found the database busy.",
            )?,
            refused: IntCounter::new("metrograph_queue_full_total", "Writes that found the queue full.")?,
            sealing_time: histogram("metrograph_sealing_duration_seconds", "Time to store a segment.", &SECONDS)?,
        })))
    }

    /// Shows them in `registry`.
    ///
    /// # Errors
    /// It has figures of these names.
    pub(crate) fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        let Inner { commit_time, commit_rows, failed, waits, refused, sealing_time } = &*self.0;
        for histogram in [commit_time, commit_rows, sealing_time] {
            registry.register(Box::new(histogram.clone()))?;
        }
        for counter in [failed, waits, refused] {
            registry.register(Box::new(counter.clone()))?;
        }
        Ok(())
    }

    pub(super) fn committed(&self, time: Duration, rows: usize) {
        self.0.commit_time.observe(time.as_secs_f64());
        self.0.commit_rows.observe(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
    }

    pub(super) fn failed(&self) {
        self.0.failed.inc();
    }

    pub(super) fn waited(&self) {
        self.0.waits.inc();
    }

    pub(super) fn refused(&self) {
        self.0.refused.inc();
    }

    /// Measures until it is stopped or dropped.
    pub(super) fn sealing(&self) -> HistogramTimer {
        self.0.sealing_time.start_timer()
    }
}
