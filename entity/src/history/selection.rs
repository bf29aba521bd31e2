//! What a list keeps of the metrics that match: the first ones in its order, for each of its parents (top-k).

use std::{
    collections::{BTreeSet, BinaryHeap, HashMap, hash_map::Entry},
    sync::Arc,
};

use crate::{
    history::{
        column::{Column, Dimension},
        predicate::Predicate,
        zone::{Range, Zone},
    },
    list::Position,
    resource::Resource,
};

/// What metrics are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// The key.
    Key,
    /// When the test began.
    StartedAt,
    /// The value of a resource.
    Resource(Resource),
}

/// Returns an integer that orders like `number`.
pub(crate) fn rank_of_number(number: f64) -> i64 {
    // Zero has one rank, whatever its sign. The bits of negative numbers count down.
    let bits = (number + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The inverse of [`rank_of_number`].
pub(crate) fn number_of_rank(rank: i64) -> f64 {
    f64::from_bits((rank ^ ((rank >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}

impl Rank {
    /// Returns the column.
    pub(crate) fn column(self) -> Column {
        match self {
            Self::Key => Column::Key,
            Self::StartedAt => Column::StartedAt,
            Self::Resource(resource) => Column::Resource(resource),
        }
    }

    /// Returns the ranks in a zone.
    pub(crate) fn of_zone(self, zone: &Zone) -> Range<i64> {
        match self {
            Self::Key => zone.keys,
            Self::StartedAt => zone.started_at,
            Self::Resource(resource) => {
                let Range { least, greatest } = zone.resource(resource);
                Range { least: rank_of_number(least), greatest: rank_of_number(greatest) }
            }
        }
    }
}

/// The place of a metric in a list: places compare as the list is ordered.
pub(crate) type Place = (i64, i64);

/// The order of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanOrder {
    /// What to order by.
    pub(crate) by: Rank,
    /// Greatest first.
    pub(crate) descending: bool,
    /// Among equals, the newest first.
    pub(crate) newest_first: bool,
}

impl ScanOrder {
    /// The order of insertion.
    pub(crate) const INSERTED: Self = Self { by: Rank::Key, descending: false, newest_first: false };

    /// Returns the place of a metric with this rank and key.
    pub(crate) fn place(self, rank: i64, key: i64) -> Place {
        (if self.descending { !rank } else { rank }, if self.newest_first { !key } else { key })
    }

    /// Returns the place of a cursor.
    pub(crate) fn place_of(self, position: Position) -> Place {
        self.place(position.key, position.id)
    }

    /// Returns the first and the last rank, in this order, of the metrics of a zone.
    pub(crate) fn ranks(self, zone: &Zone) -> (i64, i64) {
        let Range { least, greatest } = self.by.of_zone(zone);
        if self.descending { (!greatest, !least) } else { (least, greatest) }
    }

    /// Returns the opposite order.
    pub(crate) fn reversed(self) -> Self {
        Self { descending: !self.descending, newest_first: !self.newest_first, ..self }
    }
}

/// Where a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    /// The part of the snapshot.
    pub(crate) part: usize,
    /// The page of the part.
    pub(crate) page: usize,
    /// The row of the page.
    pub(crate) row: usize,
}

/// A metric that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    /// Its place in the list.
    pub(crate) place: Place,
    /// Where it is.
    pub(crate) location: Location,
}

/// The parents of lists: each child that metrics refer to has one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parents {
    /// What the children are: sessions, contexts or variants. `None`: all metrics have the same parent.
    pub(crate) dimension: Option<Dimension>,
    /// The parent of each child.
    pub(crate) of: HashMap<i64, i64>,
}

impl Parents {
    /// Returns the condition that a metric matches `predicate` and belongs to a parent for which `is_wanted` is true.
    pub(crate) fn narrow(&self, predicate: &Predicate, is_wanted: impl Fn(i64) -> bool) -> Predicate {
        let Some(dimension) = self.dimension else { return predicate.clone() };
        let children = self.of.iter().filter(|(_, parent)| is_wanted(**parent)).map(|(child, _)| *child);
        Predicate::all([Predicate::Among(dimension, Arc::new(children.collect())), predicate.clone()])
    }
}

/// The first metrics of a list.
#[derive(Debug)]
enum List {
    /// Any.
    All(BinaryHeap<Found>),
    /// Of each thing only the first, by the key of the thing.
    Distinct(BTreeSet<(Found, i64)>, HashMap<i64, Found>),
}

impl List {
    fn new(is_distinct: bool) -> Self {
        if is_distinct { Self::Distinct(BTreeSet::new(), HashMap::new()) } else { Self::All(BinaryHeap::new()) }
    }

    fn len(&self) -> usize {
        match self {
            Self::All(found) => found.len(),
            Self::Distinct(found, _) => found.len(),
        }
    }

    fn last(&self) -> Option<&Found> {
        match self {
            Self::All(found) => found.peek(),
            Self::Distinct(found, _) => found.last().map(|(found, _)| found),
        }
    }

    /// Adds a metric of the thing with the key `of`.
    fn add(&mut self, found: Found, of: i64) {
        match self {
            Self::All(all) => all.push(found),
            Self::Distinct(all, first) => match first.entry(of) {
                Entry::Occupied(before) if *before.get() <= found => {}
                Entry::Occupied(mut before) => {
                    all.remove(&(before.insert(found), of));
                    all.insert((found, of));
                }
                Entry::Vacant(entry) => {
                    entry.insert(found);
                    all.insert((found, of));
                }
            },
        }
    }

    fn remove_last(&mut self) {
        match self {
            Self::All(found) => drop(found.pop()),
            Self::Distinct(found, first) => {
                if let Some((_, of)) = found.pop_last() {
                    first.remove(&of);
                }
            }
        }
    }

    fn into_sorted(self) -> Vec<Found> {
        match self {
            Self::All(found) => found.into_sorted_vec(),
            Self::Distinct(found, _) => found.into_iter().map(|(found, _)| found).collect(),
        }
    }
}

/// The first metrics of each parent, in the order of their lists.
#[derive(Debug)]
pub(crate) struct Selection {
    limit: usize,
    lists: HashMap<i64, List>,
}

impl Selection {
    /// Creates a selection of at most `limit` metrics for each of `parents`; if it is distinct, of each thing only the first.
    pub(crate) fn new(limit: usize, is_distinct: bool, parents: impl IntoIterator<Item = i64>) -> Self {
        Self { limit, lists: parents.into_iter().map(|parent| (parent, List::new(is_distinct))).collect() }
    }

    /// Returns whether a metric of `parent` whose place is `place` or later may be kept.
    pub(crate) fn is_open(&self, parent: i64, place: Place) -> bool {
        let Some(list) = self.lists.get(&parent) else { return false };
        list.len() < self.limit || list.last().is_some_and(|last| place < last.place)
    }

    /// Returns whether that is so for any parent.
    pub(crate) fn is_any_open(&self, place: Place) -> bool {
        self.lists.keys().any(|parent| self.is_open(*parent, place))
    }

    /// Returns for how many parents that is so.
    pub(crate) fn open_lists(&self, place: Place) -> usize {
        self.lists.keys().filter(|parent| self.is_open(**parent, place)).count()
    }

    /// Returns the number of parents.
    pub(crate) fn len(&self) -> usize {
        self.lists.len()
    }

    /// Adds a metric of the thing with the key `of`, if it belongs to the first ones.
    pub(crate) fn add(&mut self, parent: i64, found: Found, of: i64) {
        if self.is_open(parent, found.place)
            && let Some(list) = self.lists.get_mut(&parent)
        {
            list.add(found, of);
            if list.len() > self.limit {
                list.remove_last();
            }
        }
    }

    /// Returns the metrics of each parent, in order.
    pub(crate) fn into_lists(self) -> impl Iterator<Item = (i64, Vec<Found>)> {
        self.lists.into_iter().map(|(parent, list)| (parent, list.into_sorted()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Found, Location, Selection, number_of_rank, rank_of_number};

    proptest! {
        #[test]
        fn of_each_thing_the_first_is_selected(
            metrics in prop::collection::vec((0..20_i64, 0..6_i64), 0..60), limit in 0..8_usize,
        ) {
            let found = |(row, (rank, _)): (usize, &(i64, i64))| {
                let key = i64::try_from(row).unwrap();
                Found { place: (*rank, key), location: Location { part: 0, page: 0, row } }
            };
            let mut selection = Selection::new(limit, true, [0]);
            let mut first = BTreeMap::new();
            for (row, metric) in metrics.iter().enumerate() {
                let found = found((row, metric));
                selection.add(0, found, metric.1);
                first.entry(metric.1).and_modify(|first: &mut Found| *first = found.min(*first)).or_insert(found);
            }
            let mut expected: Vec<Found> = first.into_values().collect();
            expected.sort_unstable();
            expected.truncate(limit);
            prop_assert_eq!(selection.into_lists().next().unwrap().1, expected);
        }
    }

    #[test]
    fn ranks_order_like_numbers() {
        let numbers =
            [f64::NEG_INFINITY, f64::MIN, -1.5, -f64::MIN_POSITIVE, 0.0, f64::MIN_POSITIVE, 1.0, 1.5, f64::MAX];
        assert!(numbers.is_sorted_by(|a, b| rank_of_number(*a) < rank_of_number(*b)));
        assert_eq!(rank_of_number(-0.0), rank_of_number(0.0));
        for number in numbers {
            assert_eq!(number_of_rank(rank_of_number(number)).to_bits(), number.to_bits());
        }
    }
}
