//! The highest and the lowest metrics by what they took.

use async_graphql::{Context, Enum, Object};
use entity::top::{self, End, Figure, Known};

use crate::{
    error::Error,
    graphql::{
        error::Answer,
        lists::{
            connection::{Listed, MOST},
            filter::Where,
            json_writer::Items,
        },
        schema::metric::{Metric, MetricWhere},
        served,
    },
};

/// What a test takes of its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Resource {
    /// `memoryUsage`: peak above the size at the start of the session, in MB. It depends on the order of the tests.
    Memory,
    /// `cpuUsage`: processor time divided by total time, a ratio. Expensive fixtures of short tests come first.
    Cpu,
    /// `kernelTime`: processor time in the kernel, function fixtures included, in seconds.
    KernelTime,
    /// `userTime`: processor time in user space, function fixtures included, in seconds.
    UserTime,
    /// `totalTime`: wall-clock time without fixtures, in seconds.
    TotalTime,
}

impl From<Resource> for Figure {
    fn from(resource: Resource) -> Self {
        match resource {
            Resource::Memory => Self::MemoryUsage,
            Resource::Cpu => Self::CpuUsage,
            Resource::KernelTime => Self::KernelTime,
            Resource::UserTime => Self::UserTime,
            Resource::TotalTime => Self::TotalTime,
        }
    }
}

/// Which end of a ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
pub enum TopDirection {
    /// Those that took most.
    #[default]
    Highest,
    /// Those that took least.
    Lowest,
}

impl From<TopDirection> for End {
    fn from(direction: TopDirection) -> Self {
        match direction {
            TopDirection::Highest => Self::Highest,
            TopDirection::Lowest => Self::Lowest,
        }
    }
}

/// Metrics of a ranking when nothing is said.
const FEW: i64 = 10;

#[derive(Default)]
pub struct TopQuery;

#[Object]
impl TopQuery {
    /// The metrics that took most, or least, of a resource; the most extreme first, ties in the order recorded.
    #[graphql(
        complexity = "crate::graphql::lists::connection::cost(Some(first.unwrap_or(FEW)), None, child_complexity)"
    )]
    async fn top_metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to rank by.")] resource: Resource,
        #[graphql(desc = "Which end of the ranking.", default_with = "Some(TopDirection::Highest)")] direction: Option<
            TopDirection,
        >,
        #[graphql(name = "where", desc = "Only those that match.")] filter: Option<MetricWhere>,
        #[graphql(desc = "How many: 0 to 500; more means 500.", default_with = "Some(FEW)")] first: Option<i64>,
    ) -> Answer<Items<Metric>> {
        let end = direction.unwrap_or_default().into();
        let first = first.unwrap_or(FEW);
        let limit = u64::try_from(first.min(MOST))
            .map_err(|_| Error::bad_input(format!("first: give a number from 0 to {MOST}, not {first}")))?;
        let filter = filter.map(Where::check).transpose()?.unwrap_or_default();
        let served = served(ctx);
        let known = served.known();
        let known = Known { lists: &known.lists, counts: &known.counts };
        let rows = top::top(&served.database.reader, known, resource.into(), end, &filter, limit).await;
        Ok(Metric::from_rows(ctx, rows.map_err(Error::from)?).await?.into())
    }
}
