//! The statistics of a comparison: samples in, findings out.
//!
//! Everything here is a pure function of its arguments. The same values give the same answer to the last digit, in any order and
//! on any platform: what std leaves to the platform (logarithms, powers of e) comes from libm, and random numbers have a fixed seed.
//!
//! A comparison takes a [`Sample`] of each side, ranks both together ([`PooledRanks`]), and asks these ranks for the
//! [`MannWhitney`] test and [`cliffs_delta`]: a [`Finding`]. The p-values of all pairs are adjusted together ([`adjusted`]), then
//! each pair has its [`Judgement`]: that is [`judge`].

mod benjamini_hochberg;
mod bootstrap;
mod cliffs_delta;
mod finding;
mod geometric_mean;
mod judgement;
mod mann_whitney;
mod percentile;
mod ranks;
mod sample;

pub use benjamini_hochberg::adjusted;
pub use bootstrap::{Interval, RESAMPLES, interval_of_median_difference};
pub use cliffs_delta::{Magnitude, cliffs_delta};
pub use finding::{Finding, Judged, Pair, judge};
pub use geometric_mean::{GeometricMean, geometric_mean};
pub use judgement::{Judgement, MIN_CHANGE, MIN_VALUES, SIGNIFICANCE, Side};
pub use mann_whitney::{MAX_EXACT, MannWhitney};
pub use percentile::Percentile;
pub use ranks::PooledRanks;
pub use sample::Sample;
