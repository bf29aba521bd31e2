//! The order of groups, and the place of each in it.

use std::collections::HashMap;

use sea_orm::DbErr;

use crate::{
    driver::source::Source as _,
    history::{Figures, rank_of_number},
    query::{
        Store,
        groups::{
            dimension::{GroupBy, Thing, Things},
            question::{OrderBy, Statistic},
        },
    },
};

/// The place of a group in an order: it says where the groups after it begin, even if there is no such group any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    /// What the order is by, as an integer that orders alike; greatest for groups that have no such value.
    pub value: i64,
    /// What the group is of.
    pub names: Vec<Name>,
}

/// A thing, with its name if the order is by names.
pub type Name = (Option<String>, Thing);

/// The places of the things that the numbers of a key stand for, in order of their names.
enum Places {
    /// The numbers are in order.
    Numbers,
    /// The sorted things, and the place of each number.
    Sorted(Vec<Name>, Vec<u32>),
}

/// What groups are compared by, least first.
pub(super) type Place = (i64, Vec<i64>);

/// The order of the groups of a question.
pub(super) struct Order<'a> {
    by: OrderBy,
    descending: bool,
    things: &'a [Things],
    places: Vec<Places>,
}

impl<'a> Order<'a> {
    /// Looks up the names, if the order is by them.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn of(
        db: &Store,
        by: OrderBy,
        descending: bool,
        grouped: &[GroupBy],
        things: &'a [Things],
    ) -> Result<Self, DbErr> {
        let mut places = Vec::with_capacity(things.len());
        for (grouped, things) in grouped.iter().zip(things) {
            let select = match grouped {
                GroupBy::By(dimension) if by == OrderBy::Names => dimension.names(),
                _ => None,
            };
            let names: Option<HashMap<i64, String>> = match select {
                Some(select) => Some(db.select::<(i64, String), 0>(select, []).await?.into_iter().collect()),
                None => None,
            };
            places.push(match (things, names) {
                (Things::Rows { .. } | Things::Periods { .. }, None) => Places::Numbers,
                (things, names) => sorted(things, names.as_ref()),
            });
        }
        Ok(Self { by, descending, things, places })
    }

    /// Returns the place of a group, whose number of each key is given.
    pub(super) fn place(&self, figures: &Figures, group: usize, numbers: &[u32]) -> Place {
        let place = |(number, places): (&u32, &Places)| match places {
            Places::Numbers => i64::from(*number) * 2,
            Places::Sorted(_, places) => places.get(*number as usize).map_or(i64::MAX, |place| i64::from(*place) * 2),
        };
        let mut names: Vec<i64> = numbers.iter().zip(&self.places).map(place).collect();
        if self.by == OrderBy::Names && self.descending {
            names.iter_mut().for_each(|place| *place = !*place);
        }
        (self.value(figures, group), names)
    }

    /// Returns what the order is by, as an integer that orders alike: those without such a value come last.
    fn value(&self, figures: &Figures, group: usize) -> i64 {
        let count = figures.counts[group];
        let statistics = || &figures.resources[0].statistics[group];
        let rank = |number: f64| Some(rank_of_number(number)).filter(|_| number.is_finite());
        #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 values")]
        let value = match self.by {
            OrderBy::Names => return 0,
            OrderBy::Count => i64::try_from(count).ok(),
            OrderBy::FirstSeen => figures.seen.get(group).map(|seen| seen.least),
            OrderBy::LastSeen => figures.seen.get(group).map(|seen| seen.greatest),
            OrderBy::Of(_, statistic) => match statistic {
                Statistic::Sum => rank(statistics().sum),
                Statistic::Mean => rank(statistics().sum / count as f64),
                Statistic::Min => statistics().extremes.and_then(|(least, _)| rank(least)),
                Statistic::Max => statistics().extremes.and_then(|(_, greatest)| rank(greatest)),
                Statistic::StandardDeviation => statistics().standard_deviation.and_then(rank),
                Statistic::Percentile(_) => statistics().percentiles.first().and_then(|value| rank(*value)),
            },
        };
        value.map_or(i64::MAX, |value| if self.descending { !value } else { value })
    }

    /// Returns the place at which groups are after a position.
    pub(super) fn after(&self, position: &Position) -> Place {
        let place = |(name, (places, things)): (&Name, (&Places, &Things))| match places {
            Places::Numbers => between(things, &name.1),
            Places::Sorted(sorted, _) => {
                let next = sorted.partition_point(|other| by_name(other) < by_name(name));
                let place = i64::try_from(next).unwrap_or(i64::MAX) * 2;
                // Between two places, if it is none of them.
                if sorted.get(next) == Some(name) { place } else { place - 1 }
            }
        };
        let mut names: Vec<i64> = position.names.iter().zip(self.places.iter().zip(self.things)).map(place).collect();
        if self.by == OrderBy::Names && self.descending {
            names.iter_mut().for_each(|place| *place = !*place);
        }
        (position.value, names)
    }

    /// Returns the position of a group in this place.
    pub(super) fn position(&self, (value, _): &Place, numbers: &[u32]) -> Position {
        let name = |(number, (places, things)): (&u32, (&Places, &Things))| match places {
            Places::Numbers => (None, things.of(*number)),
            Places::Sorted(sorted, places) => {
                let place = places.get(*number as usize).and_then(|place| sorted.get(*place as usize));
                place.cloned().unwrap_or((None, Thing::Nothing))
            }
        };
        let names = numbers.iter().zip(self.places.iter().zip(self.things)).map(name).collect();
        Position { value: *value, names }
    }
}

/// Returns the place of a thing among those whose numbers are in order.
fn between(things: &Things, thing: &Thing) -> i64 {
    let (since, width) = match (things, thing) {
        (Things::Rows { first, .. }, Thing::Row(row)) => (row - first, 1),
        (Things::Periods { first, width, .. }, Thing::Since(start)) => (start - first, *width),
        _ => return -1,
    };
    since.div_euclid(width) * 2 + i64::from(since.rem_euclid(width) > 0)
}

/// Returns what things are sorted by: what has no name comes last.
fn by_name((name, thing): &Name) -> (bool, Option<&str>, &Thing) {
    (name.is_none(), name.as_deref(), thing)
}

/// Sorts things by their names.
fn sorted(things: &Things, names: Option<&HashMap<i64, String>>) -> Places {
    let name = |number: u32| {
        let thing = things.of(number);
        let name = match (&thing, names) {
            (Thing::Row(row), Some(names)) => names.get(row).cloned(),
            _ => None,
        };
        (name, thing)
    };
    let mut sorted: Vec<(Name, u32)> =
        (0..u32::try_from(things.len()).unwrap_or(u32::MAX)).map(|number| (name(number), number)).collect();
    sorted.sort_unstable_by(|(one, _), (other, _)| by_name(one).cmp(&by_name(other)));
    let mut places = vec![0; sorted.len()];
    for (place, (_, number)) in (0..).zip(&sorted) {
        places[*number as usize] = place;
    }
    Places::Sorted(sorted.into_iter().map(|(name, _)| name).collect(), places)
}
