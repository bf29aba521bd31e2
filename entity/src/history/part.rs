//! A part of a snapshot that a scan reads: a segment, or the head.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::{
    history::{
        column::{Column, Dimension},
        head::Head,
        key_set::KeySet,
        mask::Mask,
        predicate::Predicate,
        rows::Rows,
        segment::OpenSegment,
        zone::Zone,
    },
    resource::Resource,
    table::metric,
};

/// An open part. One of its pages is selected.
#[derive(Debug)]
pub(crate) enum Part {
    /// A segment.
    Segment(Box<OpenSegment>),
    /// The head, and the number of the selected page.
    Head(Head, usize),
}

impl Part {
    /// Returns the number of pages.
    pub(crate) fn pages(&self) -> usize {
        match self {
            Self::Segment(segment) => segment.pages(),
            Self::Head(head, _) => head.pages().len(),
        }
    }

    /// Returns the ranges of a page; `None` if it has no metrics.
    pub(crate) fn zone(&self, page: usize) -> Option<Zone> {
        match self {
            Self::Segment(segment) => segment.directory.zones.get(page).copied(),
            Self::Head(head, _) => head.pages().get(page)?.zone,
        }
    }

    /// Selects the page that is read from.
    pub(crate) fn select(&mut self, page: usize) {
        match self {
            Self::Segment(segment) => segment.select(page),
            Self::Head(_, selected) => *selected = page,
        }
    }

    /// Returns the metrics at these rows of the selected page. All columns must be loaded.
    ///
    /// # Errors
    /// If a page is damaged.
    pub(crate) fn metrics(&mut self, rows: &[usize]) -> Result<Vec<metric::Model>, DbErr> {
        match self {
            Self::Segment(segment) => segment.metrics(rows),
            Self::Head(head, page) => {
                let columns = &head.pages()[*page].columns;
                Ok(rows.iter().map(|row| columns.row(*row)).collect())
            }
        }
    }

    /// Returns the number of metrics that have one of `keys`; `None` for the head, which does not count them.
    pub(crate) fn count(&self, dimension: Dimension, keys: &KeySet) -> Option<u64> {
        match self {
            Self::Segment(segment) => Some(segment.directory.of(dimension).count(keys)),
            Self::Head(..) => None,
        }
    }

    /// Returns, for each page, the rows of these variants. The postings must be loaded.
    ///
    /// # Errors
    /// If a page is damaged.
    pub(crate) fn rows_of_variants(&mut self, variants: &KeySet) -> Result<Option<Vec<Mask>>, DbErr> {
        let Self::Segment(segment) = self else { return Ok(None) };
        let mut masks = vec![Mask::default(); segment.pages()];
        for (_, places) in Arc::clone(&segment.directory).of(Dimension::Variant).ranges_of(variants) {
            for row in segment.postings(places)? {
                if let Some(mask) = masks.get_mut(row / segment.page_size()) {
                    mask.insert(row % segment.page_size());
                }
            }
        }
        Ok(Some(masks))
    }

    /// Selects a page, and returns which of its rows match `predicate`; `candidates` are the only rows of each page that can.
    ///
    /// # Errors
    /// If a page is damaged.
    pub(crate) fn matches(
        &mut self,
        page: usize,
        predicate: &Predicate,
        candidates: Option<&[Mask]>,
    ) -> Result<Mask, DbErr> {
        let Some(zone) = self.zone(page) else { return Ok(Mask::default()) };
        self.select(page);
        let within = match candidates {
            Some(candidates) => candidates.get(page).copied().unwrap_or_default(),
            None => Mask::first(self.rows()),
        };
        match predicate.of_zone(&zone) {
            Some(true) => Ok(within),
            Some(false) => Ok(Mask::default()),
            None => predicate.of_rows(self, within),
        }
    }
}

impl Rows for Part {
    fn rows(&self) -> usize {
        match self {
            Self::Segment(segment) => segment.rows(),
            Self::Head(head, page) => head.pages()[*page].columns.len(),
        }
    }

    fn integers(&mut self, column: Column) -> Result<&[i64], DbErr> {
        match self {
            Self::Segment(segment) => segment.integers(column),
            Self::Head(head, page) => Ok(head.pages()[*page].columns.integers(column)),
        }
    }

    fn numbers(&mut self, resource: Resource) -> Result<&[f64], DbErr> {
        match self {
            Self::Segment(segment) => segment.numbers(resource),
            Self::Head(head, page) => Ok(head.pages()[*page].columns.numbers(resource)),
        }
    }
}
