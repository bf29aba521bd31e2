//! Work on all processors.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use sea_orm::DbErr;
use tokio::task::JoinSet;

/// Returns the number of threads that a scan of everything takes.
pub(crate) fn threads() -> u64 {
    thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
}

/// Runs `works`, each on some thread, and returns what they return, in the same order.
///
/// # Errors
/// If the server is stopping.
pub(crate) async fn run_all<T: Send + 'static>(
    works: Vec<impl FnOnce() -> T + Send + 'static>,
) -> Result<Vec<T>, DbErr> {
    let mut tasks = JoinSet::new();
    for (index, work) in works.into_iter().enumerate() {
        tasks.spawn(async move { Ok((index, work())) });
    }
    let mut results = join(tasks).await?;
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Runs `work` on parts of `0..len` of this size, on all processors, and returns what it returns, in order. Between parts others get
/// their turn, and it ends when nobody waits for it.
///
/// # Errors
/// If the server is stopping.
pub(crate) async fn compute_all<T: Send + 'static>(
    len: usize,
    size: usize,
    work: impl Fn(Range<usize>) -> T + Send + Sync + 'static,
) -> Result<Vec<T>, DbErr> {
    let parts = len.div_ceil(size);
    let (next, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let mut tasks = JoinSet::new();
    for _ in 0..threads().min(parts as u64) {
        let (next, work) = (Arc::clone(&next), Arc::clone(&work));
        tasks.spawn(async move {
            let mut results = Vec::new();
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= parts {
                    return Ok(results);
                }
                results.push((part, work(part * size..len.min((part + 1) * size))));
                tokio::task::yield_now().await;
            }
        });
    }
    let mut results: Vec<(usize, T)> = join(tasks).await?.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(part, _)| *part);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Returns what tasks return, in the order in which they end.
///
/// # Errors
/// That of one of them, or if the server is stopping.
pub(crate) async fn join<T: 'static>(mut tasks: JoinSet<Result<T, DbErr>>) -> Result<Vec<T>, DbErr> {
    let mut results = Vec::with_capacity(tasks.len());
    while let Some(result) = tasks.join_next().await {
        let result = result.unwrap_or_else(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(DbErr::Custom(format!("a scan ended early: {error}"))),
        });
        results.push(result?);
    }
    Ok(results)
}
