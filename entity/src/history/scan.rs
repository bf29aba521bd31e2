//! Scans: everything that is asked of metrics.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use sea_orm::DbErr;

use crate::{
    driver::source::Source,
    history::{
        column::{Column, Dimension},
        fetch::fetch,
        mask::Mask,
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        selection::{Found, Location, Parents, Place, Rank, ScanOrder, Selection, rank_of_number},
        snapshot::{Extent, Snapshot},
        store::{self, History},
        zone::Zone,
    },
    table::metric::Model,
};

/// A variant is found by its postings if at most one of this many metrics in a segment is of it.
const RARE: u64 = 4;

/// A scan of one snapshot.
#[derive(Debug)]
pub(crate) struct Scan<'a, S> {
    pub(crate) db: &'a S,
    pub(crate) snapshot: Arc<Snapshot>,
}

/// What a list wants.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The order.
    pub(crate) order: ScanOrder,
    /// Only metrics after this place.
    pub(crate) after: Option<Place>,
    /// Only metrics before this place.
    pub(crate) before: Option<Place>,
    /// Maximum number of metrics, for each parent.
    pub(crate) limit: usize,
    /// Of each of these things, only the first metric, for each parent.
    pub(crate) distinct: Option<Dimension>,
}

impl Wanted {
    fn has(&self, place: Place) -> bool {
        self.after.is_none_or(|after| place > after) && self.before.is_none_or(|before| place < before)
    }

    /// Returns whether metrics of a zone may be wanted.
    fn overlaps(&self, zone: &Zone) -> bool {
        let (first, last) = self.order.ranks(zone);
        self.after.is_none_or(|(after, _)| last >= after) && self.before.is_none_or(|(before, _)| first <= before)
    }

    /// Returns the place at which the metrics of a zone begin, at the earliest.
    fn start(&self, zone: &Zone) -> Place {
        (self.order.ranks(zone).0, i64::MIN)
    }
}

/// A part that is read with a condition.
pub(crate) struct OpenPart<'a> {
    pub(crate) part: Part,
    predicate: Cow<'a, Predicate>,
    /// The only rows of each page that can match.
    candidates: Option<Vec<Mask>>,
}

impl OpenPart<'_> {
    /// Selects a page, and returns which of its rows match.
    pub(crate) fn matches(&mut self, page: usize) -> Result<Mask, DbErr> {
        self.part.matches(page, &self.predicate, self.candidates.as_deref())
    }
}

impl<'a, S: Source + Clone + Send + 'static> Scan<'a, S> {
    /// Begins a scan of everything that is committed.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn begin(db: &'a S, history: &History) -> Result<Self, DbErr> {
        Ok(Self { db, snapshot: history.refresh(db).await? })
    }

    /// Returns the condition that a metric of a part matches `predicate` and is not deleted.
    fn shown<'p>(&self, part: usize, predicate: &'p Predicate) -> Cow<'p, Predicate> {
        let Some(deleted) = self.snapshot.hidden(part) else { return Cow::Borrowed(predicate) };
        let is_deleted = Predicate::Among(Dimension::Session, Arc::clone(deleted));
        Cow::Owned(Predicate::all([predicate.clone(), is_deleted.not()]))
    }

    /// Opens a part with the columns that `predicate` reads, and `more`. `None` if nothing in it matches.
    pub(crate) async fn open<'p>(
        &self,
        part: usize,
        predicate: &'p Predicate,
        more: &[Column],
    ) -> Result<Option<OpenPart<'p>>, DbErr> {
        let Some(zone) = self.snapshot.zone(part) else { return Ok(None) };
        let predicate = self.shown(part, predicate);
        if predicate.of_zone(&zone) == Some(false) {
            return Ok(None);
        }
        // A part takes a millisecond or so: others get their turn, and a scan that nobody waits for ends.
        tokio::task::yield_now().await;
        let mut open = store::open(self.db, &self.snapshot, part).await?;
        let mut variants = None;
        for dimension in Dimension::ALL {
            let Some(keys) = predicate.required(dimension) else { continue };
            match open.count(dimension, keys) {
                Some(0) => return Ok(None),
                Some(count) if dimension == Dimension::Variant && count * RARE <= self.snapshot.len(part) => {
                    variants = Some(Arc::clone(keys));
                }
                _ => {}
            }
        }
        let rest = match variants {
            Some(_) => Cow::Owned(predicate.without_required(Dimension::Variant)),
            None => predicate,
        };
        let mut columns = more.to_vec();
        if rest.of_zone(&zone).is_none() {
            rest.columns(&mut columns);
        }
        store::load(self.db, &self.snapshot, &mut open, &columns, variants.is_some()).await?;
        let candidates = match variants {
            Some(variants) => open.rows_of_variants(&variants)?,
            None => None,
        };
        Ok(Some(OpenPart { part: open, predicate: rest, candidates }))
    }

    /// Returns what the parts have together in which metrics may match; `None` if there are none.
    pub(crate) fn extent(&self, predicate: &Predicate) -> Option<Extent> {
        let extents = (0..self.snapshot.parts()).filter_map(|part| self.snapshot.extent(part));
        extents.filter(|extent| predicate.of_zone(&extent.zone) != Some(false)).reduce(Extent::with)
    }

    /// Returns the first metrics that match, for each of `parents`.
    async fn select(&self, predicate: &Predicate, wanted: &Wanted, parents: &Parents) -> Result<Selection, DbErr> {
        let keys: Vec<i64> = if parents.dimension.is_none() { vec![0] } else { parents.of.values().copied().collect() };
        let mut selection = Selection::new(wanted.limit, wanted.distinct.is_some(), keys);
        let mut narrowed = parents.narrow(predicate, |_| true);
        let zones = (0..self.snapshot.parts()).filter_map(|part| Some((part, self.snapshot.zone(part)?)));
        let is_candidate = |zone: &Zone| wanted.overlaps(zone) && narrowed.of_zone(zone) != Some(false);
        let mut parts: Vec<(usize, Zone)> = zones.filter(|(_, zone)| is_candidate(zone)).collect();
        parts.sort_by_key(|(_, zone)| wanted.start(zone));
        let mut columns = vec![Column::Key, wanted.order.by.column()];
        columns.extend(parents.dimension.into_iter().chain(wanted.distinct).map(Column::Of));
        let mut open_lists = selection.len();
        for (part, zone) in parts {
            let start = wanted.start(&zone);
            // A list that is complete stays so: later parts have later metrics only.
            let still_open = selection.open_lists(start);
            if still_open == 0 {
                break;
            }
            if still_open < open_lists {
                narrowed = parents.narrow(predicate, |parent| selection.is_open(parent, start));
                open_lists = still_open;
            }
            let Some(mut open) = self.open(part, &narrowed, &columns).await? else { continue };
            let pages = 0..open.part.pages();
            let zones = pages.filter_map(|page| Some((page, open.part.zone(page)?)));
            let mut pages: Vec<(usize, Zone)> = zones.filter(|(_, zone)| wanted.overlaps(zone)).collect();
            pages.sort_by_key(|(_, zone)| wanted.start(zone));
            for (page, zone) in pages {
                if !selection.is_any_open(wanted.start(&zone)) {
                    break;
                }
                let matches = open.matches(page)?;
                if !matches.is_empty() {
                    take(&mut selection, wanted, parents, &mut open.part, (part, page), matches)?;
                }
            }
        }
        Ok(selection)
    }

    /// Returns the first metrics that match, in the order wanted, for each parent.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub(crate) async fn lists(
        &self,
        predicate: &Predicate,
        wanted: &Wanted,
        parents: &Parents,
    ) -> Result<HashMap<i64, Vec<Model>>, DbErr> {
        let selection = self.select(predicate, wanted, parents).await?;
        let (mut found, mut lengths) = (Vec::new(), Vec::new());
        for (parent, list) in selection.into_lists() {
            lengths.push((parent, list.len()));
            found.extend(list.into_iter().map(|found| found.location));
        }
        let mut rows = fetch(self.db, &self.snapshot, &found).await?.into_iter();
        Ok(lengths.into_iter().map(|(parent, length)| (parent, rows.by_ref().take(length).collect())).collect())
    }

    /// Returns the first metrics that match, in the order wanted.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub(crate) async fn list(&self, predicate: &Predicate, wanted: &Wanted) -> Result<Vec<Model>, DbErr> {
        Ok(self.lists(predicate, wanted, &Parents::default()).await?.remove(&0).unwrap_or_default())
    }

    /// Returns the keys of the first metrics that match, in the order of insertion.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub(crate) async fn keys(&self, predicate: &Predicate, limit: usize) -> Result<Vec<i64>, DbErr> {
        let wanted = Wanted { order: ScanOrder::INSERTED, after: None, before: None, limit, distinct: None };
        let selection = self.select(predicate, &wanted, &Parents::default()).await?;
        Ok(selection.into_lists().flat_map(|(_, list)| list).map(|found| found.place.1).collect())
    }

    /// Returns the number of metrics of a part that match.
    async fn count_of_part(&self, part: usize, predicate: &Predicate) -> Result<u64, DbErr> {
        let Some(zone) = self.snapshot.zone(part) else { return Ok(0) };
        let predicate = self.shown(part, predicate);
        match (predicate.of_zone(&zone), &*predicate) {
            (Some(true), _) => return Ok(self.snapshot.len(part)),
            (Some(false), _) => return Ok(0),
            // What is not sealed has no counts.
            (None, Predicate::Among(dimension, keys)) if part < self.snapshot.segments.len() => {
                let open = store::open(self.db, &self.snapshot, part).await?;
                if let Some(count) = open.count(*dimension, keys) {
                    return Ok(count);
                }
            }
            (None, _) => {}
        }
        let Some(mut open) = self.open(part, &predicate, &[]).await? else { return Ok(0) };
        (0..open.part.pages()).try_fold(0, |count, page| Ok(count + open.matches(page)?.count()))
    }

    /// Returns the number of metrics that match in each part.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub(crate) async fn counts_by_part(&self, predicate: &Predicate) -> Result<Vec<u64>, DbErr> {
        let mut counts = Vec::with_capacity(self.snapshot.parts());
        for part in 0..self.snapshot.parts() {
            counts.push(self.count_of_part(part, predicate).await?);
        }
        Ok(counts)
    }

    /// Returns the number of metrics that match for each parent; those without are absent.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub(crate) async fn counts(&self, predicate: &Predicate, parents: &Parents) -> Result<HashMap<i64, u64>, DbErr> {
        let mut counts = HashMap::new();
        let Some(dimension) = parents.dimension else { return Ok(counts) };
        let narrowed = parents.narrow(predicate, |_| true);
        for part in 0..self.snapshot.parts() {
            let Some(mut open) = self.open(part, &narrowed, &[Column::Of(dimension)]).await? else { continue };
            for page in 0..open.part.pages() {
                let matches = open.matches(page)?;
                if matches.is_empty() {
                    continue;
                }
                let of_rows = open.part.integers(Column::Of(dimension))?;
                for parent in matches.rows().filter_map(|row| parents.of.get(&of_rows[row])) {
                    *counts.entry(*parent).or_default() += 1;
                }
            }
        }
        Ok(counts)
    }

    /// Returns at most `limit` metrics that match, in the order of insertion, after the first `before`. `counts` are those of
    /// [`Self::counts_by_part`]. It goes from the nearer end.
    ///
    /// # Errors
    /// If the database fails, or a page is damaged.
    pub(crate) async fn page(
        &self,
        predicate: &Predicate,
        counts: &[u64],
        before: u64,
        limit: u64,
    ) -> Result<Vec<Model>, DbErr> {
        let left = counts.iter().sum::<u64>().saturating_sub(before);
        let limit = limit.min(left);
        let after = left - limit;
        let from_end = after < before;
        let mut skip = if from_end { after } else { before };
        let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = Vec::new();
        let parts = 0..counts.len();
        let parts: Vec<usize> = if from_end { parts.rev().collect() } else { parts.collect() };
        for part in parts {
            if left == 0 {
                break;
            }
            if counts[part] <= skip {
                skip -= counts[part];
                continue;
            }
            let Some(mut open) = self.open(part, predicate, &[]).await? else { continue };
            let pages = 0..open.part.pages();
            let pages: Vec<usize> = if from_end { pages.rev().collect() } else { pages.collect() };
            for page in pages {
                let matches = open.matches(page)?;
                if matches.count() <= skip {
                    skip -= matches.count();
                    continue;
                }
                let mut rows: Vec<usize> = matches.rows().collect();
                if from_end {
                    rows.reverse();
                }
                let rows = rows.into_iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(left);
                let before = found.len();
                found.extend(rows.map(|row| Location { part, page, row }));
                (skip, left) = (0, left - (found.len() - before));
                if left == 0 {
                    break;
                }
            }
        }
        if from_end {
            found.reverse();
        }
        fetch(self.db, &self.snapshot, &found).await
    }
}

/// Adds the metrics of a page that match to the lists of their parents.
fn take(
    selection: &mut Selection,
    wanted: &Wanted,
    parents: &Parents,
    open: &mut Part,
    (part, page): (usize, usize),
    matches: Mask,
) -> Result<(), DbErr> {
    let rows: Vec<usize> = matches.rows().collect();
    let pick = |values: &[i64]| rows.iter().map(|row| values[*row]).collect::<Vec<i64>>();
    let keys = pick(open.integers(Column::Key)?);
    let ranks = match wanted.order.by {
        Rank::Resource(resource) => {
            let numbers = open.numbers(resource)?;
            rows.iter().map(|row| rank_of_number(numbers[*row])).collect()
        }
        rank => pick(open.integers(rank.column())?),
    };
    let of_rows = match parents.dimension {
        Some(dimension) => pick(open.integers(Column::Of(dimension))?),
        None => vec![0; rows.len()],
    };
    let things = match wanted.distinct {
        Some(dimension) => pick(open.integers(Column::Of(dimension))?),
        None => vec![0; rows.len()],
    };
    for ((((row, key), rank), child), thing) in rows.into_iter().zip(keys).zip(ranks).zip(of_rows).zip(things) {
        let parent = if parents.dimension.is_some() { parents.of.get(&child).copied() } else { Some(0) };
        let place = wanted.order.place(rank, key);
        if let Some(parent) = parent
            && wanted.has(place)
        {
            selection.add(parent, Found { place, location: Location { part, page, row } }, thing);
        }
    }
    Ok(())
}
