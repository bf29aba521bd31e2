//! The head: the newest metrics, which are not sealed yet. It is held in memory as columns, in pages like those of segments.

use std::sync::Arc;

use crate::{
    history::{columns::Columns, key_set::KeySet, zone::Zone},
    table::metric::Model,
};

/// A page of the head.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadPage {
    /// Its metrics.
    pub(crate) columns: Columns,
    /// Their ranges; `None` without metrics.
    pub(crate) zone: Option<Zone>,
}

/// The metrics that are not sealed, in the order of their keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head(Vec<Arc<HeadPage>>);

impl Head {
    /// Adds metrics, in pages of `page_size`.
    pub(crate) fn extend(&mut self, rows: &[Model], page_size: usize) {
        let mut rows = rows;
        while !rows.is_empty() {
            if self.0.last().is_none_or(|page| page.columns.len() >= page_size) {
                self.0.push(Arc::default());
            }
            let Some(page) = self.0.last_mut().map(Arc::make_mut) else { return };
            let first = page.columns.len();
            let (fitting, rest) = rows.split_at(rows.len().min(page_size - first));
            for row in fitting {
                page.columns.push(row);
            }
            let zone = page.columns.zone(first, first + fitting.len());
            page.zone = [page.zone, zone].into_iter().flatten().reduce(Zone::with);
            rows = rest;
        }
    }

    /// Returns the pages.
    pub(crate) fn pages(&self) -> &[Arc<HeadPage>] {
        &self.0
    }

    /// Returns the number of metrics.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|page| page.columns.len()).sum()
    }

    /// Returns the ranges of all metrics; `None` without metrics.
    pub(crate) fn zone(&self) -> Option<Zone> {
        self.0.iter().filter_map(|page| page.zone).reduce(Zone::with)
    }

    /// Returns the metrics with keys after `key`.
    pub(crate) fn after(&self, key: i64, page_size: usize) -> Self {
        let is_later = |page: &HeadPage| page.zone.is_some_and(|zone| zone.keys.least > key);
        let ends_later = |page: &HeadPage| page.zone.is_some_and(|zone| zone.keys.greatest > key);
        let mut pages = self.0.iter().skip_while(|page| !ends_later(page));
        let mut after = Self::default();
        if self.0.iter().filter(|page| ends_later(page)).all(|page| is_later(page)) {
            after.0 = pages.cloned().collect();
        } else {
            // A segment that another server made may end within a page.
            let rows = pages.by_ref().flat_map(|page| page.columns.rows());
            after.extend(&rows.filter(|row| row.id > key).collect::<Vec<_>>(), page_size);
        }
        after
    }

    /// Returns the metrics that are not of these sessions.
    pub(crate) fn without(&self, sessions: &KeySet, page_size: usize) -> Self {
        let has_some = |zone: Zone| sessions.overlaps(zone.sessions.least, zone.sessions.greatest);
        if !self.zone().is_some_and(has_some) {
            return self.clone();
        }
        let mut without = Self::default();
        without.extend(&self.rows().filter(|row| !sessions.contains(row.session_id)).collect::<Vec<_>>(), page_size);
        without
    }

    /// Returns all metrics.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Model> {
        self.0.iter().flat_map(|page| page.columns.rows())
    }

    /// Returns the first `rows` metrics as columns of one piece.
    pub(crate) fn first(&self, rows: usize) -> Columns {
        self.rows().take(rows).collect::<Vec<_>>().iter().collect()
    }
}
