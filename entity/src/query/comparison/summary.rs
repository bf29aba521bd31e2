//! The figures of a whole comparison.

use std::sync::Arc;

use analysis::{Judgement, geometric_mean};
use sea_orm::DbErr;

use crate::{
    history::{ExactSum, TwoSides},
    query::comparison::{
        compared::Comparison,
        page::{Presence, ratio},
    },
};

/// Numbers of rows, and what their medians make together. A row is a variant on machines of a class.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Rows with metrics on both sides.
    pub compared: u64,
    /// Rows with metrics after only, of classes that both sides have.
    pub new: u64,
    /// Rows with metrics before only, likewise.
    pub removed: u64,
    /// Rows of machine classes that are unknown, or that one side has.
    pub not_comparable: u64,
    /// Compared rows with several metrics in a session.
    pub ambiguous: u64,
    /// The geometric mean of the ratios of compared rows; `None` if there are none.
    pub geometric_mean: Option<f64>,
    /// Number of ratios that it is the mean of.
    pub ratios: u64,
    /// The sums of the medians of compared rows: before, after. Rounded once.
    pub medians: [f64; 2],
}

impl Comparison {
    /// Returns the figures that need no tests.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        let (mut ratios, mut sums) = (Vec::new(), [ExactSum::default(), ExactSum::default()]);
        for pair in &self.found.pairs {
            if !self.is_comparable(pair) {
                summary.not_comparable += 1;
                continue;
            }
            match Presence::of(pair) {
                Presence::New => summary.new += 1,
                Presence::Removed => summary.removed += 1,
                Presence::Compared => {
                    summary.compared += 1;
                    summary.ambiguous += u64::from(pair.is_ambiguous);
                    ratios.extend(ratio(pair));
                    for (sum, median) in sums.iter_mut().zip(pair.medians) {
                        sum.add(median.unwrap_or_default());
                    }
                }
            }
        }
        let mean = geometric_mean(&ratios);
        summary.geometric_mean = mean.map(|mean| mean.ratio);
        summary.ratios = mean.map_or(0, |mean| mean.count as u64);
        summary.medians = sums.each_ref().map(ExactSum::value);
        summary
    }

    /// Returns how many compared rows have each judgement. CPU usage is not judged: then there are none.
    ///
    /// # Errors
    /// If the server is stopping.
    pub async fn judgements(self: &Arc<Self>, judgement: Judgement) -> Result<u64, DbErr> {
        let judged = &self.findings().await?.judged;
        let is_it = |(number, pair): &(usize, &TwoSides)| self.judgement(*number, pair, judged) == Some(judgement);
        Ok(self.found.pairs.iter().enumerate().filter(is_it).count() as u64)
    }
}
