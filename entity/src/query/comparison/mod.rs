//! Comparisons: the same tests on two sides, by variant and machine class.

mod compared;
mod confounders;
mod page;
mod side;
mod summary;

pub use analysis::{Finding, Interval, Judgement, Magnitude};

pub use crate::{
    history::{ComparisonError, MAX_COMPARED},
    query::comparison::{
        compared::{Comparison, Question, SideFigures, compare},
        confounders::{TagDifference, tag_differences},
        page::{ComparedVariant, OrderBy, Page, PageOf, Position, Presence},
        side::{Selection, Side},
        summary::Summary,
    },
};
