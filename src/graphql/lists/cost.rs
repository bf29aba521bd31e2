//! Query cost of lists, see `--max-complexity`.

use crate::graphql::limits::{DEFAULT_ROWS, MAX_ROWS};

/// Returns the cost of a connection: its rows, at the cost of one row each. The result is capped, because the engine adds costs up
/// without checking for overflow.
pub fn cost(first: Option<i64>, last: Option<i64>, row_cost: usize) -> usize {
    /// Greater than any limit that can be set.
    const MAX_COST: usize = 1_000_000_000_000;
    let rows = first.or(last).unwrap_or(DEFAULT_ROWS).clamp(1, MAX_ROWS);
    usize::try_from(rows).unwrap_or(1).saturating_mul(row_cost).min(MAX_COST)
}

#[cfg(test)]
mod tests {
    use crate::graphql::lists::cost::cost;

    #[test]
    fn a_list_costs_its_rows() {
        assert_eq!(cost(Some(7), None, 3), 21);
        assert_eq!(cost(None, Some(7), 3), 21);
        assert_eq!(cost(None, None, 3), 150, "50 rows by default");
    }

    #[test]
    fn the_number_of_rows_is_clamped() {
        assert_eq!((cost(Some(0), None, 3), cost(Some(-5), None, 3)), (3, 3), "an empty list has its selection still");
        assert_eq!(cost(Some(i64::MAX), None, 3), 1500, "500 rows at most");
    }

    #[test]
    fn the_cost_of_nested_lists_does_not_overflow() {
        let nested = (0..100).fold(1, |row_cost, _| cost(Some(500), None, row_cost));
        assert_eq!(nested, 1_000_000_000_000);
    }
}
