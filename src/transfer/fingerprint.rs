//! Fingerprints of metrics, by which equal ones of a source are numbered.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    mem,
};

use crate::ingest::NewMetric;

/// Metrics that are remembered at least, and twice as many at most: 52 MB. Equal metrics that are further apart in one source count as one.
const REMEMBERED: usize = 900_000;

/// What stands for a metric: equal ones have the same, and different ones practically never have.
pub(super) type Fingerprint = (u64, u64);

/// Returns the fingerprint of a metric.
pub(super) fn fingerprint(metric: &NewMetric) -> Fingerprint {
    let NewMetric {
        session_hash,
        context_hash,
        started_at,
        component,
        item_path,
        item,
        variant,
        location,
        kind,
        total_time,
        user_time,
        kernel_time,
        cpu_usage,
        memory_usage,
        passed,
    } = metric;
    let values = [total_time, user_time, kernel_time, cpu_usage, memory_usage].map(|value| (value + 0.0).to_bits());
    let of = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        for text in [session_hash, context_hash, component, item_path, item, variant, location, kind] {
            text.hash(&mut hasher);
        }
        (started_at, values, passed).hash(&mut hasher);
        hasher.finish()
    };
    (of(0), of(1))
}

/// Numbers equal metrics of a source.
#[derive(Debug, Default)]
pub(super) struct Ordinals {
    latest: HashMap<Fingerprint, u32>,
    earlier: HashMap<Fingerprint, u32>,
}

impl Ordinals {
    /// Returns the number of a metric among its equals, from 1.
    pub fn next(&mut self, metric: &NewMetric) -> u32 {
        let fingerprint = fingerprint(metric);
        if self.latest.len() >= REMEMBERED {
            self.earlier = mem::take(&mut self.latest);
        }
        let before = self.latest.get(&fingerprint).or_else(|| self.earlier.get(&fingerprint));
        let ordinal = before.copied().unwrap_or_default().saturating_add(1);
        self.latest.insert(fingerprint, ordinal);
        ordinal
    }
}
