//! The connection of groups of metrics.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Object, SelectionField};
use entity::query::groups::{self, Dimension as Grouped, Selected};

use crate::graphql::{
    error::FieldResult,
    lists::{connection::PageInfo, json_writer::Items},
    response_budget::budget_of,
    scalars::Int,
    schema::{
        dimension::Dimension,
        metric_group::{Argument, MetricGroup, Shared},
        statistics::{Resource, argument, select},
    },
};

/// Returns what the fields of the groups need, which are in `field`, and the arguments of those in lists of nodes.
pub fn selected(field: &SelectionField<'_>) -> (Selected, HashMap<String, Argument>) {
    let (mut selected, mut arguments) = (Selected::default(), HashMap::new());
    for field in field.selection_set() {
        match field.name() {
            "nodes" => select_group(&mut selected, &mut arguments, response_name(&field), &field),
            "edges" => {
                field.selection_set().filter(|field| field.name() == "node").for_each(|node| {
                    select_group(&mut selected, &mut HashMap::new(), "", &node);
                });
            }
            _ => {}
        }
    }
    (selected, arguments)
}

fn response_name<'a>(field: &SelectionField<'a>) -> &'a str {
    field.alias().unwrap_or(field.name())
}

fn select_group(
    selected: &mut Selected,
    arguments: &mut HashMap<String, Argument>,
    list: &str,
    group: &SelectionField<'_>,
) {
    for field in group.selection_set() {
        let path = format!("{list}/{}", response_name(&field));
        match field.name() {
            "firstSeen" | "lastSeen" => selected.seen = true,
            "stats" => {
                let Some(resource) = argument::<Resource>(&field, "resource") else { continue };
                let index = select(selected, resource, &field);
                for inner in field.selection_set().filter(|inner| inner.name() == "percentile") {
                    if let Some(p) = argument::<f64>(&inner, "p") {
                        arguments.insert(format!("{path}/{}", response_name(&inner)), Argument::Percentile(p));
                    }
                }
                arguments.insert(path, Argument::Resource(index));
            }
            "distinct" => {
                let Some(of) = argument::<Dimension>(&field, "of").map(Grouped::from) else { continue };
                let index = selected.distinct.iter().position(|other| *other == of).unwrap_or_else(|| {
                    selected.distinct.push(of);
                    selected.distinct.len() - 1
                });
                arguments.insert(path, Argument::Distinct(index));
            }
            _ => {}
        }
    }
}

/// A window of a list of groups.
pub struct MetricGroupConnection {
    nodes: Items<MetricGroup>,
    has_more: bool,
    is_continued: bool,
    total: usize,
}

impl MetricGroupConnection {
    /// Creates the connection of groups that were found; `is_continued` if they are after a cursor.
    pub fn new(found: groups::Groups, shared: Shared, is_continued: bool) -> Self {
        let shared = Arc::new(shared);
        let node = |group| MetricGroup { group, shared: Arc::clone(&shared) };
        Self {
            nodes: found.groups.into_iter().map(node).collect::<Vec<_>>().into(),
            has_more: found.has_more,
            is_continued,
            total: found.total,
        }
    }
}

/// A window of a list of groups, in the order of the list.
#[Object]
impl MetricGroupConnection {
    /// The groups, without their cursors.
    async fn nodes(&self) -> &Items<MetricGroup> {
        &self.nodes
    }

    /// The groups with their cursors.
    async fn edges(&self) -> Vec<MetricGroupEdge<'_>> {
        self.nodes.iter().map(MetricGroupEdge).collect()
    }

    /// Information for fetching the next groups.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_more,
            has_previous_page: self.is_continued,
            start_cursor: self.nodes.first().map(MetricGroup::cursor),
            end_cursor: self.nodes.last().map(MetricGroup::cursor),
        }
    }

    /// Number of groups in the whole list; with `untilShare`, of those that together make the share.
    async fn total_count(&self) -> Int {
        (self.total as u64).into()
    }
}

/// A group with its cursor.
pub struct MetricGroupEdge<'a>(&'a MetricGroup);

/// A group with its cursor.
#[Object]
impl MetricGroupEdge<'_> {
    /// The group.
    async fn node(&self) -> &MetricGroup {
        self.0
    }

    /// The cursor of the group, to be passed as `after`.
    async fn cursor(&self, ctx: &Context<'_>) -> FieldResult<String> {
        let cursor = self.0.cursor();
        budget_of(ctx).charge(cursor.len())?;
        Ok(cursor)
    }
}
