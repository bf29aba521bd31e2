//! The condition of a scan, evaluated on pages.

use std::{cmp::Ordering, sync::Arc};

use sea_orm::DbErr;

use crate::{
    filter::Number,
    history::{
        column::{Column, Dimension, passed_to_integer},
        key_set::KeySet,
        mask::Mask,
        rows::Rows,
        zone::{Range, Zone},
    },
    resource::Resource,
};

/// A condition on numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values<T> {
    bounds: Number<T>,
    /// One of these, which are in ascending order.
    any_of: Option<Vec<T>>,
}

impl<T: PartialOrd + Copy> From<Number<T>> for Values<T> {
    fn from(number: Number<T>) -> Self {
        let any_of = number.any_of.map(|mut values| {
            values.sort_by(compare);
            values
        });
        Self { bounds: Number { any_of: None, ..number }, any_of }
    }
}

/// Compares numbers, none of which is NaN.
fn compare<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    a.partial_cmp(b).unwrap_or(Ordering::Equal)
}

impl<T: PartialOrd + Copy> Values<T> {
    /// Returns whether `value` matches.
    pub(crate) fn matches(&self, value: &T) -> bool {
        let is_among = |values: &Vec<T>| values.binary_search_by(|one| compare(one, value)).is_ok();
        self.bounds.matches(value) && self.any_of.as_ref().is_none_or(is_among)
    }

    /// Returns whether all numbers of a range match, or none; `None` if it takes a look at them.
    fn of_range(&self, Range { least, greatest }: Range<T>) -> Option<bool> {
        if least == greatest {
            return Some(self.matches(&least));
        }
        let Number { eq, any_of: _, gt, gte, lt, lte } = &self.bounds;
        let is_within = |value: &T| *value >= least && *value <= greatest;
        let is_among = |values: &Vec<T>| {
            let next = values.partition_point(|value| *value < least);
            values.get(next).is_some_and(is_within)
        };
        let is_out = eq.as_ref().is_some_and(|eq| !is_within(eq))
            || self.any_of.as_ref().is_some_and(|values| !is_among(values))
            || gt.is_some_and(|gt| greatest <= gt)
            || gte.is_some_and(|gte| greatest < gte)
            || lt.is_some_and(|lt| least >= lt)
            || lte.is_some_and(|lte| least > lte);
        let is_interval = eq.is_none() && self.any_of.is_none();
        if is_out {
            Some(false)
        } else if is_interval && self.bounds.matches(&least) && self.bounds.matches(&greatest) {
            Some(true)
        } else {
            None
        }
    }
}

/// A condition on metrics. A value that was not sent matches nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Predicate {
    /// Every metric matches, or none.
    Is(bool),
    /// The session, context or variant is one of these.
    Among(Dimension, Arc<KeySet>),
    /// The key.
    Key(Values<i64>),
    /// When the test began.
    StartedAt(Values<i64>),
    /// The value of a resource.
    Resource(Resource, Values<f64>),
    /// Whether the test passed.
    Passed(bool),
    /// All of these match.
    All(Vec<Self>),
    /// At least one of these matches.
    Any(Vec<Self>),
    /// This does not match.
    Not(Box<Self>),
}

impl Predicate {
    /// Returns the conjunction.
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Self::Is(true) => {}
                Self::Is(false) => return part,
                Self::All(parts) => all.extend(parts),
                part => all.push(part),
            }
        }
        match all.len() {
            0 => Self::Is(true),
            1 => all.swap_remove(0),
            _ => Self::All(all),
        }
    }

    /// Returns the disjunction.
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut any = Vec::new();
        for part in parts {
            match part {
                Self::Is(false) => {}
                Self::Is(true) => return part,
                part => any.push(part),
            }
        }
        match any.len() {
            0 => Self::Is(false),
            1 => any.swap_remove(0),
            _ => Self::Any(any),
        }
    }

    /// Returns the negation.
    pub(crate) fn not(self) -> Self {
        match self {
            Self::Is(holds) => Self::Is(!holds),
            part => Self::Not(Box::new(part)),
        }
    }

    /// Returns the sessions, contexts or variants of which every match has one, if the condition names them.
    pub(crate) fn required(&self, dimension: Dimension) -> Option<&Arc<KeySet>> {
        match self {
            Self::Among(of, keys) if *of == dimension => Some(keys),
            Self::All(parts) => parts.iter().filter_map(|part| part.required(dimension)).min_by_key(|keys| keys.len()),
            _ => None,
        }
    }

    /// Returns the condition on metrics of which it is known that they have one of [`Self::required`].
    pub(crate) fn without_required(&self, dimension: Dimension) -> Self {
        let Some(required) = self.required(dimension) else { return self.clone() };
        let is_it =
            |part: &&Self| matches!(part, Self::Among(of, keys) if *of == dimension && Arc::ptr_eq(keys, required));
        match self {
            Self::All(parts) => Self::all(parts.iter().filter(|part| !is_it(part)).cloned()),
            _ => Self::Is(true),
        }
    }

    /// Adds the columns that it reads to `columns`.
    pub(crate) fn columns(&self, columns: &mut Vec<Column>) {
        match self {
            Self::Is(_) => {}
            Self::Among(dimension, _) => columns.push(Column::Of(*dimension)),
            Self::Key(_) => columns.push(Column::Key),
            Self::StartedAt(_) => columns.push(Column::StartedAt),
            Self::Resource(resource, _) => columns.push(Column::Resource(*resource)),
            Self::Passed(_) => columns.push(Column::Passed),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.columns(columns)),
            Self::Not(part) => part.columns(columns),
        }
    }

    /// Returns whether all rows of a zone match, or none; `None` if it takes a look at them.
    pub(crate) fn of_zone(&self, zone: &Zone) -> Option<bool> {
        match self {
            Self::Is(holds) => Some(*holds),
            Self::Among(Dimension::Session, keys) => among(keys, zone.sessions),
            Self::Among(Dimension::Context, keys) => among(keys, zone.contexts),
            Self::Among(Dimension::Variant, keys) => (keys.len() == 0).then_some(false),
            Self::Key(number) => number.of_range(zone.keys),
            Self::StartedAt(number) => number.of_range(zone.started_at),
            Self::Resource(resource, number) => number.of_range(zone.resource(*resource)),
            Self::Passed(_) => None,
            Self::All(parts) => crate::filter::all(parts.iter().map(|part| part.of_zone(zone))),
            Self::Any(parts) => crate::filter::any(parts.iter().map(|part| part.of_zone(zone))),
            Self::Not(part) => part.of_zone(zone).map(|holds| !holds),
        }
    }

    /// Returns which of the rows `within` match.
    pub(crate) fn of_rows(&self, rows: &mut dyn Rows, within: Mask) -> Result<Mask, DbErr> {
        if within.is_empty() {
            return Ok(within);
        }
        Ok(match self {
            Self::Is(true) => within,
            Self::Is(false) => Mask::default(),
            Self::Among(dimension, keys) => {
                let values = rows.integers(Column::Of(*dimension))?;
                match keys.single() {
                    Some(key) => Mask::of(values, |value| *value == key),
                    None => Mask::of(values, |value| keys.contains(*value)),
                }
                .and(within)
            }
            Self::Key(number) => Mask::of(rows.integers(Column::Key)?, |value| number.matches(value)).and(within),
            Self::StartedAt(number) => {
                Mask::of(rows.integers(Column::StartedAt)?, |value| number.matches(value)).and(within)
            }
            Self::Resource(resource, number) => {
                Mask::of(rows.numbers(*resource)?, |value| number.matches(value)).and(within)
            }
            Self::Passed(passed) => {
                let passed = passed_to_integer(Some(*passed));
                Mask::of(rows.integers(Column::Passed)?, |value| *value == passed).and(within)
            }
            Self::All(parts) => parts.iter().try_fold(within, |left, part| part.of_rows(rows, left))?,
            Self::Any(parts) => parts.iter().try_fold(Mask::default(), |found, part| {
                Ok::<_, DbErr>(found.or(part.of_rows(rows, within.without(found))?))
            })?,
            Self::Not(part) => within.without(part.of_rows(rows, within)?),
        })
    }
}

fn among(keys: &KeySet, Range { least, greatest }: Range<i64>) -> Option<bool> {
    if least == greatest {
        return Some(keys.contains(least));
    }
    (!keys.overlaps(least, greatest)).then_some(false)
}
