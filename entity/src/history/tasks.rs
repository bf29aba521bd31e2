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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use super::compute_all;

    #[tokio::test(flavor = "multi_thread")]
    async fn work_is_done_in_order_and_ends_when_nobody_waits_for_it() {
        let parts = compute_all(10, 4, |range| range).await.unwrap();
        assert_eq!(parts, [0..4, 4..8, 8..10]);
        let (done, all) = (Arc::new(AtomicUsize::new(0)), 1_000_000);
        let counted = Arc::clone(&done);
        let work = compute_all(all, 1, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_micros(100));
        });
        let work = tokio::spawn(work);
        while done.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        work.abort();
        // Nothing else holds it once the tasks have ended.
        while Arc::strong_count(&done) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(done.load(Ordering::Relaxed) < all);
    }
}
