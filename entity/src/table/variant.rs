//! Variants: one item each with its parameters, its file and its kind.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    DbErr,
    entity::prelude::*,
    sea_query::{Condition, Expr, ExprTrait as _, Func, Query},
};

use crate::{
    column,
    dialect::Engine,
    driver::{row::from_row, source::Source},
    filter::{self, Text},
    list::{self, Edge, SqlListable},
    table::{component, item, plain_entity},
};

/// A row of `variant`.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "variant")]
pub struct Model {
    /// The key, which counts up in order of first metrics.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// The key of the item.
    pub item_id: i64,
    /// The name of the item with its parameters.
    pub name: String,
    /// The file, relative to where pytest was started.
    pub location: String,
    /// `function`, `module`, …
    pub kind: String,
    /// Number of metrics.
    pub metric_count: i64,
    /// The least wall time, in seconds; null without metrics.
    pub min_total_time: Option<f64>,
    /// The greatest wall time, in seconds.
    pub max_total_time: Option<f64>,
    /// The least processor time in user space, in seconds; null without metrics.
    pub min_user_time: Option<f64>,
    /// The greatest processor time in user space, in seconds.
    pub max_user_time: Option<f64>,
    /// The least processor time in the kernel, in seconds; null without metrics.
    pub min_kernel_time: Option<f64>,
    /// The greatest processor time in the kernel, in seconds.
    pub max_kernel_time: Option<f64>,
    /// The least ratio of processor time to wall time; null without metrics.
    pub min_cpu_usage: Option<f64>,
    /// The greatest ratio of processor time to wall time.
    pub max_cpu_usage: Option<f64>,
    /// The least memory, in MB; null without metrics.
    pub min_memory_usage: Option<f64>,
    /// The greatest memory, in MB.
    pub max_memory_usage: Option<f64>,
}

from_row!(Model {
    id,
    item_id,
    name,
    location,
    kind,
    metric_count,
    min_total_time,
    max_total_time,
    min_user_time,
    max_user_time,
    min_kernel_time,
    max_kernel_time,
    min_cpu_usage,
    max_cpu_usage,
    min_memory_usage,
    max_memory_usage
});

plain_entity!();

/// The filter of variants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The name of the variant.
    pub name: Option<Text>,
    /// The file.
    pub location: Option<Text>,
    /// The kind.
    pub kind: Option<Text>,
    /// The name of its item.
    pub item: Option<Text>,
    /// The path of its item.
    pub path: Option<Text>,
    /// The name of its component.
    pub component: Option<Text>,
    /// The keys of which its own is one.
    pub among: Option<Arc<[i64]>>,
}

impl Filter {
    /// Returns whether a variant with these names matches; `None` if only the database can decide.
    pub(crate) fn matches(&self, names: &VariantNames) -> Option<bool> {
        let Self { name, location, kind, item, path, component, among } = self;
        let texts = [
            (name, &names.name),
            (location, &names.location),
            (kind, &names.kind),
            (item, &names.item),
            (path, &names.path),
            (component, &names.component),
        ];
        let is_among = among.as_ref().is_none_or(|keys| keys.contains(&names.id));
        let texts = texts.into_iter().map(|(filter, text)| filter.as_ref().map_or(Some(true), |it| it.matches(text)));
        filter::all(texts.chain([Some(is_among)]))
    }
}

list::in_order_first_seen!(Filter);

impl SqlListable for Entity {
    fn condition(filter: &Filter, engine: Engine) -> Condition {
        let Filter { name, location, kind, item, path, component, among } = filter;
        let of_item = item::Filter { name: item.clone(), path: path.clone(), component: component.clone() };
        let items = (of_item != item::Filter::default()).then(|| {
            let items = Query::select()
                .column(item::Column::Id)
                .from(item::Entity)
                .cond_where(item::Entity::condition(&of_item, engine))
                .take();
            column::of(Column::ItemId).in_subquery(items)
        });
        Condition::all()
            .add_option(name.as_ref().map(|text| text.on(column::of(Column::Name), engine)))
            .add_option(location.as_ref().map(|text| text.on(column::of(Column::Location), engine)))
            .add_option(kind.as_ref().map(|text| text.on(column::of(Column::Kind), engine)))
            .add_option(items)
            .add_option(among.as_ref().map(|keys| engine.any_of(column::of(Column::Id), keys)))
    }
}

/// Returns the number of metrics of the variants under each of `parents`, in one statement.
pub async fn metric_counts_under(
    db: &impl Source,
    edge: Edge<Entity>,
    parents: &[i64],
) -> Result<HashMap<i64, u64>, DbErr> {
    let (mut query, parent) = db.engine().parents(parents);
    let sum = Query::select()
        .expr(Func::coalesce([Func::sum(column::of(Column::MetricCount)).into(), Expr::val(0)]).cast_as("BIGINT"))
        .from(Entity)
        .cond_where((edge.link)(parent.clone()))
        .take();
    query.expr_as(parent, "parent_id").expr_as(Expr::from(sum), "n");
    list::counts(db, &query).await
}

/// The names of a variant, its item and its component. They never change once stored.
#[derive(Debug, Clone, PartialEq)]
pub struct VariantNames {
    /// The key of the variant.
    pub id: i64,
    /// The key of its item.
    pub item_id: i64,
    /// The key of its component.
    pub component_id: i64,
    /// The name of its component.
    pub component: String,
    /// The path of its item.
    pub path: String,
    /// The name of its item.
    pub item: String,
    /// Its own name.
    pub name: String,
    /// Its file.
    pub location: String,
    /// Its kind.
    pub kind: String,
}

from_row!(VariantNames { id, item_id, component_id, component, path, item, name, location, kind });

/// Returns the names of these variants, in one statement.
pub async fn names(db: &impl Source, ids: &[i64]) -> Result<HashMap<i64, VariantNames>, DbErr> {
    let query = Query::select()
        .expr_as(column::of(Column::Id), "id")
        .expr_as(column::of(Column::ItemId), "item_id")
        .expr_as(column::of(item::Column::ComponentId), "component_id")
        .expr_as(column::of(component::Column::Name), "component")
        .expr_as(column::of(item::Column::Path), "path")
        .expr_as(column::of(item::Column::Name), "item")
        .expr_as(column::of(Column::Name), "name")
        .expr_as(column::of(Column::Location), "location")
        .expr_as(column::of(Column::Kind), "kind")
        .from(Entity)
        .inner_join(item::Entity, column::of(item::Column::Id).eq(column::of(Column::ItemId)))
        .inner_join(component::Entity, column::of(component::Column::Id).eq(column::of(item::Column::ComponentId)))
        .and_where(db.engine().any_of(column::of(Column::Id), ids))
        .take();
    Ok(db.all(&query).await?.into_iter().map(|names: VariantNames| (names.id, names)).collect())
}
