//! What was measured of variants: the values of a resource, with the sessions and contexts that they belong to.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sea_orm::DbErr;
use tokio::sync::Semaphore;

use crate::{
    driver::source::Source,
    history::{
        aggregate::AggregateError,
        column::{Column, Dimension},
        key_set::KeySet,
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
        store::{self, BUDGET_KIB},
    },
    resource::Resource,
};

/// Number of values that are read at a time, at most: 32 MB of memory.
pub const MAX_VALUES: usize = 1 << 20;

/// A value, and what it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// The key of the variant.
    pub(crate) variant: i64,
    /// The key of the session.
    pub(crate) session: i64,
    /// The key of the context.
    pub(crate) context: i64,
    /// The value of the resource.
    pub(crate) value: f64,
}

/// The values that one thread has read.
struct Values {
    resource: Resource,
    /// The variant, if there is only one.
    single: Option<i64>,
    found: Vec<Measured>,
    /// How many all threads have read.
    read: Arc<AtomicUsize>,
}

impl Sink for Values {
    fn columns(&self, columns: &mut Vec<Column>) {
        let own = [Dimension::Session, Dimension::Context].map(Column::Of);
        columns.extend(own.into_iter().chain([Column::Resource(self.resource)]));
        columns.extend(self.single.is_none().then_some(Column::Of(Dimension::Variant)));
    }

    fn take(&mut self, part: &mut Part, _page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { resource, single, found, read } = self;
        let count = usize::try_from(matches.count()).unwrap_or(usize::MAX);
        if read.fetch_add(count, Ordering::Relaxed).saturating_add(count) > MAX_VALUES {
            return Err(DbErr::Custom(format!("there are more than {MAX_VALUES} values")));
        }
        let first = found.len();
        let sessions = part.integers(Column::Of(Dimension::Session))?;
        let variant = single.unwrap_or_default();
        let of_row = |row: usize| Measured { variant, session: sessions[row], context: 0, value: 0.0 };
        found.extend(matches.rows().map(of_row));
        let contexts = part.integers(Column::Of(Dimension::Context))?;
        for (value, row) in found[first..].iter_mut().zip(matches.rows()) {
            value.context = contexts[row];
        }
        if single.is_none() {
            let variants = part.integers(Column::Of(Dimension::Variant))?;
            for (value, row) in found[first..].iter_mut().zip(matches.rows()) {
                value.variant = variants[row];
            }
        }
        let numbers = part.numbers(*resource)?;
        for (value, row) in found[first..].iter_mut().zip(matches.rows()) {
            value.value = numbers[row];
        }
        Ok(())
    }
}

/// Returns the number of metrics of `variants` in the parts in which metrics may match; of what has no directory, of all variants.
async fn most<S: Source>(scan: &Scan<'_, S>, predicate: &Predicate, variants: &KeySet) -> Result<u64, DbErr> {
    let mut most = 0;
    for part in 0..scan.snapshot.parts() {
        let Some(zone) = scan.snapshot.zone(part) else { continue };
        if predicate.of_zone(&zone) == Some(false) {
            continue;
        }
        let counted = if part < scan.snapshot.segments.len() {
            store::open(scan.db, &scan.snapshot, part).await?.count(Dimension::Variant, variants)
        } else {
            None
        };
        most += counted.unwrap_or_else(|| scan.snapshot.len(part));
    }
    Ok(most)
}

/// Returns the values of `resource` of the metrics of `variants` that match, in no order.
///
/// # Errors
/// If there are more than [`MAX_VALUES`], the database fails, or a page is damaged.
pub(crate) async fn measured<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: Predicate,
    variants: &Arc<KeySet>,
    resource: Resource,
    budget: &Semaphore,
) -> Result<Vec<Measured>, AggregateError> {
    let predicate = Predicate::all([Predicate::Among(Dimension::Variant, Arc::clone(variants)), predicate]);
    let most = most(scan, &predicate, variants).await?.min(MAX_VALUES as u64);
    let kib = (most * size_of::<Measured>() as u64).div_ceil(1024);
    let kib = u32::try_from(kib).unwrap_or(u32::MAX).clamp(1, BUDGET_KIB);
    let _permit = budget.acquire_many(kib).await.map_err(|error| DbErr::Custom(error.to_string()))?;
    let read = Arc::new(AtomicUsize::new(0));
    let sink = || Values { resource, single: variants.single(), found: Vec::new(), read: Arc::clone(&read) };
    match read_all(scan, &Arc::new(predicate), sink).await {
        Ok(sinks) => Ok(sinks.into_iter().flat_map(|sink| sink.found).collect()),
        Err(_) if read.load(Ordering::Relaxed) > MAX_VALUES => Err(AggregateError::TooManyValues),
        Err(error) => Err(error.into()),
    }
}
