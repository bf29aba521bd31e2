//! What else differs between the sides of a comparison, and so may be the reason for what changed.

use std::collections::BTreeMap;

use sea_orm::{
    DbErr,
    sea_query::{Expr, ExprTrait as _, Query},
};

use crate::{
    column,
    driver::source::Source as _,
    query::{Store, comparison::compared::Comparison},
    table::{session_tag, tag},
};

/// These name the run itself, so they differ always.
const OF_RUNS: [&str; 2] = ["run_id", "pipeline_build_no"];
/// Number of tags that are named, at most.
const MAX_TAGS: usize = 100;
/// Number of values of a side that are named, at most.
const MAX_VALUES: usize = 10;

/// A tag whose values differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagDifference {
    /// Its name.
    pub name: String,
    /// The values that sessions of each side have: before, after. First those that the other side does not have. `None` stands for
    /// sessions without the tag.
    pub values: [Vec<Option<String>>; 2],
}

/// The values of each tag by its name, each with the number of sessions.
type Values = BTreeMap<String, BTreeMap<String, i64>>;

/// Returns the values of the tags of these sessions, in one statement.
async fn values(db: &Store, sessions: &[i64]) -> Result<Values, DbErr> {
    let query = Query::select()
        .expr(column::of(tag::Column::Name))
        .expr(column::of(tag::Column::Value))
        .expr(Expr::cust("COUNT(*)"))
        .from(session_tag::Entity)
        .inner_join(tag::Entity, column::of(tag::Column::Id).eq(column::of(session_tag::Column::TagId)))
        .and_where(db.engine().any_of(column::of(session_tag::Column::SessionId), sessions))
        .add_group_by([column::of(tag::Column::Name), column::of(tag::Column::Value)])
        .take();
    let mut values = Values::new();
    for (name, (value, count)) in db.all::<(String, (String, i64))>(&query).await? {
        values.entry(name).or_default().insert(value, count);
    }
    Ok(values)
}

/// Returns the tags whose values differ between the sessions with metrics of the sides, in the order of their names: at most 100, with
/// at most 10 values of each side. Those that the sides were chosen by are left out, and those that name the run itself. There are
/// none if a side has no metrics.
///
/// # Errors
/// If the database fails.
pub async fn tag_differences(db: &Store, comparison: &Comparison) -> Result<Vec<TagDifference>, DbErr> {
    let sides = &comparison.sides;
    if sides.iter().any(|side| side.sessions.is_empty()) {
        return Ok(Vec::new());
    }
    let found = [values(db, &sides[0].sessions).await?, values(db, &sides[1].sessions).await?];
    let mut names: Vec<&String> = found.iter().flat_map(BTreeMap::keys).collect();
    names.sort_unstable();
    names.dedup();
    let is_chosen = |name: &str| OF_RUNS.contains(&name) || comparison.chosen_tags.iter().any(|tag| tag == name);
    let difference = |name: &String| {
        let values = [0, 1].map(|side: usize| {
            let of_tag = found[side].get(name);
            let tagged = of_tag.map_or(0, |values| values.values().sum::<i64>());
            let is_complete = tagged >= i64::try_from(sides[side].sessions.len()).unwrap_or(i64::MAX);
            let values = of_tag.into_iter().flat_map(BTreeMap::keys).cloned().map(Some);
            values.chain((!is_complete).then_some(None)).collect::<Vec<_>>()
        });
        let own_first = |side: usize| {
            let (own, shared): (Vec<_>, Vec<_>) =
                values[side].iter().cloned().partition(|value| !values[1 - side].contains(value));
            own.into_iter().chain(shared).take(MAX_VALUES).collect()
        };
        (values[0] != values[1]).then(|| TagDifference { name: name.clone(), values: [0, 1].map(own_first) })
    };
    Ok(names.into_iter().filter(|name| !is_chosen(name)).filter_map(difference).take(MAX_TAGS).collect())
}
