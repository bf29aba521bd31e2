//! Which group each metric belongs to.
//!
//! A group is a combination of one number for each key. If there are few combinations, each is the index of a group: groups are
//! dense. If there are many, most of which do not occur, groups are sparse: those that occur are numbered as they are found.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use sea_orm::DbErr;

use crate::history::{
    column::{Column, Dimension},
    mask::Mask,
    part::Part,
    rows::Rows as _,
    zone::Range,
};

/// The group of metrics that are left out.
pub(crate) const NO_GROUP: u32 = u32::MAX;

/// Maximum number of groups, empty ones included if they are dense: what each costs must fit into the memory for aggregates.
pub const MAX_GROUPS: usize = 1 << 18;

/// Returns the number, if it is one below `len`.
#[inline]
fn below(number: i64, len: usize) -> u32 {
    match u32::try_from(number) {
        Ok(number) if (number as usize) < len => number,
        _ => NO_GROUP,
    }
}

/// One of the things by which metrics are grouped: a number below [`Self::len`] for each of them.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    /// By what they refer to, each of which is a group: `len` keys from `first` on.
    Own { dimension: Dimension, first: i64, len: usize },
    /// By what they refer to: the number of each key from `first` on, [`NO_GROUP`] for those that are left out.
    Of { dimension: Dimension, first: i64, numbers: Arc<Vec<u32>>, len: usize },
    /// By when the tests began: periods of `width` microseconds, from `first` on.
    Every { first: i64, width: i64, len: usize },
    /// By when the tests began: the first moments, in microseconds, of periods in ascending order. Metrics before the first
    /// one are left out.
    Time(Arc<Vec<i64>>),
    /// By whether the tests passed, as [`Column::Passed`] has it.
    Passed,
}

impl Key {
    fn column(&self) -> Column {
        match self {
            Self::Own { dimension, .. } | Self::Of { dimension, .. } => Column::Of(*dimension),
            Self::Every { .. } | Self::Time(_) => Column::StartedAt,
            Self::Passed => Column::Passed,
        }
    }

    /// Returns how many numbers there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Own { len, .. } | Self::Of { len, .. } | Self::Every { len, .. } => *len,
            Self::Time(starts) => starts.len(),
            Self::Passed => 3,
        }
    }

    #[inline]
    fn number(&self, value: i64) -> u32 {
        match self {
            Self::Own { first, len, .. } => below(value.wrapping_sub(*first), *len),
            Self::Of { first, numbers, .. } => {
                let index = usize::try_from(value.wrapping_sub(*first)).ok();
                index.and_then(|index| numbers.get(index)).copied().unwrap_or(NO_GROUP)
            }
            Self::Every { first, width, len } => below((value - first).div_euclid(*width), *len),
            Self::Time(starts) => {
                let after = starts.partition_point(|start| *start <= value);
                after.checked_sub(1).and_then(|number| u32::try_from(number).ok()).unwrap_or(NO_GROUP)
            }
            Self::Passed => below(value, 3),
        }
    }

    /// Calls `take` with the number of each value. What kind of key it is is decided once for all of them.
    #[inline]
    fn each(&self, values: &[i64], mut take: impl FnMut(usize, u32)) {
        match self {
            Self::Time(_) | Self::Every { .. } => {
                // Tests that follow each other mostly began in the same period.
                let (mut last, mut number) = (Range { least: 0, greatest: -1 }, NO_GROUP);
                for (row, value) in values.iter().enumerate() {
                    if *value < last.least || *value > last.greatest {
                        number = self.number(*value);
                        last = self.period(number).unwrap_or(Range { least: *value, greatest: *value });
                    }
                    take(row, number);
                }
            }
            Self::Of { first, numbers, .. } => {
                for (row, value) in values.iter().enumerate() {
                    let index = usize::try_from(value.wrapping_sub(*first)).unwrap_or(usize::MAX);
                    take(row, numbers.get(index).copied().unwrap_or(NO_GROUP));
                }
            }
            Self::Own { .. } | Self::Passed => {
                let (first, len) = if let Self::Own { first, len, .. } = self { (*first, *len) } else { (0, 3) };
                for (row, value) in values.iter().enumerate() {
                    take(row, below(value.wrapping_sub(first), len));
                }
            }
        }
    }

    /// Returns the period with this number.
    fn period(&self, number: u32) -> Option<Range<i64>> {
        match self {
            Self::Every { first, width, len } if (number as usize) < *len => {
                let least = first + i64::from(number) * width;
                Some(Range { least, greatest: least + width - 1 })
            }
            Self::Time(starts) => {
                let least = *starts.get(number as usize)?;
                let next = starts.get(number as usize + 1).copied();
                Some(Range { least, greatest: next.map_or(i64::MAX, |next| next - 1) })
            }
            _ => None,
        }
    }

    /// Returns the number of all rows of the selected page, if its zone gives it.
    fn of_zone(&self, part: &Part, page: usize) -> Option<u32> {
        let zone = part.zone(page)?;
        let Range { least, greatest } = match self.column() {
            Column::Of(Dimension::Session) => zone.sessions,
            Column::Of(Dimension::Context) => zone.contexts,
            Column::StartedAt => zone.started_at,
            _ => return None,
        };
        let is_one = match self {
            Self::Every { .. } | Self::Time(_) => self.number(least) == self.number(greatest),
            _ => least == greatest,
        };
        is_one.then(|| self.number(least))
    }

    /// Returns the keys of what has one of `numbers`, and of what kind they are; `None` for times and outcomes.
    fn keys_of(&self, numbers: &[bool]) -> Option<(Dimension, Vec<i64>)> {
        let has = |number: u32| numbers.get(number as usize).copied().unwrap_or(false);
        match self {
            Self::Own { dimension, first, len } => {
                let keys = (0..*len).zip(*first..).filter(|(number, _)| numbers[*number]).map(|(_, key)| key);
                Some((*dimension, keys.collect()))
            }
            Self::Of { dimension, first, numbers: of_keys, .. } => {
                let keys = (*first..).zip(of_keys.iter()).filter(|(_, number)| has(**number)).map(|(key, _)| key);
                Some((*dimension, keys.collect()))
            }
            Self::Every { .. } | Self::Time(_) | Self::Passed => None,
        }
    }
}

/// A combination of numbers as one number.
trait Code: Copy + PartialEq {
    const NONE: Self;
    const FIRST: Self;
    fn with(self, len: usize, number: u32) -> Self;
}

impl Code for u32 {
    const NONE: Self = NO_GROUP;
    const FIRST: Self = 0;

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "less than the number of groups")]
    fn with(self, len: usize, number: u32) -> Self {
        if self == NO_GROUP || number == NO_GROUP { NO_GROUP } else { self * len as Self + number }
    }
}

impl Code for u64 {
    const NONE: Self = Self::MAX;
    const FIRST: Self = 0;

    #[inline]
    fn with(self, len: usize, number: u32) -> Self {
        if self == Self::MAX || number == NO_GROUP { Self::MAX } else { self * len as Self + Self::from(number) }
    }
}

/// Hashes the codes of groups, which are no input of clients.
#[derive(Debug, Default)]
pub(crate) struct CodeHasher(u64);

impl Hasher for CodeHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "both halves")]
    fn write_u64(&mut self, code: u64) {
        // Both halves of the product with a number without pattern: the golden ratio's.
        let product = u128::from(self.0 ^ code) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

/// The numbers of groups by their codes.
pub(crate) type GroupNumbers = HashMap<u64, u32, BuildHasherDefault<CodeHasher>>;

/// How metrics are grouped: by each combination of the numbers of its keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grouping {
    keys: Vec<Key>,
    /// The groups that are wanted; `None` if each combination is one.
    numbers: Option<Arc<GroupNumbers>>,
}

/// The groups of the rows of a page.
#[derive(Debug, Default)]
pub(crate) struct PageGroups {
    /// Of each row that matches, unless all have the same.
    pub(crate) groups: Vec<u32>,
    /// The combination of each row that matches, where [`Grouping::codes_of_page`] writes them.
    pub(crate) codes: Vec<u64>,
}

impl Grouping {
    /// Creates a grouping in which each combination of keys is a group.
    pub(crate) fn dense(keys: Vec<Key>) -> Self {
        Self { keys, numbers: None }
    }

    /// Returns the grouping that leaves out all groups but those with these codes, which it numbers in their order.
    pub(crate) fn only(&self, codes: &[u64]) -> Self {
        let numbers = codes.iter().zip(0..).map(|(code, number)| (*code, number)).collect();
        Self { keys: self.keys.clone(), numbers: Some(Arc::new(numbers)) }
    }

    /// Returns the number of combinations; `None` if 64 bits do not count them.
    pub(crate) fn combinations(&self) -> Option<u64> {
        let product = self.keys.iter().try_fold(1_u64, |product, key| product.checked_mul(key.len() as u64))?;
        // One is no code.
        (product < u64::MAX).then_some(product)
    }

    /// Returns the number of groups, empty ones included; `None` if there are more than [`MAX_GROUPS`].
    pub(crate) fn len(&self) -> Option<usize> {
        let len = match &self.numbers {
            Some(numbers) => numbers.len(),
            None => usize::try_from(self.combinations()?).ok()?,
        };
        (len <= MAX_GROUPS).then_some(len)
    }

    /// Returns whether metrics that were recorded one after the other are in the same groups.
    pub(crate) fn is_clustered(&self) -> bool {
        let is_clustered = |key: &Key| matches!(key.column(), Column::Of(Dimension::Session) | Column::StartedAt);
        self.keys.iter().any(is_clustered)
    }

    /// Returns the number of each key in a combination.
    pub(crate) fn split(&self, mut code: u64) -> Vec<u32> {
        let mut numbers = vec![0; self.keys.len()];
        for (number, key) in numbers.iter_mut().zip(&self.keys).rev() {
            let len = (key.len() as u64).max(1);
            *number = u32::try_from(code % len).unwrap_or(NO_GROUP);
            code /= len;
        }
        numbers
    }

    /// Returns, for each key that refers to something, what the groups with these codes refer to.
    pub(crate) fn references(&self, codes: &[u64]) -> Vec<(Dimension, Vec<i64>)> {
        // Periods may be millions, and refer to nothing.
        let len = |key: &Key| if matches!(key, Key::Own { .. } | Key::Of { .. }) { key.len() } else { 0 };
        let mut occurring: Vec<Vec<bool>> = self.keys.iter().map(|key| vec![false; len(key)]).collect();
        for code in codes {
            for (occurring, number) in occurring.iter_mut().zip(self.split(*code)) {
                if let Some(occurs) = occurring.get_mut(number as usize) {
                    *occurs = true;
                }
            }
        }
        self.keys.iter().zip(occurring).filter_map(|(key, numbers)| key.keys_of(&numbers)).collect()
    }

    /// Adds the columns that it reads to `columns`.
    pub(crate) fn columns(&self, columns: &mut Vec<Column>) {
        columns.extend(self.keys.iter().map(Key::column));
    }

    /// Returns the combination of all rows of the selected page, `page`, if they have the same. Otherwise, it writes those of the
    /// rows that match to `codes`.
    fn codes<C: Code>(
        &self,
        part: &mut Part,
        page: usize,
        matches: Mask,
        codes: &mut Vec<C>,
    ) -> Result<Option<C>, DbErr> {
        let mut one = Some(C::FIRST);
        for key in &self.keys {
            let len = key.len();
            match (one, key.of_zone(part, page)) {
                (Some(code), Some(number)) => one = Some(code.with(len, number)),
                (None, Some(number)) => codes.iter_mut().for_each(|code| *code = code.with(len, number)),
                (Some(code), None) => {
                    codes.clear();
                    key.each(part.integers(key.column())?, |_, number| codes.push(code.with(len, number)));
                    one = None;
                }
                (None, None) => {
                    let codes = codes.as_mut_slice();
                    key.each(part.integers(key.column())?, |row, number| codes[row] = codes[row].with(len, number));
                }
            }
        }
        if one.is_none() && matches != Mask::first(codes.len()) {
            // In place: no row is picked before an earlier one.
            matches.rows().enumerate().for_each(|(at, row)| codes[at] = codes[row]);
            codes.truncate(usize::try_from(matches.count()).unwrap_or_default());
        }
        Ok(one)
    }

    /// Returns the group of all rows of the selected page, `page`, if they have the same. Otherwise, it writes that of each row
    /// that matches to `of_page`.
    ///
    /// # Errors
    /// If the page is damaged.
    pub(crate) fn of_page(
        &self,
        part: &mut Part,
        page: usize,
        matches: Mask,
        of_page: &mut PageGroups,
    ) -> Result<Option<u32>, DbErr> {
        let PageGroups { groups, codes } = of_page;
        let Some(numbers) = &self.numbers else { return self.codes(part, page, matches, groups) };
        let number = |code: &u64| numbers.get(code).copied().unwrap_or(NO_GROUP);
        let one = self.codes(part, page, matches, codes)?;
        if one.is_none() {
            groups.clear();
            groups.extend(codes.iter().map(number));
        }
        Ok(one.map(|code| number(&code)))
    }

    /// Returns the combination of all rows of the selected page, `page`, if they have the same. Otherwise, it writes those of the
    /// rows that match to `of_page`. `u64::MAX` stands for rows that are left out.
    ///
    /// # Errors
    /// If the page is damaged.
    pub(crate) fn codes_of_page(
        &self,
        part: &mut Part,
        page: usize,
        matches: Mask,
        of_page: &mut PageGroups,
    ) -> Result<Option<u64>, DbErr> {
        self.codes(part, page, matches, &mut of_page.codes)
    }

    /// Like [`Self::of_page`], for groups that are not numbered yet: `number` gives the number of a code.
    ///
    /// # Errors
    /// If the page is damaged.
    pub(crate) fn find(
        &self,
        part: &mut Part,
        page: usize,
        matches: Mask,
        of_page: &mut PageGroups,
        mut number: impl FnMut(u64) -> u32,
    ) -> Result<Option<u32>, DbErr> {
        let PageGroups { groups, codes } = of_page;
        let mut number = |code: u64| if code == u64::NONE { NO_GROUP } else { number(code) };
        let one = self.codes(part, page, matches, codes)?;
        if one.is_none() {
            groups.clear();
            groups.extend(codes.iter().map(|code| number(*code)));
        }
        Ok(one.map(number))
    }
}
