//! How many distinct things the metrics of each group refer to: a bit for each group and thing, in passes of as many groups as fit
//! into memory.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use sea_orm::DbErr;
use tokio::sync::Semaphore;

use crate::{
    driver::source::Source,
    history::{
        aggregate::{
            grouping::{Grouping, Key, PageGroups},
            moments::AggregateError,
        },
        column::Column,
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        scan::Scan,
    },
};

/// Bytes of the bits of one pass, at most.
const MAX_BYTES: u64 = 32 << 20;
/// Maximum number of passes.
const MAX_PASSES: u64 = 8;

/// What all threads mark, and where.
struct Pass {
    grouping: Arc<Grouping>,
    things: Arc<Grouping>,
    bits: Arc<Vec<AtomicU64>>,
    /// Words of a group.
    width: usize,
    /// The groups of this pass.
    groups: std::ops::Range<usize>,
    of_page: PageGroups,
    things_of_page: PageGroups,
}

impl Pass {
    fn mark(&self, group: u32, thing: u32) {
        let Some(group) = (group as usize).checked_sub(self.groups.start) else { return };
        let (word, bit) = (thing as usize / 64, 1 << (thing % 64));
        if group >= self.groups.len() || word >= self.width {
            return;
        }
        let word = &self.bits[group * self.width + word];
        // Most bits are set already, and looking is cheaper than setting.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

impl Sink for Pass {
    fn columns(&self, columns: &mut Vec<Column>) {
        self.grouping.columns(columns);
        self.things.columns(columns);
    }

    fn take(&mut self, part: &mut Part, page: usize, matches: Mask) -> Result<(), DbErr> {
        let group = self.grouping.of_page(part, page, matches, &mut self.of_page)?;
        let thing = self.things.of_page(part, page, matches, &mut self.things_of_page)?;
        let (groups, things) = (&self.of_page.groups, &self.things_of_page.groups);
        match (group, thing) {
            (Some(group), Some(thing)) => self.mark(group, thing),
            (Some(group), None) => things.iter().for_each(|thing| self.mark(group, *thing)),
            (None, Some(thing)) => groups.iter().for_each(|group| self.mark(*group, thing)),
            (None, None) => groups.iter().zip(things).for_each(|(group, thing)| self.mark(*group, *thing)),
        }
        Ok(())
    }
}

/// Returns how many numbers of `things`, except `none`, the metrics of each group have.
///
/// # Errors
/// If that takes too much memory, the database fails, or a page is damaged.
pub(crate) async fn distinct<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: &Arc<Predicate>,
    grouping: &Grouping,
    things: Key,
    none: Option<u32>,
    budget: &Semaphore,
) -> Result<Vec<u64>, AggregateError> {
    let groups = grouping.len().ok_or(AggregateError::TooManyGroups)?;
    let width = things.len().div_ceil(64).max(1);
    let at_a_time = usize::try_from(MAX_BYTES / 8).unwrap_or(usize::MAX) / width;
    if at_a_time == 0 || groups.div_ceil(at_a_time) as u64 > MAX_PASSES {
        return Err(AggregateError::TooManyDistinct);
    }
    let (grouping, things) = (Arc::new(grouping.clone()), Arc::new(Grouping::dense(vec![things])));
    let mut counts = Vec::with_capacity(groups);
    for first in (0..groups).step_by(at_a_time) {
        let of_pass = first..groups.min(first + at_a_time);
        let words = of_pass.len() * width;
        let kib = u32::try_from((words * 8).div_ceil(1024)).unwrap_or(u32::MAX).max(1);
        let _permit = budget.acquire_many(kib).await.map_err(|error| DbErr::Custom(error.to_string()))?;
        let bits: Arc<Vec<AtomicU64>> = Arc::new((0..words).map(|_| AtomicU64::new(0)).collect());
        let passes = read_all(scan, predicate, || Pass {
            grouping: Arc::clone(&grouping),
            things: Arc::clone(&things),
            bits: Arc::clone(&bits),
            width,
            groups: of_pass.clone(),
            of_page: PageGroups::default(),
            things_of_page: PageGroups::default(),
        });
        drop(passes.await?);
        let without = none.map_or(0, |none| 1_u64 << (none % 64));
        for of_group in bits.chunks(width) {
            let ones = |(word, bits): (usize, &AtomicU64)| {
                let bits = bits.load(Ordering::Relaxed);
                let is_last = none.is_some_and(|none| none as usize / 64 == word);
                u64::from(if is_last { bits & !without } else { bits }.count_ones())
            };
            counts.push(of_group.iter().enumerate().map(ones).sum());
        }
    }
    Ok(counts)
}
