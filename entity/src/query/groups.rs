//! Queries for statistics of metrics, by group, and for the values of a resource.

use std::{collections::HashMap, sync::Arc};

use sea_orm::DbErr;

use crate::{
    driver::source::Source as _,
    filter::Tree,
    history::{
        Aggregation, Dimension, Extent, Grouping, Key, NO_GROUP, Range, Scan, Statistics, Value, resolve, statistics,
        values_of,
    },
    query::Store,
    resource::Resource,
    table::metric::Filter,
};

/// A day, in microseconds.
const DAY: i64 = 86_400_000_000;
const SELECT_LAST_VARIANT: &str = "SELECT COALESCE(MAX(id), 0) FROM variant";
const SELECT_COMPONENTS: &str =
    "SELECT variant.id, item.component_id FROM variant JOIN item ON item.id = variant.item_id";

/// What metrics are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    /// The variant.
    Variant,
    /// The component.
    Component,
    /// The day on which the test began.
    Day,
}

/// A group of metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// For each [`GroupBy`] the key of the variant or component, or the first moment of the day, in microseconds.
    pub keys: Vec<i64>,
    /// Of its values.
    pub statistics: Statistics,
}

/// Returns the statistics of the values of `resource` of the metrics that match `filter`, in a group for each combination of what
/// `by` names that occurs. `percentiles` are from 0 to 1.
///
/// # Errors
/// If a percentile is out of range, there are too many groups, or the database fails.
pub async fn groups(
    db: &Store,
    filter: &Tree<Filter>,
    by: &[GroupBy],
    resource: Resource,
    percentiles: &[f64],
) -> Result<Vec<Group>, DbErr> {
    if let Some(wrong) = percentiles.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(DbErr::Custom(format!("the percentile {wrong} is not from 0 to 1")));
    }
    let scan = Scan::begin(db, &db.history).await?;
    let predicate = resolve(db, filter).await?;
    let (mut grouping, mut keys) = (Vec::with_capacity(by.len()), Vec::with_capacity(by.len()));
    for by in by {
        let (key, of_numbers) = match by {
            GroupBy::Variant => variants(db).await?,
            GroupBy::Component => components(db).await?,
            GroupBy::Day => {
                let days = days(scan.extent(&predicate).as_ref());
                (Key::Time(Arc::new(days.clone())), days)
            }
        };
        grouping.push(key);
        keys.push(of_numbers);
    }
    let aggregation = Aggregation { resource, grouping: Grouping(grouping), percentiles: percentiles.to_vec() };
    let statistics = statistics(&scan, predicate, aggregation, &db.history).await?;
    let group = |(mut group, statistics): (usize, Statistics)| {
        let mut of_group = vec![0; keys.len()];
        for (key, of_numbers) in of_group.iter_mut().zip(&keys).rev() {
            *key = of_numbers[group % of_numbers.len()];
            group /= of_numbers.len();
        }
        Group { keys: of_group, statistics }
    };
    let occurring = (0..).zip(statistics).filter(|(_, statistics)| statistics.count > 0);
    Ok(occurring.map(group).collect())
}

/// Returns the variants as the groups that they are, and their keys.
async fn variants(db: &Store) -> Result<(Key, Vec<i64>), DbErr> {
    let last = db.select::<i64, 0>(SELECT_LAST_VARIANT, []).await?.pop().unwrap_or_default();
    let keys: Vec<i64> = (0..=last).collect();
    let numbers = (0..).take(keys.len()).collect();
    Ok((Key::Of(Dimension::Variant, Arc::new(numbers), keys.len()), keys))
}

/// Returns the components as groups of variants, and their keys.
async fn components(db: &Store) -> Result<(Key, Vec<i64>), DbErr> {
    let (mut numbers, mut keys) = (Vec::new(), Vec::new());
    let mut number_of = HashMap::new();
    for (variant, component) in db.select::<(i64, i64), 0>(SELECT_COMPONENTS, []).await? {
        let number = *number_of.entry(component).or_insert_with(|| {
            keys.push(component);
            u32::try_from(keys.len() - 1).unwrap_or(NO_GROUP)
        });
        let Ok(variant) = usize::try_from(variant) else { continue };
        if numbers.len() <= variant {
            numbers.resize(variant + 1, NO_GROUP);
        }
        numbers[variant] = number;
    }
    Ok((Key::Of(Dimension::Variant, Arc::new(numbers), keys.len()), keys))
}

/// Returns the first moments of all days on which tests may have begun, in microseconds.
fn days(extent: Option<&Extent>) -> Vec<i64> {
    let Some(Range { least, greatest }) = extent.map(|extent| extent.zone.started_at) else { return Vec::new() };
    (least.div_euclid(DAY)..=greatest.div_euclid(DAY)).map(|day| day * DAY).collect()
}

/// Returns the values of `resource` of the metrics that match `filter`, in the order in which the tests began; at once in the order
/// of insertion.
///
/// # Errors
/// If there are too many, or the database fails.
pub async fn values(db: &Store, filter: &Tree<Filter>, resource: Resource) -> Result<Vec<Value>, DbErr> {
    let scan = Scan::begin(db, &db.history).await?;
    values_of(&scan, resolve(db, filter).await?, resource).await
}
