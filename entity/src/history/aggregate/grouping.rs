//! Which group each metric belongs to.

use std::sync::Arc;

use sea_orm::DbErr;

use crate::history::{
    column::{Column, Dimension},
    part::Part,
    rows::Rows as _,
    zone::Range,
};

/// The group of metrics that are left out.
pub(crate) const NO_GROUP: u32 = u32::MAX;

/// Maximum number of groups, empty ones included: what each costs must fit into the memory for aggregates.
pub(crate) const MAX_GROUPS: usize = 1 << 18;

/// One of the things by which metrics are grouped: a number below [`Self::len`] for each of them.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// By what they refer to: the number of each key from 0 on, [`NO_GROUP`] for those that are left out.
    Of(Dimension, Arc<Vec<u32>>, usize),
    /// By when the tests began: the first moments, in microseconds, of periods in ascending order. Metrics before the first
    /// one are left out.
    Time(Arc<Vec<i64>>),
}

impl Key {
    fn column(&self) -> Column {
        match self {
            Self::Of(dimension, ..) => Column::Of(*dimension),
            Self::Time(_) => Column::StartedAt,
        }
    }

    /// Returns how many numbers there are.
    fn len(&self) -> usize {
        match self {
            Self::Of(_, _, len) => *len,
            Self::Time(starts) => starts.len(),
        }
    }

    fn number(&self, value: i64) -> u32 {
        match self {
            Self::Of(_, numbers, _) => {
                usize::try_from(value).ok().and_then(|key| numbers.get(key)).copied().unwrap_or(NO_GROUP)
            }
            Self::Time(starts) => {
                let after = starts.partition_point(|start| *start <= value);
                after.checked_sub(1).and_then(|number| u32::try_from(number).ok()).unwrap_or(NO_GROUP)
            }
        }
    }

    /// Returns the number of all rows of the selected page, if its zone gives it.
    fn of_zone(&self, part: &Part, page: usize) -> Option<u32> {
        let zone = part.zone(page)?;
        let Range { least, greatest } = match self {
            Self::Of(Dimension::Session, ..) => zone.sessions,
            Self::Of(Dimension::Context, ..) => zone.contexts,
            Self::Of(Dimension::Variant, ..) => return None,
            Self::Time(_) => zone.started_at,
        };
        let is_one = match self {
            Self::Of(..) => least == greatest,
            Self::Time(_) => self.number(least) == self.number(greatest),
        };
        is_one.then(|| self.number(least))
    }
}

/// How metrics are grouped: by each combination of the numbers of its keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grouping(pub(crate) Vec<Key>);

impl Grouping {
    /// Returns the number of groups, empty ones included; `None` if there are more than [`MAX_GROUPS`].
    pub(crate) fn len(&self) -> Option<usize> {
        let len = self.0.iter().try_fold(1_usize, |len, key| len.checked_mul(key.len()))?;
        (len <= MAX_GROUPS).then_some(len)
    }

    /// Returns whether metrics that were recorded one after the other are in the same groups.
    pub(crate) fn is_clustered(&self) -> bool {
        self.0.iter().any(|key| matches!(key, Key::Of(Dimension::Session, ..) | Key::Time(_)))
    }

    /// Adds the columns that it reads to `columns`.
    pub(crate) fn columns(&self, columns: &mut Vec<Column>) {
        columns.extend(self.0.iter().map(Key::column));
    }

    /// Returns the group of all rows of the selected page, `page`, if they have the same. Otherwise, it writes that of each row to
    /// `groups`.
    ///
    /// # Errors
    /// If the page is damaged.
    pub(crate) fn of_page(&self, part: &mut Part, page: usize, groups: &mut Vec<u32>) -> Result<Option<u32>, DbErr> {
        let mut one = Some(0);
        for key in &self.0 {
            // Fits: it is less than the number of groups.
            let len = u32::try_from(key.len()).unwrap_or(NO_GROUP);
            let combine = |group: u32, number: u32| {
                let is_out = group == NO_GROUP || number == NO_GROUP;
                if is_out { NO_GROUP } else { group * len + number }
            };
            match (one, key.of_zone(part, page)) {
                (Some(group), Some(number)) => one = Some(combine(group, number)),
                (None, Some(number)) => groups.iter_mut().for_each(|group| *group = combine(*group, number)),
                (Some(group), None) => {
                    let values = part.integers(key.column())?.iter();
                    groups.clear();
                    groups.extend(values.map(|value| combine(group, key.number(*value))));
                    one = None;
                }
                (None, None) => {
                    for (group, value) in groups.iter_mut().zip(part.integers(key.column())?) {
                        *group = combine(*group, key.number(*value));
                    }
                }
            }
        }
        Ok(one)
    }
}
