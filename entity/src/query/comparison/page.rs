//! The rows of a comparison: variants on machines of a class, in an order, in pages.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use analysis::{Finding, Interval, Judged, Judgement};
use sea_orm::{
    DbErr,
    sea_query::{Expr, Query},
};

use crate::{
    column,
    driver::source::Source as _,
    history::{TwoSides, rank_of_number},
    query::{
        Store,
        comparison::compared::{Comparison, Findings},
        groups::Thing,
    },
    table::variant,
};

/// On which sides a variant has metrics, on machines of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// After only.
    New,
    /// Before only.
    Removed,
    /// On both.
    Compared,
}

impl Presence {
    pub(super) fn of(pair: &TwoSides) -> Self {
        match pair.counts {
            [0, _] => Self::New,
            [_, 0] => Self::Removed,
            _ => Self::Compared,
        }
    }
}

/// What rows are ordered by. Those without such a value come last; equal ones are in order of arrival of variants, then of machine
/// classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderBy {
    /// The arrival of variants.
    FirstSeen,
    /// The location of the variant, then its name.
    Name,
    /// The adjusted p-value, then the p-value.
    P,
    /// The ratio of the medians.
    Ratio,
    /// The difference of the medians.
    Difference,
    /// The median before.
    MedianBefore,
    /// The median after.
    MedianAfter,
}

/// The place of a row in an order. It need not be there any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// What the order is by, as integers that order alike; greatest for rows without such a value.
    pub values: [i64; 2],
    /// The location and name of the variant, if the order is by it.
    pub name: Option<String>,
    /// The key of the variant.
    pub variant: i64,
    /// The key of the machine class; greatest if it is unknown.
    pub class: i64,
}

impl Position {
    fn compare(&self, other: &Self, names_descend: bool) -> Ordering {
        let by_name = self.name.cmp(&other.name);
        let by_name = if names_descend { by_name.reverse() } else { by_name };
        let by_keys = (self.variant, self.class).cmp(&(other.variant, other.class));
        self.values.cmp(&other.values).then(by_name).then(by_keys)
    }
}

/// Which page of rows is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct PageOf {
    /// Only rows with one of these judgements.
    pub judgements: Option<Vec<Judgement>>,
    /// Only rows of machine classes that both sides have, and with metrics on these.
    pub presences: Option<Vec<Presence>>,
    /// The order.
    pub order: OrderBy,
    /// Greatest first.
    pub descending: bool,
    /// Only rows after this place.
    pub after: Option<Position>,
    /// Maximum number of rows.
    pub limit: usize,
    /// Whether what tests find is wanted.
    pub findings: bool,
    /// Whether bootstrap intervals are wanted.
    pub intervals: bool,
}

/// A row: a variant on machines of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedVariant {
    /// The key of the variant.
    pub variant: i64,
    /// The key of the machine class; `None` if it is unknown.
    pub machine_class: Option<i64>,
    /// On which sides it has metrics.
    pub presence: Presence,
    /// Whether the machine class is the same on both sides: one that is, and that both have.
    pub is_comparable: bool,
    /// Whether a session has several metrics of it.
    pub is_ambiguous: bool,
    /// Numbers of metrics: before, after.
    pub counts: [u64; 2],
    /// Medians, in the unit of the resource: before, after.
    pub medians: [Option<f64>; 2],
    /// The ratio of the medians, after / before: none of a median that is negative, and none to one that is 0.
    pub ratio: Option<f64>,
    /// What the test found, if wanted and tested.
    pub finding: Option<Finding>,
    /// The adjusted p-value, likewise.
    pub adjusted_p: Option<f64>,
    /// The judgement, if wanted; `None` for rows that are not judged.
    pub judgement: Option<Judgement>,
    /// The bootstrap interval of the difference of the medians, if wanted and tested.
    pub interval: Option<Interval>,
    /// Its place in the order.
    pub position: Position,
}

impl ComparedVariant {
    /// Returns the difference of the medians, after − before.
    pub fn difference(&self) -> Option<f64> {
        difference(self.medians)
    }
}

/// A page of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The rows, in order.
    pub rows: Vec<ComparedVariant>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// Number of rows, on all pages.
    pub total: usize,
}

fn difference([before, after]: [Option<f64>; 2]) -> Option<f64> {
    Some(after? - before?)
}

/// Returns the ratio of the medians, after / before: none of a median that is negative, and none to one that is 0.
pub(super) fn ratio(pair: &TwoSides) -> Option<f64> {
    let (before, after) = (pair.medians[0]?, pair.medians[1]?);
    let is_positive = before > 0.0 && after >= 0.0;
    Some(after / before).filter(|ratio| is_positive && ratio.is_finite())
}

impl Comparison {
    /// Returns the judgement of a row; `None` if it is not judged, since the sides are not comparable or one has no metrics.
    pub(super) fn judgement(&self, number: usize, pair: &TwoSides, judged: &[Judged]) -> Option<Judgement> {
        let is_judged = self.is_comparable(pair) && Presence::of(pair) == Presence::Compared;
        judged[number].judgement.filter(|_| is_judged)
    }

    fn variant(&self, pair: &TwoSides) -> i64 {
        if let Thing::Row(key) = self.variants.of(pair.variant) { key } else { 0 }
    }

    /// Returns the place of a row.
    fn position(
        &self,
        (number, pair): (usize, &TwoSides),
        page: &PageOf,
        findings: Option<&Findings>,
        names: &HashMap<i64, String>,
    ) -> Position {
        let finding = || findings.and_then(|all| Some((all.judged[number].adjusted_p?, all.findings[number]?.p)));
        let values = match page.order {
            OrderBy::FirstSeen | OrderBy::Name => [Some(0.0); 2],
            OrderBy::P => finding().map_or([None; 2], |(adjusted, p)| [Some(adjusted), Some(p)]),
            OrderBy::Ratio => [ratio(pair); 2],
            OrderBy::Difference => [difference(pair.medians); 2],
            OrderBy::MedianBefore => [pair.medians[0]; 2],
            OrderBy::MedianAfter => [pair.medians[1]; 2],
        };
        // Both zeros are equal.
        let rank =
            |value: f64| if page.descending { !rank_of_number(value + 0.0) } else { rank_of_number(value + 0.0) };
        let variant = self.variant(pair);
        Position {
            values: values.map(|value| value.map_or(i64::MAX, rank)),
            name: (page.order == OrderBy::Name).then(|| names.get(&variant).cloned().unwrap_or_default()),
            variant,
            class: self.class(pair.class as usize).unwrap_or(i64::MAX),
        }
    }

    /// Returns a page of rows. Names are looked up only if the order is by them.
    ///
    /// # Errors
    /// If the database fails, or the server is stopping.
    pub async fn page(self: &Arc<Self>, db: &Store, page: &PageOf) -> Result<Page, DbErr> {
        let is_tested = page.findings || page.judgements.is_some() || page.order == OrderBy::P;
        let findings = if is_tested { Some(self.findings().await?) } else { None };
        let judgement =
            |number: usize, pair: &TwoSides| findings.and_then(|all| self.judgement(number, pair, &all.judged));
        let is_wanted = |&(number, pair): &(usize, &TwoSides)| {
            let is_present =
                |presences: &Vec<Presence>| self.is_comparable(pair) && presences.contains(&Presence::of(pair));
            let judgement = judgement(number, pair);
            let is_judged =
                |judgements: &Vec<Judgement>| judgement.is_some_and(|judgement| judgements.contains(&judgement));
            page.presences.as_ref().is_none_or(is_present) && page.judgements.as_ref().is_none_or(is_judged)
        };
        let wanted: Vec<(usize, &TwoSides)> = self.found.pairs.iter().enumerate().filter(is_wanted).collect();
        let names = match page.order {
            OrderBy::Name => {
                let variants = wanted.iter().map(|(_, pair)| self.variant(pair)).collect();
                names_of(db, variants).await?
            }
            _ => HashMap::new(),
        };
        let mut placed: Vec<(Position, usize)> =
            wanted.into_iter().map(|row| (self.position(row, page, findings, &names), row.0)).collect();
        let names_descend = page.descending;
        placed.sort_unstable_by(|(one, _), (other, _)| one.compare(other, names_descend));
        let total = placed.len();
        let first = page.after.as_ref().map_or(0, |after| {
            placed.partition_point(|(position, _)| position.compare(after, names_descend) != Ordering::Greater)
        });
        let mut rows = placed.split_off(first);
        let has_more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let intervals = if page.intervals {
            self.intervals(rows.iter().map(|(_, number)| *number).collect()).await?
        } else {
            vec![None; rows.len()]
        };
        let row = |((position, number), interval): ((Position, usize), Option<Interval>)| {
            let pair = &self.found.pairs[number];
            let is_comparable = self.is_comparable(pair);
            ComparedVariant {
                variant: position.variant,
                machine_class: self.class(pair.class as usize),
                presence: Presence::of(pair),
                is_comparable,
                is_ambiguous: pair.is_ambiguous,
                counts: pair.counts.map(|count| count as u64),
                medians: pair.medians,
                ratio: ratio(pair),
                finding: findings.and_then(|all| all.findings[number]),
                adjusted_p: findings.and_then(|all| all.judged[number].adjusted_p),
                judgement: judgement(number, pair),
                interval,
                position,
            }
        };
        Ok(Page { rows: rows.into_iter().zip(intervals).map(row).collect(), has_more, total })
    }
}

/// Returns the location and name of each of these variants, in one statement.
async fn names_of(db: &Store, mut keys: Vec<i64>) -> Result<HashMap<i64, String>, DbErr> {
    keys.dedup();
    let query = Query::select()
        .expr(column::of(variant::Column::Id))
        .expr(Expr::cust("variant.location || '::' || variant.name"))
        .from(variant::Entity)
        .and_where(db.engine().any_of(column::of(variant::Column::Id), &keys))
        .take();
    Ok(db.all::<(i64, String)>(&query).await?.into_iter().collect())
}
