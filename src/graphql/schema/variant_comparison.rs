//! A variant on both sides of a comparison.

use std::sync::Arc;

use async_graphql::{Context, Enum, Object, SimpleObject};
use entity::{
    query::comparison::{ComparedVariant, Magnitude, Presence},
    table::{machine_class, variant},
};

use crate::graphql::{
    error::FieldResult,
    lists::loader_keys::load_row,
    response_budget::budget_of,
    scalars::Int,
    schema::{machine_class::MachineClass, variant::Variant},
};

/// On which sides of a comparison a variant has metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::query::comparison::Presence")]
pub enum VariantPresence {
    /// After only.
    New,
    /// Before only.
    Removed,
    /// On both sides.
    Compared,
}

/// What is said of a variant that has metrics on both sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::query::comparison::Judgement")]
pub enum ChangeStatus {
    /// It uses more: `adjustedP` is less than 0.05, and the medians differ by 5 % of the one before or more, and by more than
    /// the floor: 0.00515 s of total time, 0.0515 s of user or kernel time, 1.29 MB of memory.
    Regressed,
    /// It uses less, by as much.
    Improved,
    /// A change was not found.
    Unchanged,
    /// A side has fewer than 5 values, each side is a single run, or the variant is ambiguous.
    Untested,
}

/// What an effect size is called (Romano et al., 2006).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "entity::query::comparison::Magnitude")]
pub enum EffectMagnitude {
    /// Less than 0.147, in either direction.
    Negligible,
    /// Less than 0.33.
    Small,
    /// Less than 0.474.
    Medium,
    /// 0.474 or more.
    Large,
}

/// The values of a variant on one side of a comparison.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct VariantSide {
    /// Number of values: each metric has one.
    pub metric_count: Int,
    /// Their median, in the unit of the resource. Null without values.
    pub median: Option<f64>,
}

/// An interval of differences.
#[derive(Debug, Clone, Copy, SimpleObject)]
pub struct DifferenceInterval {
    /// The lower end, in the unit of the resource.
    pub low: f64,
    /// The upper end, in the unit of the resource.
    pub high: f64,
}

/// A variant on both sides of a comparison, on machines of a class.
pub struct VariantComparison {
    pub(crate) row: ComparedVariant,
    /// The name of its list.
    pub(crate) list: Arc<str>,
}

impl VariantComparison {
    /// Returns the values of a side: 0 before, 1 after.
    pub fn side(&self, index: usize) -> VariantSide {
        VariantSide { metric_count: self.row.counts[index].into(), median: self.row.medians[index] }
    }

    /// Returns the difference of the medians, if a number can hold it.
    pub fn difference_of_medians(&self) -> Option<f64> {
        self.row.difference().filter(|difference| difference.is_finite())
    }

    /// Returns what δ is called.
    pub fn magnitude_of_delta(&self) -> Option<EffectMagnitude> {
        self.row.finding.map(|finding| Magnitude::of(finding.delta).into())
    }

    /// Returns the interval, if numbers can hold it.
    pub fn interval_of_difference(&self) -> Option<DifferenceInterval> {
        let interval = self.row.interval.filter(|interval| interval.low.is_finite() && interval.high.is_finite());
        interval.map(|interval| DifferenceInterval { low: interval.low, high: interval.high })
    }

    /// Returns a figure, charged to the response.
    fn figure(ctx: &Context<'_>, figure: Option<f64>) -> FieldResult<Option<f64>> {
        budget_of(ctx).charge(size_of::<f64>())?;
        Ok(figure)
    }
}

/// A variant on both sides of a comparison, on machines of a class.
#[Object]
impl VariantComparison {
    /// The variant.
    async fn variant(&self, ctx: &Context<'_>) -> FieldResult<Variant> {
        load_row::<variant::Entity>(ctx, self.row.variant).await.map(Variant)
    }

    /// The class of the machines. Null if it is unknown, as their execution contexts are not announced.
    async fn machine_class(&self, ctx: &Context<'_>) -> Option<FieldResult<MachineClass>> {
        Some(load_row::<machine_class::Entity>(ctx, self.row.machine_class?).await.map(MachineClass))
    }

    /// On which sides it has metrics on machines of this class.
    async fn presence(&self) -> VariantPresence {
        self.row.presence.into()
    }

    /// Whether both sides have this machine class. If not, or if it is unknown, the variant has no status, and its presence
    /// says something of machines rather than of tests.
    async fn is_comparable(&self) -> bool {
        self.row.is_comparable
    }

    /// Whether a session has several metrics of it on machines of this class, such as of methods of several classes. They are
    /// no repeated measurements of one test, so it is not tested.
    async fn is_ambiguous(&self) -> bool {
        self.row.is_ambiguous
    }

    /// What is said of it. Null unless it has metrics on both sides and is comparable, and for CPU usage, which is not judged.
    #[graphql(name = "status")]
    async fn change(&self) -> Option<ChangeStatus> {
        self.row.judgement.map(Into::into)
    }

    /// Its values before.
    async fn before(&self) -> VariantSide {
        self.side(0)
    }

    /// Its values after.
    async fn after(&self) -> VariantSide {
        self.side(1)
    }

    /// The median after minus the one before, in the unit of the resource. Null unless it has metrics on both sides.
    async fn difference(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        Self::figure(ctx, self.difference_of_medians())
    }

    /// The median after divided by the one before, a ratio. Null if the one before is not positive, or the one after is
    /// negative.
    async fn ratio(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        Self::figure(ctx, self.row.ratio)
    }

    /// The p-value of the two-sided Mann–Whitney U test, a ratio: how likely values as different as these are if nothing
    /// changed. It is exact for up to 20 values, ties included. Null unless tested: with 5 values on each side or more,
    /// more than one run on a side, and neither ambiguous nor on another machine class.
    async fn p(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        Self::figure(ctx, self.row.finding.map(|finding| finding.p))
    }

    /// The p-value, a ratio, adjusted for all variants that were tested (Benjamini–Hochberg). Null unless tested.
    async fn adjusted_p(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        Self::figure(ctx, self.row.adjusted_p)
    }

    /// Cliff's δ, a ratio: the share of pairs of values in which the one after is greater, minus the share in which it is
    /// smaller, from -1 to 1. Null unless tested.
    async fn delta(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        Self::figure(ctx, self.row.finding.map(|finding| finding.delta))
    }

    /// What δ is called. Null unless tested.
    async fn magnitude(&self) -> Option<EffectMagnitude> {
        self.magnitude_of_delta()
    }

    /// Where 95 % of the differences of medians lie if both sides are drawn anew from their own values (bootstrap): 1000
    /// times, always with the same random numbers. Null unless tested.
    #[graphql(complexity = "crate::graphql::limits::INTERVAL_COST + child_complexity")]
    async fn interval(&self) -> Option<DifferenceInterval> {
        self.interval_of_difference()
    }
}

/// Returns how the schema spells a presence.
pub fn name_of_presence(presence: Presence) -> &'static str {
    match presence {
        Presence::New => "NEW",
        Presence::Removed => "REMOVED",
        Presence::Compared => "COMPARED",
    }
}

/// Returns how the schema spells a status.
pub fn name_of_change(change: ChangeStatus) -> &'static str {
    match change {
        ChangeStatus::Regressed => "REGRESSED",
        ChangeStatus::Improved => "IMPROVED",
        ChangeStatus::Unchanged => "UNCHANGED",
        ChangeStatus::Untested => "UNTESTED",
    }
}

/// Returns how the schema spells a magnitude.
pub fn name_of_magnitude(magnitude: EffectMagnitude) -> &'static str {
    match magnitude {
        EffectMagnitude::Negligible => "NEGLIGIBLE",
        EffectMagnitude::Small => "SMALL",
        EffectMagnitude::Medium => "MEDIUM",
        EffectMagnitude::Large => "LARGE",
    }
}
