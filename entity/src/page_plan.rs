//! Chooses how a numbered page of metrics is read, and finds its key range in the zone map. Nothing here reads the database.

use crate::{filter::Tree, key_range, metric_block::Dimension, table::metric::Filter};

/// Up to here one sort is cheaper than the zone map.
const MAX_SORTED_MATCHES: u64 = 4_000;
/// Upper bound of the sections (partition × variant) of the index by variant that one page reads. Most of them may be empty.
const MAX_SECTIONS: i64 = 10_000;

/// How a numbered page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PagePlan {
    /// Every metric matches and keys are dense, so the page number gives the first key.
    ByKey,
    /// Walks the index from its nearer end: for one parent.
    ThroughIndex,
    /// Sorts the keys of all matches: for few matches of several parents.
    Sorted,
    /// Adds up the zone map from its nearer end until the page begins: for many matches of several parents.
    ZoneMap,
    /// Skips the rows of earlier pages: for all other filters.
    Offset,
}

/// Chooses how to read a page of `filter`. `parents` are the sessions, contexts or variants that it amounts to; `newest` was the
/// greatest key when `total` metrics matched. `has_partitions`: the index by variant is partitioned.
pub(crate) fn plan(
    filter: &Tree<Filter>,
    parents: Option<&(Dimension, Vec<i64>)>,
    newest: i64,
    total: u64,
    has_partitions: bool,
) -> PagePlan {
    match parents {
        Some(_) if total == newest.unsigned_abs() => PagePlan::ByKey,
        Some((_, parents)) if parents.len() == 1 => PagePlan::ThroughIndex,
        Some((dimension, parents))
            if total <= MAX_SORTED_MATCHES && sections(*dimension, parents, newest, has_partitions) <= MAX_SECTIONS =>
        {
            PagePlan::Sorted
        }
        Some(_) => PagePlan::ZoneMap,
        None if *filter == Tree::default() => PagePlan::ByKey,
        None => PagePlan::Offset,
    }
}

/// Returns the number of sections of the partitioned index by variant that may have matches.
fn sections(dimension: Dimension, parents: &[i64], newest: i64, has_partitions: bool) -> i64 {
    if dimension != Dimension::Variant || !has_partitions {
        return 0;
    }
    i64::try_from(parents.len()).unwrap_or(i64::MAX).saturating_mul(key_range::partition(newest) + 1)
}

/// The key range in which a page lies, according to the zone map.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageRange {
    /// The last key before the block in which the page begins.
    pub(crate) after: i64,
    /// Number of matches in the range that are on earlier pages.
    pub(crate) skip: u64,
    /// The last key of the block in which the page ends.
    pub(crate) until: i64,
    /// Number of matches in the range.
    pub(crate) matching: u64,
}

impl PageRange {
    /// Returns the range of the matches from `before` to `last` in blocks with these counts; `earlier` matches precede the
    /// blocks.
    pub(crate) fn in_blocks(counts: &[(i64, u64)], mut earlier: u64, before: u64, last: u64) -> Self {
        let mut range: Option<Self> = None;
        for (block, count) in counts {
            let so_far = earlier + count;
            let until = (block + 1) * key_range::BLOCK;
            match &mut range {
                None if so_far > before => {
                    let after = block * key_range::BLOCK;
                    range = Some(Self { after, skip: before - earlier, until, matching: *count });
                }
                Some(range) if earlier < last => (range.until, range.matching) = (until, range.matching + count),
                _ => {}
            }
            earlier = so_far;
        }
        range.unwrap_or(Self { after: 0, skip: before, until: i64::MAX, matching: u64::MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::{PagePlan, PageRange, plan};
    use crate::{filter::Tree, key_range, metric_block::Dimension, table::metric::Filter};

    #[test]
    fn a_page_is_planned_by_filter_parents_and_total() {
        let everything = Tree::default();
        let passed: Tree<Filter> = Filter { passed: Some(true), ..Filter::default() }.into();
        let plan = |filter, parents: Option<(Dimension, Vec<i64>)>, newest, total| {
            [true, false].map(|has_partitions| plan(filter, parents.as_ref(), newest, total, has_partitions))
        };
        let of = |dimension, count| Some((dimension, (1..=count).collect()));
        assert_eq!(plan(&everything, None, 0, 9), [PagePlan::ByKey; 2]);
        assert_eq!(plan(&passed, None, 0, 9), [PagePlan::Offset; 2]);
        assert_eq!(plan(&passed, of(Dimension::Session, 2), 9, 9), [PagePlan::ByKey; 2]);
        assert_eq!(plan(&passed, of(Dimension::Session, 1), 90_000, 80_000), [PagePlan::ThroughIndex; 2]);
        assert_eq!(plan(&passed, of(Dimension::Session, 2), 90_000, 4_000), [PagePlan::Sorted; 2]);
        assert_eq!(plan(&passed, of(Dimension::Session, 2), 90_000, 4_001), [PagePlan::ZoneMap; 2]);
        // 6 partitions × 1,700 variants, where the index is partitioned.
        let plans = plan(&passed, of(Dimension::Variant, 1_700), 90_000, 4_000);
        assert_eq!(plans, [PagePlan::ZoneMap, PagePlan::Sorted]);
    }

    #[test]
    fn a_page_lies_in_the_blocks_that_the_counts_lead_to() {
        let block = key_range::BLOCK;
        let range = |earlier, before, last| PageRange::in_blocks(&[(3, 10), (4, 0), (5, 10)], earlier, before, last);
        let expected =
            |after, skip, until, matching| PageRange { after: after * block, skip, until: until * block, matching };
        assert_eq!(range(0, 5, 10), expected(3, 5, 4, 10));
        assert_eq!(range(0, 5, 11), expected(3, 5, 6, 20));
        assert_eq!(range(100, 110, 120), expected(5, 0, 6, 10));
    }
}
