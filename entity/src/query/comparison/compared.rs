//! Two sides that were read and are compared.

use std::{collections::HashSet, sync::Arc};

use analysis::{
    Finding, Interval, Judged, Judgement, Pair, Sample, Side as Median, interval_of_median_difference, judge,
};
use sea_orm::DbErr;
use tokio::sync::OnceCell;

use crate::{
    filter::Tree,
    history::{
        Compared, ComparedBy, ComparisonError, Predicate, Scan, Sides, TwoSides, compute_all, resolve, two_sides,
    },
    query::{
        Store,
        comparison::side::{SessionOfSide, Side, sessions},
        groups::{Dimension, GroupBy, Thing, Things, resolved},
    },
    resource::Resource,
    table::metric::Filter,
};

/// Number of pairs that are tested at a time: a millisecond's work if they have ten values a side.
const TESTED_AT_ONCE: usize = 128;
/// Number of pairs whose intervals are computed at a time, likewise.
const INTERVALS_AT_ONCE: usize = 4;

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The side before.
    pub before: Side,
    /// The side after.
    pub after: Side,
    /// The resource whose values are compared.
    pub resource: Resource,
    /// What metrics of both sides must match.
    pub filter: Tree<Filter>,
}

/// What a side has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SideFigures {
    /// The keys of the sessions with metrics that match.
    pub sessions: Vec<i64>,
    /// Number of their runs; a session that is not announced counts as one.
    pub runs: usize,
    /// Number of metrics.
    pub metrics: u64,
    /// The sum of their values, rounded once.
    pub sum: f64,
}

/// What was found of all pairs.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) findings: Vec<Option<Finding>>,
    pub(super) judged: Vec<Judged>,
}

/// A comparison of two sides. What it has was read in one scan. Tests are made when they are first asked for.
#[derive(Debug)]
pub struct Comparison {
    resource: Resource,
    pub(super) found: Compared,
    pub(super) variants: Things,
    classes: Things,
    /// For each class, whether it is one, and has metrics on both sides.
    comparable: Vec<bool>,
    /// The sides: before, after.
    pub sides: [SideFigures; 2],
    /// The names of tags that a side was chosen by.
    pub(super) chosen_tags: Vec<String>,
    findings: OnceCell<Findings>,
}

impl Comparison {
    /// Returns whether each side is a single run: then nothing is tested.
    pub fn is_of_single_runs(&self) -> bool {
        self.sides.iter().all(|side| side.runs <= 1)
    }

    /// Returns the key of a machine class; `None` if it is unknown.
    pub(super) fn class(&self, number: usize) -> Option<i64> {
        match u32::try_from(number).map(|number| self.classes.of(number)) {
            Ok(Thing::Row(key)) => Some(key),
            _ => None,
        }
    }

    /// Returns the machine classes with metrics, each with its number of metrics before and after; `None` is the class of contexts that
    /// are not announced.
    pub fn machine_classes(&self) -> Vec<(Option<i64>, [u64; 2])> {
        let mut counts = vec![[0; 2]; self.comparable.len()];
        for pair in &self.found.pairs {
            for (count, more) in counts[pair.class as usize].iter_mut().zip(pair.counts) {
                *count += more as u64;
            }
        }
        let classes = counts.into_iter().enumerate().filter(|(_, counts)| *counts != [0; 2]);
        let mut classes: Vec<_> = classes.map(|(number, counts)| (self.class(number), counts)).collect();
        classes.sort_unstable_by_key(|(class, _)| class.unwrap_or(i64::MAX));
        classes
    }

    pub(super) fn is_comparable(&self, pair: &TwoSides) -> bool {
        self.comparable[pair.class as usize]
    }

    /// Returns the samples of a pair, if it is to be tested.
    fn samples(&self, pair: &TwoSides) -> Option<[Sample; 2]> {
        let is_tested = self.is_comparable(pair)
            && !pair.is_ambiguous
            && !self.is_of_single_runs()
            && Judgement::is_testable(pair.counts[0], pair.counts[1]);
        let sample = |side| Sample::of(self.found.values(pair, side).to_vec());
        if is_tested { Some([sample(0)?, sample(1)?]) } else { None }
    }

    /// Tests all pairs, unless that is done already. Returns what was found, in their order.
    pub(super) async fn findings(self: &Arc<Self>) -> Result<&Findings, DbErr> {
        let test = async || {
            let (comparison, len) = (Arc::clone(self), self.found.pairs.len());
            let parts = compute_all(len, TESTED_AT_ONCE, move |range| {
                let find = |pair| comparison.samples(pair).map(|[before, after]| Finding::of(&before, &after));
                comparison.found.pairs[range].iter().map(find).collect::<Vec<_>>()
            });
            let findings = parts.await?.concat();
            let median = |pair: &TwoSides, side: usize| Median {
                count: pair.counts[side],
                median: pair.medians[side].unwrap_or_default(),
            };
            let pair = |(pair, finding): (&TwoSides, &Option<Finding>)| Pair {
                before: median(pair, 0),
                after: median(pair, 1),
                p: finding.map(|finding| finding.p),
            };
            let pairs: Vec<Pair> = self.found.pairs.iter().zip(&findings).map(pair).collect();
            Ok(Findings { judged: judge(&pairs, self.resource.floor()), findings })
        };
        self.findings.get_or_try_init(test).await
    }

    /// Returns the bootstrap intervals of these pairs, `None` for those that are not tested.
    pub(super) async fn intervals(self: &Arc<Self>, pairs: Vec<usize>) -> Result<Vec<Option<Interval>>, DbErr> {
        let (comparison, len) = (Arc::clone(self), pairs.len());
        let parts = compute_all(len, INTERVALS_AT_ONCE, move |range| {
            let interval = |pair: &usize| {
                let [before, after] = comparison.samples(&comparison.found.pairs[*pair])?;
                Some(interval_of_median_difference(&before, &after))
            };
            pairs[range].iter().map(interval).collect::<Vec<_>>()
        });
        Ok(parts.await?.concat())
    }
}

/// Returns the figures of a side.
fn figures(sessions: &[SessionOfSide], found: &Compared, side: usize) -> SideFigures {
    let measured = || sessions.iter().zip(&found.measured[side]).filter(|(_, is_measured)| **is_measured);
    // A session without a run is one: keys of sessions and of runs are apart.
    let runs: HashSet<(Option<i64>, Option<i64>)> =
        measured().map(|((session, run), _)| (*run, run.is_none().then_some(*session))).collect();
    SideFigures {
        sessions: measured().map(|((session, _), _)| *session).collect(),
        runs: runs.len(),
        metrics: found.pairs.iter().map(|pair| pair.counts[side] as u64).sum(),
        sum: found.sums[side].value(),
    }
}

/// Compares two sides, in one scan.
///
/// # Errors
/// If a side has no sessions, metrics are on both sides or too many, or the database fails.
pub async fn compare(db: &Store, question: &Question) -> Result<Arc<Comparison>, ComparisonError> {
    let Question { before, after, resource, filter } = question;
    let scan = Scan::begin(db, &db.history).await?;
    let chosen = [sessions(db, &before.selection).await?, sessions(db, &after.selection).await?];
    if let Some(side) = chosen.iter().position(Vec::is_empty) {
        return Err(ComparisonError::NoSessions(side == 1));
    }
    let mut conditions: [Option<Predicate>; 2] = [None, None];
    for (condition, side) in conditions.iter_mut().zip([before, after]) {
        if let Some(filter) = &side.filter {
            *condition = Some(resolve(db, filter).await?);
        }
    }
    let keys = chosen.each_ref().map(|side| side.iter().map(|(session, _)| *session).collect());
    let sides = Sides { sessions: keys, conditions };
    let predicate = Predicate::all([sides.of_sessions(), resolve(db, filter).await?]);
    let mut found = sides.nothing();
    let (mut variants, mut classes) = (Things::Each(Vec::new()), Things::Each(Vec::new()));
    if let Some(extent) = scan.extent(&predicate) {
        let (of_variants, of_classes);
        (of_variants, variants) = resolved(db, &GroupBy::By(Dimension::Variant), &extent).await?;
        (of_classes, classes) = resolved(db, &GroupBy::By(Dimension::MachineClass), &extent).await?;
        let by = ComparedBy { variants: of_variants, classes: of_classes };
        found = two_sides(&scan, predicate, sides, by, *resource, db.history.budget()).await?;
    }
    let mut on = vec![[false; 2]; classes.len()];
    for pair in &found.pairs {
        let marks = on[pair.class as usize].iter_mut().zip(pair.counts);
        marks.for_each(|(is_on, count)| *is_on |= count > 0);
    }
    let nothing = classes.nothing().map(|number| number as usize);
    let comparable = on.iter().enumerate().map(|(class, on)| *on == [true; 2] && Some(class) != nothing).collect();
    Ok(Arc::new(Comparison {
        resource: *resource,
        sides: [0, 1].map(|side| figures(&chosen[side], &found, side)),
        found,
        variants,
        classes,
        comparable,
        chosen_tags: [before, after].into_iter().flat_map(|side| side.selection.tags()).collect(),
        findings: OnceCell::new(),
    }))
}
