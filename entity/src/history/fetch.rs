//! Fetches the metrics that a scan has found: all their columns.

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::task::JoinSet;

use crate::{
    driver::source::Source,
    history::{
        column::Column,
        selection::Location,
        snapshot::Snapshot,
        store,
        tasks::{join, threads},
    },
    table::metric::Model,
};

/// Number of pages that are worth a thread: to decode them takes about a millisecond.
const PAGES_OF_A_THREAD: usize = 64;

/// Returns the metrics at these places, in the same order. Many pages are decoded on all processors.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn fetch<S: Source + Clone + Send + 'static>(
    db: &S,
    snapshot: &Arc<Snapshot>,
    found: &[Location],
) -> Result<Vec<Model>, DbErr> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_unstable_by_key(|index| found[*index]);
    let sorted: Vec<Location> = order.iter().map(|index| found[*index]).collect();
    let pages: Vec<&[Location]> = sorted.chunk_by(|a, b| (a.part, a.page) == (b.part, b.page)).collect();
    let shares = usize::try_from(threads()).unwrap_or(1).min(pages.len() / PAGES_OF_A_THREAD);
    let fetched = if shares > 1 {
        let mut tasks = JoinSet::new();
        for (number, share) in pages.chunks(pages.len().div_ceil(shares)).enumerate() {
            let (db, snapshot, share) = (db.clone(), Arc::clone(snapshot), share.concat());
            tasks.spawn(async move { Ok((number, fetch_sorted(&db, &snapshot, &share).await?)) });
        }
        let mut fetched = join(tasks).await?;
        fetched.sort_unstable_by_key(|(number, _)| *number);
        fetched.into_iter().flat_map(|(_, rows)| rows).collect()
    } else {
        fetch_sorted(db, snapshot, &sorted).await?
    };
    let mut rows: Vec<Option<Model>> = vec![None; found.len()];
    for (index, row) in order.into_iter().zip(fetched) {
        rows[index] = Some(row);
    }
    Ok(rows.into_iter().flatten().collect())
}

/// Returns the metrics at these places, which are in ascending order.
async fn fetch_sorted(db: &impl Source, snapshot: &Snapshot, found: &[Location]) -> Result<Vec<Model>, DbErr> {
    let mut rows = Vec::with_capacity(found.len());
    for of_part in found.chunk_by(|a, b| a.part == b.part) {
        tokio::task::yield_now().await;
        let mut part = store::open(db, snapshot, of_part[0].part).await?;
        store::load(db, snapshot, &mut part, &Column::ALL, false).await?;
        for of_page in of_part.chunk_by(|a, b| a.page == b.page) {
            part.select(of_page[0].page);
            let of_rows: Vec<usize> = of_page.iter().map(|found| found.row).collect();
            rows.extend(part.metrics(&of_rows)?);
        }
    }
    Ok(rows)
}
