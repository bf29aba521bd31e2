//! Items: test functions, before their parameters.

use async_graphql::{Context, ID, InputObject};
use entity::{component as component_row, item as row, metric as metric_row, variant as variant_row};

use crate::{
    error::Error,
    graphql::{
        error::Answer,
        lists::{
            connection::{Of, listed_as_row},
            filter::{Connectives, StringFilter, Where, check},
            loader_keys::{MetricsIn, Row},
            object::graph_object,
        },
        loaders_of,
        scalars::Int,
        schema::{
            component::Component,
            metric::{Metric, stored},
            node,
            variant::Variant,
        },
    },
};

/// A stored item.
pub struct Item(pub row::Model);

listed_as_row!(Item, ItemWhere);

graph_object! {
    /// A test function without its parameters, or a whole module.
    impl Item {
        plain {
            /// The item's key among all objects.
            fn id(&self) -> ID {
                node::global_id::<Self>(self.0.id)
            }

            /// The function's name, without its class; of a whole module, the module's name.
            fn name(&self) -> &str {
                &self.0.name
            }

            /// The dotted path of its module as Python imports it; of a whole module, the path of its package. May be empty.
            fn path(&self) -> &str {
                &self.0.path
            }
        }

        /// The component that it watches over; that without a name when it has none.
        async fn component(&self, ctx: &Context<'_>) -> Answer<Component> {
            stored(ctx, self.0.component_id, Row::<component_row::Entity>::key).await.map(Component)
        }

        /// How many metrics were recorded for it.
        async fn metric_count(&self, ctx: &Context<'_>) -> Answer<Int> {
            Ok(loaders_of(ctx).load(MetricsIn::Item(self.0.id)).await?.unwrap_or(0).into())
        }
    }
    /// The function with each of its parameters.
    list variants: Variant = |item| Of::Parent(variant_row::OF_ITEM, item.0.id);
    /// What was measured for it, whatever the parameters.
    list metrics: Metric = |item| Of::Parent(metric_row::OF_ITEM, item.0.id);
}

/// Which items. Every condition given must hold.
#[derive(Debug, Clone, Default, InputObject)]
pub struct ItemWhere {
    /// All of these must hold.
    and: Option<Vec<ItemWhere>>,
    /// At least one of these must hold.
    or: Option<Vec<ItemWhere>>,
    /// This must not hold.
    not: Option<Box<ItemWhere>>,
    /// The function's name.
    name: Option<StringFilter>,
    /// The path of its module.
    path: Option<StringFilter>,
    /// The name of its component.
    component: Option<StringFilter>,
}

impl Where for ItemWhere {
    type Filter = row::Filter;

    fn parts(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            name: check!(self.name, "name"),
            path: check!(self.path, "path"),
            component: check!(self.component, "component"),
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

#[derive(Default)]
pub struct ItemQuery;

graph_object! {
    impl ItemQuery {
        /// The item with this id, null when there is none.
        async fn item(&self, ctx: &Context<'_>, #[graphql(desc = "The item's `id`.")] id: ID) -> Option<Answer<Item>> {
            node::find_by_id(ctx, &id).await
        }
    }
    /// All items.
    list items: Item = |_| Of::Everyone;
}
