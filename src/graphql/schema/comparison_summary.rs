//! The figures of a whole comparison, and what else differs between its sides.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use entity::{
    query::comparison::{self as query, Judgement, tag_differences},
    table::machine_class as class_row,
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult, lists::loader_keys::load_row, response_budget::budget_of, scalars::Int,
        schema::machine_class::MachineClass, state::state_of,
    },
};

/// What a side of a comparison has.
#[derive(SimpleObject)]
pub struct ComparisonSide {
    /// Number of runs with metrics that match. A session that is not announced counts as one.
    runs: Int,
    /// Number of sessions with metrics that match.
    sessions: Int,
    /// Number of metrics.
    metric_count: Int,
    /// The sum of their values, in the unit of the resource. It is rounded once. It grows with the number of runs:
    /// `medians` does not.
    sum: Option<f64>,
    /// The sum of the medians of the variants that are compared, in the unit of the resource: what a usual run makes of
    /// them. It is rounded once.
    medians: Option<f64>,
}

/// The figures of a comparison.
pub struct ComparisonSummary {
    found: Arc<query::Comparison>,
    summary: query::Summary,
}

impl ComparisonSummary {
    /// Adds up the figures of a comparison.
    pub fn of(found: &Arc<query::Comparison>) -> Self {
        Self { found: Arc::clone(found), summary: found.summary() }
    }

    fn side(&self, index: usize) -> ComparisonSide {
        let side = &self.found.sides[index];
        ComparisonSide {
            runs: (side.runs as u64).into(),
            sessions: (side.sessions.len() as u64).into(),
            metric_count: side.metrics.into(),
            sum: Some(side.sum).filter(|sum| sum.is_finite()),
            medians: Some(self.summary.medians[index]).filter(|sum| sum.is_finite()),
        }
    }

    async fn count(&self, judgement: Judgement) -> FieldResult<Int> {
        Ok(self.found.judgements(judgement).await.map_err(Error::from)?.into())
    }
}

/// The figures of a comparison. Each variant counts once for each machine class.
#[Object]
impl ComparisonSummary {
    /// The side before.
    async fn before(&self) -> ComparisonSide {
        self.side(0)
    }

    /// The side after.
    async fn after(&self) -> ComparisonSide {
        self.side(1)
    }

    /// Number of variants with metrics on both sides.
    async fn compared(&self) -> Int {
        self.summary.compared.into()
    }

    /// Number of variants with metrics after only, on machine classes that both sides have.
    async fn new(&self) -> Int {
        self.summary.new.into()
    }

    /// Number of variants with metrics before only, on machine classes that both sides have.
    async fn removed(&self) -> Int {
        self.summary.removed.into()
    }

    /// Number of variants on machine classes that only one side has, or that are unknown. They are counted nowhere else.
    async fn not_comparable(&self) -> Int {
        self.summary.not_comparable.into()
    }

    /// Number of compared variants that are ambiguous: a session has several metrics of them.
    async fn ambiguous(&self) -> Int {
        self.summary.ambiguous.into()
    }

    /// Number of variants that use more of the resource than before. As the other statuses, 0 for CPU usage.
    async fn regressed(&self) -> FieldResult<Int> {
        self.count(Judgement::Regressed).await
    }

    /// Number of variants that use less of the resource than before.
    async fn improved(&self) -> FieldResult<Int> {
        self.count(Judgement::Improved).await
    }

    /// Number of variants of which no change was found.
    async fn unchanged(&self) -> FieldResult<Int> {
        self.count(Judgement::Unchanged).await
    }

    /// Number of compared variants with too few values for a test.
    async fn untested(&self) -> FieldResult<Int> {
        self.count(Judgement::Untested).await
    }

    /// The geometric mean of the ratios of the compared variants, a ratio: 1.1 says that they use a tenth more. Null if there
    /// are none.
    async fn geometric_mean(&self) -> Option<f64> {
        self.summary.geometric_mean.filter(|mean| mean.is_finite())
    }

    /// Number of ratios that `geometricMean` is the mean of.
    async fn ratios(&self) -> Int {
        self.summary.ratios.into()
    }

    /// Number of compared variants that `geometricMean` leaves out: their ratio is 0, or they have none.
    async fn without_ratio(&self) -> Int {
        (self.summary.compared - self.summary.ratios).into()
    }
}

/// What else differs between the sides of a comparison.
pub struct Confounders(pub Arc<query::Comparison>);

/// What else differs between the sides of a comparison, besides what they were chosen by. It may be the reason for what
/// changed.
#[Object]
impl Confounders {
    /// The tags whose values differ, at most 100, in order of their names. Tags that the sides were chosen by are left out,
    /// and those that name the run itself: `run_id` and `pipeline_build_no`.
    async fn tags(&self, ctx: &Context<'_>) -> FieldResult<Vec<TagConfounder>> {
        let found = tag_differences(&state_of(ctx).database.store, &self.0).await.map_err(Error::from)?;
        let mut tags = Vec::with_capacity(found.len());
        for query::TagDifference { name, values: [before, after] } in found {
            let bytes = before.iter().chain(&after).flatten().map(String::len).sum::<usize>();
            budget_of(ctx).charge(name.len() + bytes)?;
            tags.push(TagConfounder { name, before, after });
        }
        Ok(tags)
    }

    /// The machine classes that only one side has, or that are unknown.
    async fn machine_classes(&self) -> Vec<MachineClassConfounder> {
        let classes = self.0.machine_classes().into_iter();
        let different = classes.filter(|(class, counts)| class.is_none() || counts.contains(&0));
        different.map(|(class, counts)| MachineClassConfounder { class, counts }).collect()
    }
}

/// A tag whose values differ between the sides of a comparison.
#[derive(SimpleObject)]
pub struct TagConfounder {
    /// Name of the tag.
    name: String,
    /// Its values before, at most 10, those first that are not there after. Null stands for sessions without the tag.
    before: Vec<Option<String>>,
    /// Its values after, at most 10, those first that are not there before. Null stands for sessions without the tag.
    after: Vec<Option<String>>,
}

/// A machine class that only one side of a comparison has.
pub struct MachineClassConfounder {
    class: Option<i64>,
    counts: [u64; 2],
}

/// A machine class that only one side of a comparison has, or the unknown class of contexts that are not announced.
#[Object]
impl MachineClassConfounder {
    /// The class. Null for contexts that are not announced.
    async fn machine_class(&self, ctx: &Context<'_>) -> Option<FieldResult<MachineClass>> {
        Some(load_row::<class_row::Entity>(ctx, self.class?).await.map(MachineClass))
    }

    /// Number of its metrics before.
    async fn before(&self) -> Int {
        self.counts[0].into()
    }

    /// Number of its metrics after.
    async fn after(&self) -> Int {
        self.counts[1].into()
    }
}
