//! Statistics of the values of a resource. Only what is selected is computed.

use async_graphql::{Context, InputType, Object, SelectionField, Value};
use entity::{
    list::Edge,
    query::groups::{Selected, Statistics, WantedStatistics},
    table::metric as row,
};

pub use crate::graphql::{lists::resource::Resource, schema::metric_where::MetricWhere};
use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{dataloader::loaders_of, filter::Where, statistics_keys::ChildStatistics},
        response_budget::budget_of,
        scalars::Int,
    },
};

/// Where the metrics of an object are: the edge that leads to them, and the key of its row.
pub type Source = (Edge<row::Entity>, i64);

/// The percentiles that have fields of their own.
const NAMED: [(&str, f64); 6] =
    [("firstQuartile", 0.25), ("median", 0.5), ("thirdQuartile", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

/// Checks a percentile.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if it is not from 0 to 1.
pub fn check_percentile(argument: &str, p: f64) -> Result<f64, Error> {
    // Zero has one sign, so that percentiles compare by their bits.
    if (0.0..=1.0).contains(&p) {
        return Ok(p + 0.0);
    }
    Err(Error::bad_input(format!("{argument}: give a number from 0 to 1, such as 0.95, not {p}")))
}

/// Returns the value of an argument, as it was sent.
pub fn argument<T: InputType>(field: &SelectionField<'_>, name: &str) -> Option<T> {
    let arguments = field.arguments().ok()?;
    let value: Option<Value> = arguments.into_iter().find(|(argument, _)| *argument == name).map(|(_, value)| value);
    T::parse(value).ok()
}

/// A statistic, as a field of [`MetricStatistics`].
#[derive(Debug, Clone, Copy)]
pub enum Figure {
    Sum,
    Mean,
    Min,
    Max,
    StandardDeviation,
    Percentile(f64),
    Share,
}

impl Figure {
    /// Returns the statistic that a field has; `p` is its argument.
    pub fn of_field(name: &str, p: Option<f64>) -> Option<Self> {
        Some(match name {
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "min" => Self::Min,
            "max" => Self::Max,
            "standardDeviation" => Self::StandardDeviation,
            "share" => Self::Share,
            "percentile" => Self::Percentile(check_percentile("p", p?).ok()?),
            name => Self::Percentile(NAMED.iter().find(|(named, _)| *named == name)?.1),
        })
    }

    /// Returns its value: none where there is nothing, or if JSON can't write it. `computed` are the percentiles that were computed.
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53 values")]
    pub fn value(self, statistics: &Statistics, computed: &[f64], share: Option<f64>) -> Option<f64> {
        let Statistics { count, sum, extremes, standard_deviation, percentiles } = statistics;
        let value = match self {
            Self::Sum => (*count > 0).then_some(*sum),
            Self::Mean => (*count > 0).then(|| sum / *count as f64),
            Self::Min => extremes.map(|(least, _)| least),
            Self::Max => extremes.map(|(_, greatest)| greatest),
            Self::StandardDeviation => *standard_deviation,
            Self::Percentile(p) => {
                let index = computed.iter().position(|other| other.to_bits() == p.to_bits());
                index.and_then(|index| percentiles.get(index)).copied()
            }
            Self::Share => share,
        };
        value.filter(|value| value.is_finite())
    }
}

/// Adds what the fields in `field` need of a resource to `selected`, and returns its index there.
pub fn select(selected: &mut Selected, resource: Resource, field: &SelectionField<'_>) -> usize {
    let resource = resource.into();
    let resources = &mut selected.resources;
    let index = resources.iter().position(|(other, ..)| *other == resource).unwrap_or_else(|| {
        resources.push((resource, WantedStatistics::default(), false));
        resources.len() - 1
    });
    let (_, wanted, share) = &mut resources[index];
    for field in field.selection_set() {
        match Figure::of_field(field.name(), argument(&field, "p")) {
            Some(Figure::Min | Figure::Max) => wanted.extremes = true,
            Some(Figure::StandardDeviation) => wanted.standard_deviation = true,
            Some(Figure::Share) => *share = true,
            Some(Figure::Percentile(p)) if wanted.percentiles.iter().all(|other| other.to_bits() != p.to_bits()) => {
                wanted.percentiles.push(p);
            }
            _ => {}
        }
    }
    index
}

/// Statistics of the values of a resource.
pub struct MetricStatistics {
    statistics: Statistics,
    /// Those that were computed, in the order of their values.
    percentiles: Vec<f64>,
    share: Option<f64>,
}

impl MetricStatistics {
    /// Returns what was computed of a resource, by its index in `selected`.
    pub fn computed(selected: &Selected, index: usize, statistics: Statistics, share: Option<f64>) -> Self {
        let percentiles = selected.resources.get(index).map(|(_, wanted, _)| wanted.percentiles.clone());
        Self { statistics, percentiles: percentiles.unwrap_or_default(), share }
    }

    /// Computes the statistics of the metrics of an object, together with those of the other objects of its list.
    ///
    /// # Errors
    /// If the filter is too large, or the database fails.
    pub async fn of(
        ctx: &Context<'_>,
        (edge, parent): Source,
        resource: Resource,
        filter: Option<Box<MetricWhere>>,
    ) -> FieldResult<Self> {
        let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
        let mut selected = Selected::default();
        select(&mut selected, resource, &ctx.field());
        let found = loaders_of(ctx).load(ChildStatistics::key(edge, parent, &filter, selected.clone())).await?;
        let (statistics, share) = found.map(|of_row| (of_row.statistics, of_row.shares)).unwrap_or_default();
        let share = share.first().copied().flatten();
        Ok(Self::computed(&selected, 0, statistics.into_iter().next().unwrap_or_default(), share))
    }

    /// Returns a statistic, charged to the response.
    fn figure(&self, ctx: &Context<'_>, figure: Figure) -> FieldResult<Option<f64>> {
        budget_of(ctx).charge(size_of::<f64>())?;
        Ok(figure.value(&self.statistics, &self.percentiles, self.share))
    }
}

/// Statistics of the values of a resource, in its unit. They do not depend on the order of metrics. Null where there is
/// nothing to compute them of, or where a number can't hold them. Only what is selected is computed.
#[Object]
impl MetricStatistics {
    /// Number of values: each metric has one.
    async fn metric_count(&self) -> Int {
        self.statistics.count.into()
    }

    /// The sum, in the unit of the resource. It is rounded once, as if it were computed with all digits, as Python's
    /// `math.fsum` does.
    async fn sum(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Sum)
    }

    /// The sum divided by the number of values, in the unit of the resource.
    async fn mean(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Mean)
    }

    /// The least value, in the unit of the resource.
    async fn min(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Min)
    }

    /// The greatest value, in the unit of the resource.
    async fn max(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Max)
    }

    /// The sample standard deviation, with the divisor n − 1, in the unit of the resource. Null for a single value.
    async fn standard_deviation(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::StandardDeviation)
    }

    /// The median, `percentile(p: 0.5)`, in the unit of the resource.
    async fn median(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(0.5))
    }

    /// The first quartile, `percentile(p: 0.25)`, in the unit of the resource.
    async fn first_quartile(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(0.25))
    }

    /// The third quartile, `percentile(p: 0.75)`, in the unit of the resource.
    async fn third_quartile(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(0.75))
    }

    /// The 90th percentile, `percentile(p: 0.9)`, in the unit of the resource.
    async fn p90(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(0.9))
    }

    /// The 95th percentile, `percentile(p: 0.95)`, in the unit of the resource.
    async fn p95(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(0.95))
    }

    /// The 99th percentile, `percentile(p: 0.99)`, in the unit of the resource.
    async fn p99(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(0.99))
    }

    /// A percentile, in the unit of the resource: by linear interpolation at position (n − 1)·p among the n sorted values,
    /// as `numpy.percentile` does.
    async fn percentile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, from 0 to 1: 0.95 is the 95th percentile.")] p: f64,
    ) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Percentile(check_percentile("p", p)?))
    }

    /// The share of the sum of all metrics that match `where`, a ratio: from 0 to 1 if no value is negative. Null if that
    /// sum is 0.
    async fn share(&self, ctx: &Context<'_>) -> FieldResult<Option<f64>> {
        self.figure(ctx, Figure::Share)
    }
}
