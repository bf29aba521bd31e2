//! The least and the greatest values of variants.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use sea_orm::DbErr;

use crate::{
    driver::source::Source,
    history::{
        column::{Column, Dimension},
        mask::Mask,
        parallel::{Sink, read_all},
        part::Part,
        predicate::Predicate,
        rows::Rows as _,
        scan::Scan,
    },
    resource::Resource,
    table::metric::Model,
};

/// The least and the greatest value of each resource, in the order of [`Resource::ALL`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes(pub [(f64, f64); 5]);

impl Extremes {
    /// Returns those of one metric.
    pub fn of(metric: &Model) -> Self {
        Self(Resource::ALL.map(|resource| metric.resource(resource)).map(|value| (value, value)))
    }

    /// Returns those of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let of = |index: usize| {
            let ((least, greatest), (other_least, other_greatest)) = (self.0[index], other.0[index]);
            (least.min(other_least), greatest.max(other_greatest))
        };
        Self(std::array::from_fn(of))
    }

    /// Returns whether one of them is also one of `of_all`.
    pub fn touches(&self, of_all: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&of_all.0);
        pairs.any(|((least, greatest), (all_least, all_greatest))| least <= all_least || greatest >= all_greatest)
    }

    /// Adds those of a variant to what is there of it.
    pub fn add(self, to: &mut HashMap<i64, Self>, variant: i64) {
        match to.entry(variant) {
            Entry::Occupied(mut there) => *there.get_mut() = there.get().with(self),
            Entry::Vacant(free) => {
                free.insert(self);
            }
        }
    }
}

/// What one thread has read.
#[derive(Default)]
struct ByVariant {
    extremes: HashMap<i64, Extremes>,
    of_rows: Vec<(i64, Extremes)>,
}

impl Sink for ByVariant {
    fn columns(&self, columns: &mut Vec<Column>) {
        columns.push(Column::Of(Dimension::Variant));
        columns.extend(Resource::ALL.map(Column::Resource));
    }

    fn take(&mut self, part: &mut Part, _page: usize, matches: Mask) -> Result<(), DbErr> {
        let Self { extremes, of_rows } = self;
        let variants = part.integers(Column::Of(Dimension::Variant))?;
        of_rows.clear();
        of_rows.extend(matches.rows().map(|row| (variants[row], Extremes([(0.0, 0.0); 5]))));
        for resource in Resource::ALL {
            let values = part.numbers(resource)?;
            for ((_, of_row), row) in of_rows.iter_mut().zip(matches.rows()) {
                of_row.0[resource.index()] = (values[row], values[row]);
            }
        }
        for (variant, of_row) in of_rows.iter() {
            of_row.add(extremes, *variant);
        }
        Ok(())
    }
}

/// Returns the extremes of the metrics that match, by variant.
///
/// # Errors
/// If the database fails, or a page is damaged.
pub(crate) async fn extremes<S: Source + Clone + Send + 'static>(
    scan: &Scan<'_, S>,
    predicate: Predicate,
) -> Result<HashMap<i64, Extremes>, DbErr> {
    let mut all = HashMap::new();
    for sink in read_all(scan, &Arc::new(predicate), ByVariant::default).await? {
        sink.extremes.into_iter().for_each(|(variant, extremes)| extremes.add(&mut all, variant));
    }
    Ok(all)
}
