//! The highest and the lowest metrics by one of the five figures.

use sea_orm::{
    ConnectionTrait, DbErr, Iterable as _, Order,
    sea_query::{Expr, Query},
};

use crate::{engine::Engine, filter::Tree, list, metric};

/// A figure to rank by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Seconds of wall time.
    TotalTime,
    /// Seconds in user space.
    UserTime,
    /// Seconds in the kernel.
    KernelTime,
    /// Ratio of processor time to wall time.
    CpuUsage,
    /// MB.
    MemoryUsage,
}

impl Figure {
    fn column(self) -> metric::Column {
        match self {
            Self::TotalTime => metric::Column::TotalTime,
            Self::UserTime => metric::Column::UserTime,
            Self::KernelTime => metric::Column::KernelTime,
            Self::CpuUsage => metric::Column::CpuUsage,
            Self::MemoryUsage => metric::Column::MemoryUsage,
        }
    }
}

/// The `limit` metrics with the highest (or lowest) `figure` among those that match `filter`, most extreme first; ties in order
/// of insertion.
pub async fn top(
    db: &impl ConnectionTrait,
    figure: Figure,
    highest: bool,
    filter: &Tree<metric::Filter>,
    limit: u64,
) -> Result<Vec<metric::Model>, DbErr> {
    let direction = if highest { Order::Desc } else { Order::Asc };
    let query = Query::select()
        .columns(metric::Column::iter().map(|column| (metric::Entity, column)))
        .from(metric::Entity)
        .cond_where(list::condition::<metric::Entity>(filter, Engine::of(db)))
        .order_by_expr(list::column::<metric::Entity>(figure.column()), direction)
        .order_by_expr(Expr::col((metric::Entity, metric::Column::Id)), Order::Asc)
        .limit(limit)
        .take();
    list::models::<metric::Entity>(db, &query).await
}
