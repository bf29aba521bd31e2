//! What groups of sessions measured: which variants, how long in total, and when the last test ended.

use std::{collections::HashMap, sync::Arc};

use sea_orm::DbErr;

use crate::{
    driver::source::Source,
    history::{
        aggregate::ExactSum,
        column::{Column, Dimension},
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
    },
    resource::Resource,
};

/// The number of the group of each session, from 0 on.
pub(crate) type Groups = Arc<HashMap<i64, usize>>;

/// The variants that a group measured: a bit for each key, since groups measure mostly the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct VariantSet(Vec<u64>);

impl VariantSet {
    /// Returns the number of variants.
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Returns the keys that are not in `other`, in ascending order.
    pub(crate) fn without(&self, other: &Self) -> Vec<i64> {
        let words = self.0.iter().zip(other.0.iter().chain(std::iter::repeat(&0))).map(|(own, other)| own & !other);
        let bits = |word: u64| (0..64).filter(move |bit| word >> bit & 1 == 1);
        words.zip((0_i64..).step_by(64)).flat_map(|(word, first)| bits(word).map(move |bit| first + bit)).collect()
    }
}

/// The times of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct GroupTimes {
    /// When the last test ended, in microseconds on its clock; `None` without metrics.
    pub end: Option<i64>,
    /// The sum of the total times in seconds, correctly rounded.
    pub total: f64,
}

/// Returns the condition that a metric is of one of the sessions.
fn of_sessions(groups: &Groups) -> Arc<Predicate> {
    Arc::new(Predicate::Among(Dimension::Session, Arc::new(groups.keys().copied().collect())))
}

/// Writes the group of each row of the selected page that matches to `rows`.
fn rows_of(part: &mut Part, matches: Mask, groups: &Groups, rows: &mut Vec<(usize, usize)>) -> Result<(), DbErr> {
    let sessions = part.integers(Column::Of(Dimension::Session))?;
    rows.clear();
    rows.extend(matches.rows().filter_map(|row| Some((row, *groups.get(&sessions[row])?))));
    Ok(())
}

/// The variants that one thread has seen, a bit for each key, by group.
struct Variants {
    groups: Groups,
    seen: Vec<Vec<u64>>,
    rows: Vec<(usize, usize)>,
}

impl Sink for Variants {
    fn columns(&self, columns: &mut Vec<Column>) {
        columns.extend([Column::Of(Dimension::Session), Column::Of(Dimension::Variant)]);
    }

    fn take(&mut self, part: &mut Part, _page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { groups, seen, rows } = self;
        rows_of(part, matches, groups, rows)?;
        let variants = part.integers(Column::Of(Dimension::Variant))?;
        for (row, group) in rows {
            let Ok(variant) = usize::try_from(variants[*row]) else { continue };
            let seen = &mut seen[*group];
            if seen.len() <= variant / 64 {
                seen.resize(variant / 64 + 1, 0);
            }
            seen[variant / 64] |= 1 << (variant % 64);
        }
        Ok(())
    }
}

/// Returns the variants that each of `count` groups measured.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn variants_of<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    groups: &Groups,
    count: usize,
) -> Result<Vec<VariantSet>, DbErr> {
    let sink = || Variants { groups: Arc::clone(groups), seen: vec![Vec::new(); count], rows: Vec::new() };
    let mut all: Vec<Vec<u64>> = vec![Vec::new(); count];
    for sink in read_all(scan, &of_sessions(groups), sink).await? {
        for (all, seen) in all.iter_mut().zip(sink.seen) {
            if all.len() < seen.len() {
                all.resize(seen.len(), 0);
            }
            all.iter_mut().zip(seen).for_each(|(all, seen)| *all |= seen);
        }
    }
    Ok(all.into_iter().map(VariantSet).collect())
}

/// The times that one thread has read, by group.
struct TimesSink {
    groups: Groups,
    times: Vec<(Option<i64>, ExactSum)>,
    rows: Vec<(usize, usize)>,
    started_at: Vec<i64>,
}

impl Sink for TimesSink {
    fn columns(&self, columns: &mut Vec<Column>) {
        let total = Column::Resource(Resource::TotalTime);
        columns.extend([Column::Of(Dimension::Session), Column::StartedAt, total]);
    }

    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    fn take(&mut self, part: &mut Part, _page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { groups, times, rows, started_at } = self;
        rows_of(part, matches, groups, rows)?;
        started_at.clear();
        let column = part.integers(Column::StartedAt)?;
        started_at.extend(rows.iter().map(|(row, _)| column[*row]));
        let totals = part.numbers(Resource::TotalTime)?;
        for ((row, group), started_at) in rows.iter().zip(started_at) {
            let (end, total) = &mut times[*group];
            *end = (*end).max(Some(started_at.saturating_add((totals[*row] * 1e6).round() as i64)));
            total.add(totals[*row]);
        }
        Ok(())
    }
}

/// Returns the times of each of `count` groups.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn times_of<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    groups: &Groups,
    count: usize,
) -> Result<Vec<GroupTimes>, DbErr> {
    let none = vec![(None, ExactSum::default()); count];
    let sink =
        || TimesSink { groups: Arc::clone(groups), times: none.clone(), rows: Vec::new(), started_at: Vec::new() };
    let mut all = none.clone();
    for sink in read_all(scan, &of_sessions(groups), sink).await? {
        for ((end, total), (other_end, other_total)) in all.iter_mut().zip(sink.times) {
            *end = (*end).max(other_end);
            total.merge(&other_total);
        }
    }
    Ok(all.into_iter().map(|(end, total)| GroupTimes { end, total: total.value() }).collect())
}
