//! Records metrics. Those of requests that follow each other in the queue go into one statement for each table.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use entity::{
    driver::executor::Transaction,
    list,
    table::{metric, session},
    time::LocalDateTime,
};
use sea_orm::DbErr;

use crate::{
    error::{Code, Error},
    ingest::{
        batch::Batch,
        condition::Proof,
        counters,
        job::Job,
        limits::MAX_METRICS,
        names::{Name, Names},
        queue::Ingest,
        runs,
    },
};

/// A measurement on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMetric {
    /// The hash of its session, announced or not.
    pub session_hash: String,
    /// The hash of its execution context, announced or not.
    pub context_hash: String,
    /// When the test began.
    pub started_at: LocalDateTime,
    /// The component, or the empty text.
    pub component: String,
    /// The module's path.
    pub item_path: String,
    /// The test function.
    pub item: String,
    /// The test function with its parameters.
    pub variant: String,
    /// The file.
    pub location: String,
    /// `function`, `module`, …
    pub kind: String,
    /// Seconds.
    pub total_time: f64,
    /// Seconds.
    pub user_time: f64,
    /// Seconds.
    pub kernel_time: f64,
    /// Ratio.
    pub cpu_usage: f64,
    /// MB.
    pub memory_usage: f64,
    /// Whether the test passed, where that is known.
    pub passed: Option<bool>,
}

impl NewMetric {
    /// Checks that the figures are numbers: sums and orders have no place for what is none, and JSON can't write it.
    ///
    /// # Errors
    /// [`Code::BadUserInput`] for one that is not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let figures = [
            ("totalTime", self.total_time),
            ("userTime", self.user_time),
            ("kernelTime", self.kernel_time),
            ("cpuUsage", self.cpu_usage),
            ("memoryUsage", self.memory_usage),
        ];
        match figures.into_iter().find(|(_, value)| !value.is_finite()) {
            Some((name, value)) => {
                Err(Error::bad_input(format!("{name}: {value} is no number that can be stored: send a finite one")))
            }
            None => Ok(()),
        }
    }
}

/// A measurement as it was stored. Its names are those that were sent: nothing has to be read to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// What was sent.
    pub sent: NewMetric,
    /// Its row.
    pub row: metric::Model,
    /// The key of its item.
    pub item_id: i64,
    /// The key of its component.
    pub component_id: i64,
}

/// A row with the keys of what it measures.
pub(crate) struct Inserted {
    pub row: metric::Model,
    pub item_id: i64,
    pub component_id: i64,
}

struct RecordMetrics(Vec<NewMetric>);

impl Job for RecordMetrics {
    type Stored = Vec<Inserted>;
    type Answer = Vec<Recorded>;

    const PROOF: Proof = Proof::Stored;

    fn rows(&self) -> usize {
        self.0.len().max(1)
    }

    async fn store(&self, batch: &mut Batch<'_>) -> Result<Vec<Inserted>, DbErr> {
        insert(&self.0.iter().collect::<Vec<_>>(), batch).await
    }

    async fn store_all(jobs: &[&Self], batch: &mut Batch<'_>) -> Result<Vec<Vec<Inserted>>, DbErr> {
        let metrics: Vec<&NewMetric> = jobs.iter().flat_map(|job| &job.0).collect();
        let mut rows = insert(&metrics, batch).await?.into_iter();
        Ok(jobs.iter().map(|job| rows.by_ref().take(job.0.len()).collect()).collect())
    }

    fn answer(self, rows: Vec<Inserted>) -> Result<Vec<Recorded>, Error> {
        let recorded = self.0.into_iter().zip(rows);
        Ok(recorded
            .map(|(sent, Inserted { row, item_id, component_id })| Recorded { sent, row, item_id, component_id })
            .collect())
    }
}

async fn insert(metrics: &[&NewMetric], batch: &mut Batch<'_>) -> Result<Vec<Inserted>, DbErr> {
    let rows = rows_of(metrics, batch).await?;
    insert_rows(rows, batch).await
}

/// The distinct ones among names, in the order of their first appearance, and for each name its place there. Most metrics share theirs
/// with others, and each name that is looked up costs a digest.
struct Distinct<N> {
    names: Vec<N>,
    places: Vec<usize>,
}

impl<N: Copy + Eq + Hash> Distinct<N> {
    fn of(names: impl Iterator<Item = N>) -> Self {
        let (mut distinct, mut found) = (Vec::new(), HashMap::new());
        let place = |name: N| {
            *found.entry(name).or_insert_with(|| {
                distinct.push(name);
                distinct.len() - 1
            })
        };
        let places = names.map(place).collect();
        Self { names: distinct, places }
    }
}

/// Returns the rows of metrics, which have no keys yet. New names are stored.
pub(crate) async fn rows_of(metrics: &[&NewMetric], batch: &mut Batch<'_>) -> Result<Vec<Inserted>, DbErr> {
    let Batch { tx, names, .. } = batch;
    let of_sessions = Distinct::of(metrics.iter().map(|m| m.session_hash.as_str()));
    let sessions: Vec<_> = of_sessions.names.iter().map(|hash| Name::of([*hash])).collect();
    let sessions = names.sessions.keys(tx, &sessions).await?;
    let of_contexts = Distinct::of(metrics.iter().map(|m| m.context_hash.as_str()));
    let contexts: Vec<_> = of_contexts.names.iter().map(|hash| Name::of([*hash])).collect();
    let contexts = names.contexts.keys(tx, &contexts).await?;
    let of_variants = Distinct::of(
        metrics
            .iter()
            .map(|m| [&m.component, &m.item_path, &m.item, &m.variant, &m.location, &m.kind].map(String::as_str)),
    );
    let components: Vec<_> = of_variants.names.iter().map(|[component, ..]| Name::of([*component])).collect();
    let components = names.components.keys(tx, &components).await?;
    let items = of_variants.names.iter().zip(&components);
    let items: Vec<_> =
        items.map(|([_, path, item, ..], component)| Name::within(*component, [*path, *item])).collect();
    let items = names.items.keys(tx, &items).await?;
    let variants = of_variants.names.iter().zip(&items);
    let variants: Vec<_> = variants
        .map(|([.., variant, location, kind], item)| Name::within(*item, [*variant, *location, *kind]))
        .collect();
    let variants = names.variants.keys(tx, &variants).await?;

    let places = of_sessions.places.iter().zip(&of_contexts.places).zip(&of_variants.places);
    // SQLite does not store negative zero. Both engines shall return the same, so PostgreSQL must not either.
    let positive_zero = |value: f64| value + 0.0;
    let rows = metrics.iter().zip(places).map(|(m, ((session, context), variant))| {
        let row = metric::Model {
            id: 0,
            session_id: sessions[*session],
            context_id: contexts[*context],
            variant_id: variants[*variant],
            started_at: m.started_at.micros,
            started_at_text: m.started_at.text.clone(),
            total_time: positive_zero(m.total_time),
            user_time: positive_zero(m.user_time),
            kernel_time: positive_zero(m.kernel_time),
            cpu_usage: positive_zero(m.cpu_usage),
            memory_usage: positive_zero(m.memory_usage),
            passed: m.passed,
        };
        Inserted { row, item_id: items[*variant], component_id: components[*variant] }
    });
    Ok(rows.collect())
}

/// Inserts rows under the next keys, and counts them.
pub(crate) async fn insert_rows(mut inserted: Vec<Inserted>, batch: &mut Batch<'_>) -> Result<Vec<Inserted>, DbErr> {
    let first = batch.next_metric().await?;
    for (inserted, id) in inserted.iter_mut().zip(first..) {
        inserted.row.id = id;
    }
    let Batch { tx, names, watermark, recorded, now, .. } = batch;
    let rows: Vec<metric::Model> = inserted.iter().map(|inserted| inserted.row.clone()).collect();
    let components: Vec<i64> = inserted.iter().map(|inserted| inserted.component_id).collect();
    let beginning = beginning(tx, names, &rows).await?;
    metric::insert(tx, &rows).await?;
    let last = rows.last().map_or(first, |row| row.id);
    counters::count(tx, &rows, &components, *now).await?;
    runs::begin(tx, &beginning).await?;
    watermark.metric = last;
    recorded.extend(rows);
    Ok(inserted)
}

/// Returns the announced sessions of which these are the first metrics. Those that have some are remembered, so that this takes no
/// statement for a session that goes on.
async fn beginning(tx: &Transaction<'_>, names: &mut Names, rows: &[metric::Model]) -> Result<Vec<i64>, DbErr> {
    let sessions: BTreeSet<i64> = rows.iter().map(|row| row.session_id).collect();
    let unseen: Vec<i64> = sessions.into_iter().filter(|id| names.measured.get(id).is_none()).collect();
    if unseen.is_empty() {
        return Ok(Vec::new());
    }
    let found = list::by_ids::<session::Entity>(tx, &unseen).await?;
    for id in unseen {
        names.measured.insert(id, ());
    }
    let is_first = |row: &&session::Model| row.metric_count == 0 && row.run_id.is_some();
    let mut beginning: Vec<i64> = found.values().filter(is_first).map(|row| row.id).collect();
    beginning.sort_unstable();
    Ok(beginning)
}

/// Checks metrics that are to be stored together.
///
/// # Errors
/// [`Code::TooLarge`] for more than [`MAX_METRICS`], [`Code::BadUserInput`] for figures that are no numbers.
pub(crate) fn check_all<'a>(mut metrics: impl ExactSizeIterator<Item = &'a NewMetric>) -> Result<(), Error> {
    if metrics.len() > MAX_METRICS {
        let (most, given) = (MAX_METRICS, metrics.len());
        let message = format!("metrics: at most {most} at a time, not {given}: send them in parts");
        return Err(Error::new(Code::TooLarge, message));
    }
    metrics.try_for_each(NewMetric::check)
}

impl Ingest {
    /// Stores metrics, all or none, and returns them in the same order once they are on disk.
    ///
    /// # Errors
    /// Those of [`check_all`] and of [`Self::run`].
    pub(crate) async fn record(&self, metrics: Vec<NewMetric>) -> Result<Vec<Recorded>, Error> {
        if metrics.is_empty() {
            return Ok(Vec::new());
        }
        check_all(metrics.iter())?;
        self.run(RecordMetrics(metrics)).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use entity::time::LocalDateTime;

    use super::NewMetric;
    use crate::error::Code;

    #[test]
    fn figures_are_finite() {
        let text = || "x".to_owned();
        let metric = NewMetric {
            session_hash: text(),
            context_hash: text(),
            started_at: LocalDateTime::from_parts(0, None),
            component: text(),
            item_path: text(),
            item: text(),
            variant: text(),
            location: text(),
            kind: text(),
            total_time: f64::MAX,
            user_time: f64::MIN,
            kernel_time: 5e-324,
            cpu_usage: 0.0,
            memory_usage: -1.0,
            passed: None,
        };
        assert!(metric.check().is_ok());
        for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (name, changed) in [
                ("totalTime", NewMetric { total_time: wrong, ..metric.clone() }),
                ("userTime", NewMetric { user_time: wrong, ..metric.clone() }),
                ("kernelTime", NewMetric { kernel_time: wrong, ..metric.clone() }),
                ("cpuUsage", NewMetric { cpu_usage: wrong, ..metric.clone() }),
                ("memoryUsage", NewMetric { memory_usage: wrong, ..metric.clone() }),
            ] {
                let error = changed.check().unwrap_err();
                assert!(error.code == Code::BadUserInput && error.message.starts_with(name), "{error}");
            }
        }
    }
}
