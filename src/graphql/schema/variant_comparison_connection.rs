//! The connection of compared variants.

use std::sync::Arc;

use async_graphql::{Context, Object, SelectionField};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::query::comparison::{Page, Position};
use serde_json::json;

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{connection::PageInfo, json_writer::Items},
        response_budget::budget_of,
        scalars::Int,
        schema::variant_comparison::VariantComparison,
    },
};

/// What the fields of compared variants need.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selected {
    /// What tests find.
    pub findings: bool,
    /// Bootstrap intervals.
    pub intervals: bool,
}

/// Returns what the fields of the variants need, which are in `field`.
pub fn selected(field: &SelectionField<'_>) -> Selected {
    let mut selected = Selected::default();
    let mut select = |node: &SelectionField<'_>| {
        for field in node.selection_set() {
            match field.name() {
                "status" | "p" | "adjustedP" | "delta" | "magnitude" => selected.findings = true,
                "interval" => selected.intervals = true,
                _ => {}
            }
        }
    };
    for field in field.selection_set() {
        match field.name() {
            "nodes" => select(&field),
            "edges" => field.selection_set().filter(|field| field.name() == "node").for_each(|node| select(&node)),
            _ => {}
        }
    }
    selected
}

/// Returns the cursor of a position in `list`: that of another list is rejected.
fn encode_cursor(list: &str, Position { values, name, variant, class }: &Position) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json!([list, values, name, variant, class]).to_string())
}

/// Returns the position that a cursor marks in `list`.
///
/// # Errors
/// [`crate::error::Code::BadUserInput`] if it is no cursor of this list.
pub fn decode_cursor(list: &str, cursor: &str) -> Result<Position, Error> {
    let decode = || {
        let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (of, values, name, variant, class): (String, [i64; 2], Option<String>, i64, i64) =
            serde_json::from_slice(&text).ok()?;
        (of == list).then_some(Position { values, name, variant, class })
    };
    decode().ok_or_else(|| Error::bad_input(format!("after: '{cursor}' is no cursor of these variants in this order")))
}

/// Returns the cursor of a compared variant.
fn cursor_of(node: &VariantComparison) -> String {
    encode_cursor(&node.list, &node.row.position)
}

/// A window of a list of compared variants.
pub struct VariantComparisonConnection {
    nodes: Items<VariantComparison>,
    has_more: bool,
    is_continued: bool,
    total: usize,
}

impl VariantComparisonConnection {
    /// Creates the connection of a page of `list`; `is_continued` if it is after a cursor.
    pub fn new(page: Page, list: String, is_continued: bool) -> Self {
        let list = Arc::from(list);
        let node = |row| VariantComparison { row, list: Arc::clone(&list) };
        Self {
            nodes: page.rows.into_iter().map(node).collect::<Vec<_>>().into(),
            has_more: page.has_more,
            is_continued,
            total: page.total,
        }
    }
}

/// A window of a list of compared variants, in the order of the list.
#[Object]
impl VariantComparisonConnection {
    /// The variants, without their cursors.
    async fn nodes(&self) -> &Items<VariantComparison> {
        &self.nodes
    }

    /// The variants with their cursors.
    async fn edges(&self) -> Vec<VariantComparisonEdge<'_>> {
        self.nodes.iter().map(VariantComparisonEdge).collect()
    }

    /// Information for fetching the next variants.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_more,
            has_previous_page: self.is_continued,
            start_cursor: self.nodes.first().map(cursor_of),
            end_cursor: self.nodes.last().map(cursor_of),
        }
    }

    /// Number of variants in the whole list.
    async fn total_count(&self) -> Int {
        (self.total as u64).into()
    }
}

/// A compared variant with its cursor.
pub struct VariantComparisonEdge<'a>(&'a VariantComparison);

/// A compared variant with its cursor.
#[Object]
impl VariantComparisonEdge<'_> {
    /// The variant.
    async fn node(&self) -> &VariantComparison {
        self.0
    }

    /// The cursor of the variant, to be passed as `after`.
    async fn cursor(&self, ctx: &Context<'_>) -> FieldResult<String> {
        let cursor = cursor_of(self.0);
        budget_of(ctx).charge(cursor.len())?;
        Ok(cursor)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use entity::query::comparison::Position;

    use super::{decode_cursor, encode_cursor};

    #[test]
    fn a_cursor_marks_the_position_that_it_was_made_from() {
        for name in [None, Some("a:\"b".to_owned())] {
            let position = Position { values: [i64::MIN, i64::MAX], name, variant: 7, class: i64::MAX };
            let cursor = encode_cursor("list", &position);
            assert_eq!(decode_cursor("list", &cursor).unwrap(), position);
            for (list, cursor) in [("other", cursor.as_str()), ("list", "x"), ("list", "W10")] {
                assert!(decode_cursor(list, cursor).is_err(), "{list}, {cursor}");
            }
        }
    }
}
