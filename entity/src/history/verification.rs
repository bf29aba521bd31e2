//! Verifies what is stored of the history: reads every page of every column, not through the caches.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::DbErr;
use tokio::task::JoinSet;

use crate::{
    driver::source::Source,
    history::{
        backlog,
        column::Column,
        columns::Columns,
        directory::Directory,
        facts::Facts,
        part::Part,
        rows::Rows as _,
        scan::Scan,
        segment::{Blob, OpenColumn, OpenSegment},
        snapshot::Snapshot,
        tasks::{join, threads},
        zone::Zone,
    },
    table::{metric, segment},
};

/// More threads would hardly be faster: the facts are collected by one at a time.
const MAX_THREADS: u64 = 4;

const SELECT_COLUMNS: &str = "SELECT number, data FROM segment_column WHERE segment_id = $1";

/// Gives all metrics that are shown to `facts`, and returns what is damaged. Of a damaged page nothing is given.
///
/// # Errors
/// If the database fails.
pub(crate) async fn verified<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    facts: &Arc<std::sync::Mutex<Facts>>,
) -> Result<Vec<String>, DbErr> {
    let next = Arc::new(AtomicUsize::new(0));
    let parts = scan.snapshot.parts();
    let mut tasks = JoinSet::new();
    for _ in 0..threads().min(MAX_THREADS).min(parts as u64) {
        let (db, snapshot) = (scan.db.clone(), Arc::clone(&scan.snapshot));
        let (next, facts) = (Arc::clone(&next), Arc::clone(facts));
        tasks.spawn(async move {
            let mut damages = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= parts {
                    return Ok(damages);
                }
                let (part, found) = open(&db, &snapshot, number).await?;
                damages.extend(found);
                if let Some(part) = part {
                    damages.extend(read(part, &snapshot, number, &facts));
                }
            }
        });
    }
    let mut damages: Vec<String> = join(tasks).await?.into_iter().flatten().collect();
    damages.sort();
    Ok(damages)
}

/// Opens a part with all columns, and returns what is wrong with it. A part with damages is not opened.
async fn open(db: &impl Source, snapshot: &Snapshot, number: usize) -> Result<(Option<Part>, Vec<String>), DbErr> {
    if let Some(part) = snapshot.backlog(number) {
        return Ok((Some(Part::Head(backlog::open(db, part).await?, 0)), Vec::new()));
    }
    let Some(row) = snapshot.segments.get(number) else {
        return Ok((Some(Part::Head(snapshot.head.clone(), 0)), Vec::new()));
    };
    let mut blobs: Vec<(i64, Vec<u8>)> = db.select(SELECT_COLUMNS, [row.id.into()]).await?;
    let mut take = |Blob(number): Blob| {
        let place = blobs.iter().position(|(other, _)| *other == i64::from(number))?;
        Some(blobs.swap_remove(place).1)
    };
    let segment = row.id;
    let Some(directory) = take(Blob::DIRECTORY).and_then(|bytes| Directory::decode(&bytes)) else {
        return Ok((None, vec![format!("segment {segment} is damaged: its directory: restore it from a backup")]));
    };
    if !describes(row, &directory) {
        let reason =
            format!("segment {segment} is damaged: its row and its directory differ: restore it from a backup");
        return Ok((None, vec![reason]));
    }
    let mut open = OpenSegment::new(row.clone(), Arc::new(directory));
    let mut wanted: Vec<Blob> = Column::ALL.into_iter().filter_map(|column| open.lacks(column)).collect();
    wanted.push(Blob::POSTINGS);
    let mut damages = Vec::new();
    for blob in wanted {
        let Some(bytes) = take(blob) else {
            let Blob(number) = blob;
            damages.push(format!("segment {segment} is damaged: it has no column {number}: restore it from a backup"));
            continue;
        };
        match OpenColumn::open(segment, blob, bytes, open.pages()) {
            Ok(column) => {
                damages.extend(column.damages(segment, blob).iter().map(reason));
                open.load(blob, column);
            }
            Err(error) => damages.push(reason(&error)),
        }
    }
    let part = damages.is_empty().then(|| Part::Segment(Box::new(open)));
    Ok((part, damages))
}

/// Returns whether a segment's row has the ranges and numbers of its directory. Its range of keys may be wider.
fn describes(row: &segment::Model, directory: &Directory) -> bool {
    let count = row.metric_count.unsigned_abs();
    let Some(mut zone) = directory.zones.iter().copied().reduce(Zone::with) else { return false };
    let of_row = Zone::of_segment(row);
    let has_keys = of_row.keys.least <= zone.keys.least && zone.keys.greatest <= of_row.keys.greatest;
    zone.keys = of_row.keys;
    has_keys
        && zone == of_row
        && row.page_size > 0
        && count.div_ceil(row.page_size.unsigned_abs()) == directory.zones.len() as u64
        && directory.occurrences.iter().all(|occurrences| occurrences.rows() == count)
}

/// Gives the metrics of a part to `facts`, and returns what is wrong with it.
fn read(mut part: Part, snapshot: &Snapshot, number: usize, facts: &std::sync::Mutex<Facts>) -> Vec<String> {
    let mut damages = Vec::new();
    for page in 0..part.pages() {
        part.select(page);
        let rows: Vec<usize> = (0..part.rows()).collect();
        let mut metrics = match part.metrics(&rows) {
            Ok(metrics) => metrics,
            Err(error) => {
                damages.push(reason(&error));
                continue;
            }
        };
        if let Part::Segment(segment) = &part {
            let columns: Columns = metrics.iter().collect();
            if columns.zone(0, columns.len()) != part.zone(page) {
                damages.push(format!(
                    "segment {} is damaged: page {page} and its directory differ: restore it from a backup",
                    segment.row.id
                ));
                continue;
            }
        }
        if let Some(hidden) = snapshot.hidden(number) {
            metrics.retain(|metric: &metric::Model| !hidden.contains(metric.session_id));
        }
        facts.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&metrics);
    }
    damages
}

/// Returns what an error says, without its kind.
fn reason(error: &DbErr) -> String {
    match error {
        DbErr::Custom(reason) => reason.clone(),
        other => other.to_string(),
    }
}
