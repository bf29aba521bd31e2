//! What lists cost, see `--max-complexity`.

use crate::graphql::limits::{DEFAULT_ROWS, MAX_ROWS};

/// The cost of a connection: that of its rows. It ends where the engine, adding such costs up, could not go on.
pub fn cost(first: Option<i64>, last: Option<i64>, a_row: usize) -> usize {
    const BEYOND_ALL_LIMITS: usize = 1_000_000_000_000;
    let rows = first.or(last).unwrap_or(DEFAULT_ROWS).clamp(1, MAX_ROWS);
    usize::try_from(rows).unwrap_or(1).saturating_mul(a_row).min(BEYOND_ALL_LIMITS)
}
