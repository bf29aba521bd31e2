//! Query cost of lists, see `--max-complexity`.

use crate::graphql::limits::{DEFAULT_ROWS, GROUPS_PER_ROW, MAX_ROWS, SCAN_COST};

/// Greater than any limit that can be set.
const MAX_COST: usize = 1_000_000_000_000;

/// Returns the cost of a connection: its rows, at the cost of one row each. The result is capped, because the engine adds costs up
/// without checking for overflow.
pub fn cost(first: Option<i64>, last: Option<i64>, row_cost: usize) -> usize {
    let rows = first.or(last).unwrap_or(DEFAULT_ROWS).clamp(1, MAX_ROWS);
    usize::try_from(rows).unwrap_or(1).saturating_mul(row_cost).min(MAX_COST)
}

/// Returns the cost of a connection of groups: its rows, and that of reading the history.
pub fn of_groups(first: Option<i64>, row_cost: usize) -> usize {
    of_compared(first, row_cost).saturating_add(SCAN_COST).min(MAX_COST)
}

/// Returns the cost of a connection of compared variants, or of groups that were read already: its rows.
pub fn of_compared(first: Option<i64>, row_cost: usize) -> usize {
    let most = MAX_ROWS.saturating_mul(i64::try_from(GROUPS_PER_ROW).unwrap_or(1));
    let rows = first.unwrap_or(DEFAULT_ROWS).clamp(1, most);
    usize::try_from(rows).unwrap_or(1).saturating_mul(row_cost).min(MAX_COST)
}

#[cfg(test)]
mod tests {
    use crate::graphql::lists::cost::{cost, of_compared, of_groups};

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
    fn groups_cost_a_scan_besides_their_rows() {
        assert_eq!((of_groups(Some(7), 3), of_groups(None, 3), of_groups(Some(i64::MAX), 3)), (10_021, 10_150, 40_000));
        assert_eq!((of_compared(Some(7), 3), of_compared(None, 3), of_compared(Some(i64::MAX), 3)), (21, 150, 30_000));
    }

    #[test]
    fn the_cost_of_nested_lists_does_not_overflow() {
        let nested = (0..100).fold(1, |row_cost, _| cost(Some(500), None, row_cost));
        assert_eq!(nested, 1_000_000_000_000);
    }
}
