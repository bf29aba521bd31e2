//! Items: test functions without their parameters.

use async_graphql::{Context, ID, InputObject, OneofObject};
use entity::{
    edges,
    filter::Text,
    table::{component as component_row, item as row, metric as metric_row, variant as variant_row},
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            dataloader::loaders_of,
            filter::{Connectives, StringFilter, Where, check},
            listed::listed_as_row,
            loader_keys::{MetricCount, load_row},
            object::graph_object,
        },
        scalars::Int,
        schema::{
            component::Component,
            global_id::{find_by_id, find_first, global_id},
            statistics,
        },
    },
};

/// A stored item.
pub struct Item(pub row::Model);

listed_as_row!(Item, ItemWhere);

graph_object! {
    /// A test function without its parameters, or a whole test module.
    impl Item {
        scalars {
            /// Global ID of the item.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// Name of the function, without its class; for a whole module, the name of the module.
            fn name(&self) -> &str {
                &self.0.name
            }

            /// Dotted import path of its module; for a whole module, of its package. May be empty.
            fn path(&self) -> &str {
                &self.0.path
            }
        }

        /// The component under test. Tests without one belong to the component with the empty name.
        async fn component(&self, ctx: &Context<'_>) -> FieldResult<Component> {
            load_row::<component_row::Entity>(ctx, self.0.component_id).await.map(Component)
        }

        /// Number of metrics recorded for it.
        async fn metric_count(&self, ctx: &Context<'_>) -> FieldResult<Int> {
            Ok(loaders_of(ctx).load(MetricCount::Item(self.0.id)).await?.unwrap_or(0).into())
        }
    }
    ranking {
        /// The metrics of all its variants that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |item| Parent::Row(edges::METRICS_OF_ITEM, item.0.id);
    }
    stats statistics { |item| (edges::METRICS_OF_ITEM, item.0.id) }
    /// The variants of the function: one for each set of parameters.
    list variants: variant_row::Entity = |item| Parent::Row(edges::VARIANTS_OF_ITEM, item.0.id);
    /// The metrics of all its variants.
    list metrics: metric_row::Entity = |item| Parent::Row(edges::METRICS_OF_ITEM, item.0.id);
}

/// Filter for items. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ItemWhere {
    /// All of these filters must match.
    and: Option<Vec<ItemWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<ItemWhere>>,
    /// This filter must not match.
    not: Option<Box<ItemWhere>>,
    /// Filter by the name of the function.
    name: Option<StringFilter>,
    /// Filter by the dotted import path of the module.
    path: Option<StringFilter>,
    /// Filter by the name of the component.
    component: Option<StringFilter>,
}

impl Where for ItemWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            name: check!(self.name, "name"),
            path: check!(self.path, "path"),
            component: check!(self.component, "component"),
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// An item, identified by its names.
#[derive(Debug, InputObject)]
pub struct ItemName {
    /// Exact name of the function; for a whole module, of the module.
    name: String,
    /// Exact import path of its module. Default: any; of several items with these names, the first.
    path: Option<String>,
    /// Exact name of the component. Default: any.
    component: Option<String>,
}

/// What an item is looked up by: one of these.
#[derive(Debug, OneofObject)]
pub enum ItemBy {
    /// The `id` of the item.
    Id(ID),
    /// Its names.
    Named(ItemName),
}

#[derive(Default)]
pub struct ItemQuery;

graph_object! {
    impl ItemQuery {
        /// An item. Null if there is none.
        async fn item(&self, ctx: &Context<'_>, #[graphql(desc = "What to look it up by.")] by: ItemBy) -> Option<FieldResult<Item>> {
            match by {
                ItemBy::Id(id) => find_by_id(ctx, &id).await,
                ItemBy::Named(ItemName { name, path, component }) => {
                    let (path, component) = (path.map(Text::equals), component.map(Text::equals));
                    find_first(ctx, row::Filter { name: Some(Text::equals(name)), path, component }).await
                }
            }
        }
    }
    /// All items.
    list items: row::Entity = |_| Parent::Root;
}
