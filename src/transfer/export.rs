//! Writes a history as lines, in an order that depends on nothing but what they say: whatever was brought together, and in which order,
//! equal histories are equal files.
//!
//! Execution contexts come first, by hash. Sessions follow by run date and hash, each before its metrics, which are ordered by start time and
//! then by their lines. Sessions that were not announced come last.

use std::{
    collections::HashMap,
    io::{self, BufWriter, Write},
    mem,
};

use entity::{
    announced,
    driver::source::Source as _,
    query::{
        Query as _, Store,
        stored::{stored, stored_by_start},
    },
    table::{execution_context, metric, session},
};
use sea_orm::DbErr;

use crate::transfer::{
    ndjson::{FIRST_LINE, line},
    record::Record,
    source::{NamedMetrics, context_of, sessions_of},
};

/// Metrics that are read at a time.
const METRICS: i64 = 20_000;
/// Sessions that are read at a time.
const SESSIONS: usize = 200;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The database.
    #[error("--database-url: the database failed: {0}")]
    Database(#[from] DbErr),
    /// The output.
    #[error("the output can't be written: {0}")]
    Output(#[from] io::Error),
    /// A line that is no JSON.
    #[error("a line can't be written: {0}")]
    Line(#[from] serde_json::Error),
}

/// What the order of sessions depends on.
struct Place {
    /// Whether it was not announced.
    is_last: bool,
    run_date: i64,
    hash: String,
    id: i64,
    metric_count: i64,
}

/// Writes the history of `db` to `output`.
///
/// # Errors
/// [`ExportError`].
pub(crate) async fn export(db: &Store, output: impl Write) -> Result<(), ExportError> {
    let mut output = BufWriter::with_capacity(1 << 18, output);
    writeln!(output, "{FIRST_LINE}")?;
    let rows: Vec<execution_context::Model> = announced::all::<execution_context::Entity>(db).await?;
    let mut contexts: Vec<_> = rows.into_iter().filter_map(context_of).collect();
    contexts.sort_by(|a, b| a.hash.cmp(&b.hash));
    for context in contexts {
        writeln!(output, "{}", line(Record::Context(context))?)?;
    }
    let places = places(db).await?;
    let mut names = NamedMetrics::default();
    let mut rest = &*places;
    while let Some(first) = rest.first() {
        if first.metric_count > METRICS {
            write_sessions(db, &rest[..1], &mut names, Vec::new(), &mut output).await?;
            write_long(db, first.id, &mut names, &mut output).await?;
            rest = &rest[1..];
            continue;
        }
        let mut metrics = 0;
        let fits = |place: &&Place| {
            metrics += place.metric_count;
            metrics <= METRICS
        };
        let (part, later) = rest.split_at(rest.iter().take(SESSIONS).take_while(fits).count().max(1));
        let ids: Vec<i64> = part.iter().map(|place| place.id).collect();
        let found = stored(db, &ids, (i64::MIN, i64::MAX)).await?.metrics;
        write_sessions(db, part, &mut names, found, &mut output).await?;
        rest = later;
    }
    Ok(output.flush()?)
}

const PLACES: &str = "SELECT id, hash, announced, run_date, metric_count FROM session \
    WHERE announced IS NOT NULL OR metric_count > 0";

async fn places(db: &Store) -> Result<Vec<Place>, DbErr> {
    type Row = ((i64, String), ((Option<i64>, Option<i64>), i64));
    let rows: Vec<Row> = db.select(PLACES, []).await?;
    let place = |((id, hash), ((announced, run_date), metric_count)): Row| Place {
        is_last: announced.is_none(),
        run_date: run_date.unwrap_or_default(),
        hash,
        id,
        metric_count,
    };
    let mut places: Vec<Place> = rows.into_iter().map(place).collect();
    places.sort_by(|a, b| (a.is_last, a.run_date, &a.hash).cmp(&(b.is_last, b.run_date, &b.hash)));
    Ok(places)
}

/// Writes these sessions, each with those of `metrics` that are of it.
async fn write_sessions(
    db: &Store,
    part: &[Place],
    names: &mut NamedMetrics,
    metrics: Vec<metric::Model>,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let ids: Vec<i64> = part.iter().map(|place| place.id).collect();
    let rows = session::Entity::by_ids(db, &ids).await?;
    let mut announced = sessions_of(db, rows.into_values().collect()).await?;
    let mut lines: HashMap<String, Vec<(i64, String)>> = HashMap::new();
    for metric in names.of(db, metrics).await? {
        let (hash, start) = (metric.session_hash.clone(), metric.started_at.micros);
        lines.entry(hash).or_default().push((start, line(Record::Metric(metric))?));
    }
    for place in part {
        if let Some(at) = announced.iter().position(|session| session.hash == place.hash) {
            writeln!(output, "{}", line(Record::Session(announced.swap_remove(at)))?)?;
        }
        let mut lines = lines.remove(&place.hash).unwrap_or_default();
        lines.sort_unstable();
        for (_, line) in lines {
            writeln!(output, "{line}")?;
        }
    }
    Ok(())
}

/// Writes the metrics of a session that has many. Those that began at the same moment are ordered together.
async fn write_long(
    db: &Store,
    session: i64,
    names: &mut NamedMetrics,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let (mut after, mut held): (_, Vec<(i64, String)>) = (None, Vec::new());
    loop {
        let rows = stored_by_start(db, session, after, METRICS.unsigned_abs()).await?;
        let Some(last) = rows.last() else { break };
        let until = last.started_at;
        after = Some((last.started_at, last.id));
        for metric in names.of(db, rows).await? {
            held.push((metric.started_at.micros, line(Record::Metric(metric))?));
        }
        held.sort_unstable();
        let later = held.split_off(held.partition_point(|(start, _)| *start < until));
        for (_, line) in mem::replace(&mut held, later) {
            writeln!(output, "{line}")?;
        }
    }
    for (_, line) in held {
        writeln!(output, "{line}")?;
    }
    Ok(())
}
