//! The history of a variant: what it measured in each of its runs.

use std::sync::Arc;

use async_graphql::Context;
use entity::{
    query::points::{Point, Question},
    table::{machine_class as class_row, run as run_row},
    time,
};

pub use crate::graphql::{lists::resource::Resource, schema::metric_where::MetricWhere};
use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::row_limit,
            dataloader::loaders_of,
            filter::Where,
            json_writer::{Items, ToOne},
            listed::{Writable, WritableEdge},
            loader_keys::load_row,
            object::graph_object,
            point_keys::VariantPoints,
        },
        response_budget::budget_of,
        scalars::{Int, LocalDateTime},
        schema::{machine_class::MachineClass, run::Run},
        state::state_of,
    },
};

/// What a variant measured in a run on machines of one class.
pub struct HistoryPoint(Point);

graph_object! {
    /// What a variant measured of a resource in one run on machines of one class.
    impl HistoryPoint {
        scalars {
            /// The start of the run, on the clock of its machine.
            fn start(&self) -> LocalDateTime {
                LocalDateTime(time::LocalDateTime::from_parts(self.0.start, None))
            }

            /// The revision under test. Null if none was sent.
            fn revision(&self) -> Option<&str> {
                self.0.scm_ref.as_deref()
            }

            /// Number of metrics.
            fn n(&self) -> Int {
                self.0.count.into()
            }

            /// The least value, in the unit of the resource.
            fn min(&self) -> f64 {
                self.0.least
            }

            /// The median, in the unit of the resource: of two values in the middle, their mean.
            fn median(&self) -> f64 {
                self.0.median
            }

            /// The sum, rounded once, divided by `n`, in the unit of the resource. Null if a number can't hold the sum.
            fn mean(&self) -> Option<f64> {
                Some(self.0.mean).filter(|mean| mean.is_finite())
            }

            /// The greatest value, in the unit of the resource.
            fn max(&self) -> f64 {
                self.0.greatest
            }

            /// Whether a session has several metrics of the variant: of methods of the same name in several classes, or of
            /// repetitions. They need not be of one test, so they are not repeated measurements of it.
            fn is_ambiguous(&self) -> bool {
                self.0.is_ambiguous
            }
        }

        /// The run.
        async fn run(&self, ctx: &Context<'_>) -> FieldResult<Run> {
            load_row::<run_row::Entity>(ctx, self.0.run).await.map(Run)
        }

        /// The class of the machines. Null if their execution contexts are not announced yet.
        async fn machine_class(&self, ctx: &Context<'_>) -> Option<FieldResult<MachineClass>> {
            Some(load_row::<class_row::Entity>(ctx, self.0.machine_class?).await.map(MachineClass))
        }
    }
}

impl Writable for HistoryPoint {
    fn writable_edge(field: &str) -> Option<&'static dyn WritableEdge<Self>> {
        const RUN: ToOne<HistoryPoint, Run> =
            ToOne { key: |point| Some(point.0.run), object: |row| Some(Run(row)), is_nullable: false };
        const MACHINE_CLASS: ToOne<HistoryPoint, MachineClass> =
            ToOne { key: |point| point.0.machine_class, object: |row| Some(MachineClass(row)), is_nullable: true };
        match field {
            "run" => Some(&RUN),
            "machineClass" => Some(&MACHINE_CLASS),
            _ => None,
        }
    }
}

/// Which points of a variant are asked for.
pub struct PointArguments {
    pub resource: Resource,
    pub filter: Option<Box<MetricWhere>>,
    pub last: i64,
}

impl PointArguments {
    async fn points(self, ctx: &Context<'_>, variant: i64, by_class: bool) -> Result<Arc<[Point]>, Error> {
        let Self { resource, filter, last } = self;
        let question = Question {
            filter: filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default(),
            resource: resource.into(),
            runs: row_limit("last", Some(last), state_of(ctx).max_rows)?.unwrap_or_default(),
            by_class,
        };
        Ok(loaders_of(ctx).load(VariantPoints::key(variant, question)).await?.unwrap_or_default())
    }

    /// Reads the history of the variant with this id.
    pub async fn history(self, ctx: &Context<'_>, variant: i64) -> FieldResult<Items<HistoryPoint>> {
        let points = self.points(ctx, variant, true).await?;
        Ok(points.iter().cloned().map(HistoryPoint).collect::<Vec<_>>().into())
    }

    /// Reads the median of each run.
    pub async fn medians(self, ctx: &Context<'_>, variant: i64) -> FieldResult<Vec<f64>> {
        let points = self.points(ctx, variant, false).await?;
        budget_of(ctx).charge(size_of::<f64>() * points.len())?;
        Ok(points.iter().map(|point| point.median).collect())
    }
}

/// Returns whether a session of the latest run of a variant has several metrics of it.
pub async fn is_ambiguous(ctx: &Context<'_>, variant: i64) -> FieldResult<bool> {
    let latest = PointArguments { resource: Resource::TotalTime, filter: None, last: 1 };
    Ok(latest.points(ctx, variant, false).await?.iter().any(|point| point.is_ambiguous))
}
