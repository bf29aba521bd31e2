//! Scans that read every part, on all processors.

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

use crate::{
    driver::source::Source,
    history::{column::Column, mask::Mask, part::Part, predicate::Predicate, scan::Scan},
};

/// What one thread makes of the metrics that it reads.
pub(crate) trait Sink: Send + 'static {
    /// Adds the columns that it reads to `columns`.
    fn columns(&self, columns: &mut Vec<Column>);

    /// Returns whether it takes rows of a page.
    fn wants(&self, _part: usize, _page: usize) -> bool {
        true
    }

    /// Takes the rows of the selected page, `page`, that match.
    ///
    /// # Errors
    /// If a page is damaged.
    fn take(&mut self, part: &mut Part, page: usize, matches: Mask) -> Result<(), DbErr>;
}

/// Returns the number of threads that a scan of everything takes.
pub(crate) fn threads() -> u64 {
    thread::available_parallelism().map_or(1, |threads| threads.get() as u64)
}

/// Gives the metrics that match to sinks, one for each thread, and returns them. Which metrics a sink gets is chance. The reading
/// ends when nobody waits for it.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn read_all<S: Source + Clone + Send + 'static, T: Sink>(
    scan: &Scan<'_, S>,
    predicate: &Arc<Predicate>,
    sink: impl Fn() -> T,
) -> Result<Vec<T>, DbErr> {
    read_all_on(threads(), scan, predicate, sink).await
}

/// Like [`read_all`], on this number of threads.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn read_all_on<S: Source + Clone + Send + 'static, T: Sink>(
    threads: u64,
    scan: &Scan<'_, S>,
    predicate: &Arc<Predicate>,
    sink: impl Fn() -> T,
) -> Result<Vec<T>, DbErr> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..threads.min(scan.snapshot.parts() as u64) {
        let (db, snapshot) = (scan.db.clone(), Arc::clone(&scan.snapshot));
        let (predicate, next, mut sink) = (Arc::clone(predicate), Arc::clone(&next), sink());
        tasks.spawn(async move {
            let scan = Scan { db: &db, snapshot };
            let mut columns = Vec::new();
            sink.columns(&mut columns);
            loop {
                let part = next.fetch_add(1, Ordering::Relaxed);
                if part >= scan.snapshot.parts() {
                    return Ok(sink);
                }
                let Some(mut open) = scan.open(part, &predicate, &columns).await? else { continue };
                for page in 0..open.part.pages() {
                    if !sink.wants(part, page) {
                        continue;
                    }
                    let matches = open.matches(page)?;
                    if !matches.is_empty() {
                        sink.take(&mut open.part, page, matches)?;
                    }
                }
            }
        });
    }
    join(tasks).await
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
