//! Scans that read every part, on all processors.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::DbErr;
use tokio::task::JoinSet;

use crate::{
    driver::source::Source,
    history::{
        column::Column,
        mask::Mask,
        part::Part,
        predicate::Predicate,
        scan::Scan,
        tasks::{join, threads},
    },
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
