//! Variants: test functions with their parameters.

use async_graphql::{Context, ID, InputObject, OneofObject, SimpleObject};
use entity::{
    edges,
    filter::Text,
    table::{component as component_row, item as item_row, metric as metric_row, variant as row},
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            connection::Parent,
            filter::{Connectives, StringFilter, Where, check},
            listed::listed_as_row,
            loader_keys::load_row,
            object::graph_object,
        },
        scalars::Int,
        schema::{
            component::Component,
            global_id::{find_by_id, find_first, global_id},
            history_point,
            item::Item,
            statistics,
        },
    },
};

/// A stored variant.
pub struct Variant(pub row::Model);

listed_as_row!(Variant, VariantWhere);

/// Minimum and maximum of a resource over all metrics, in the unit of the resource.
#[derive(SimpleObject)]
pub struct Bounds {
    /// The minimum, in the unit of the resource.
    least: f64,
    /// The maximum, in the unit of the resource.
    greatest: f64,
}

fn bounds(least: Option<f64>, greatest: Option<f64>) -> Option<Bounds> {
    Some(Bounds { least: least?, greatest: greatest? })
}

graph_object! {
    /// A test function with its parameters, identified by file and name. The plugin does not send classes: methods of
    /// the same name in several classes of a module are one variant with several metrics in each session.
    impl Variant {
        scalars {
            /// Global ID of the variant.
            fn id(&self) -> ID {
                global_id::<Self>(self.0.id)
            }

            /// Name of the function with its parameters, without its class. Empty for a whole module.
            fn name(&self) -> &str {
                &self.0.name
            }

            /// File of the test, relative to pytest's rootdir.
            fn location(&self) -> &str {
                &self.0.location
            }

            /// What is measured: `function` or `module`.
            fn kind(&self) -> &str {
                &self.0.kind
            }

            /// Number of metrics recorded for it.
            fn metric_count(&self) -> Int {
                self.0.metric_count.into()
            }
        }

        /// The test function without its parameters.
        async fn item(&self, ctx: &Context<'_>) -> FieldResult<Item> {
            load_row::<item_row::Entity>(ctx, self.0.item_id).await.map(Item)
        }

        /// The component under test. Tests without one belong to the component with the empty name.
        async fn component(&self, ctx: &Context<'_>) -> FieldResult<Component> {
            let item = load_row::<item_row::Entity>(ctx, self.0.item_id).await?;
            load_row::<component_row::Entity>(ctx, item.component_id).await.map(Component)
        }

        /// Minimum and maximum of the wall-clock time, in seconds.
        async fn total_time(&self) -> Option<Bounds> {
            bounds(self.0.min_total_time, self.0.max_total_time)
        }

        /// Minimum and maximum of the CPU time in user mode, including function-scoped fixtures, in seconds.
        async fn user_time(&self) -> Option<Bounds> {
            bounds(self.0.min_user_time, self.0.max_user_time)
        }

        /// Minimum and maximum of the CPU time in kernel mode, including function-scoped fixtures, in seconds.
        async fn kernel_time(&self) -> Option<Bounds> {
            bounds(self.0.min_kernel_time, self.0.max_kernel_time)
        }

        /// Minimum and maximum of the CPU usage: CPU time, including function-scoped fixtures, divided by total time, a
        /// ratio.
        async fn cpu_usage(&self) -> Option<Bounds> {
            bounds(self.0.min_cpu_usage, self.0.max_cpu_usage)
        }

        /// Minimum and maximum of the peak memory minus the memory at the start of the session, in MB.
        async fn memory_usage(&self) -> Option<Bounds> {
            bounds(self.0.min_memory_usage, self.0.max_memory_usage)
        }
    }
    ranking {
        /// The metrics of the variant that used most (or least) of a resource. The most extreme comes first; ties are in the order
        /// recorded.
        top_metrics = |variant| Parent::Row(edges::METRICS_OF_VARIANT, variant.0.id);
    }
    stats statistics { |variant| (edges::METRICS_OF_VARIANT, variant.0.id) }
    history history_point { |variant| variant.0.id }
    /// The metrics of the variant.
    list metrics: metric_row::Entity = |variant| Parent::Row(edges::METRICS_OF_VARIANT, variant.0.id);
}

/// Filter for variants. All given conditions must match.
#[derive(Debug, Clone, Default, InputObject)]
pub struct VariantWhere {
    /// All of these filters must match.
    and: Option<Vec<VariantWhere>>,
    /// At least one of these filters must match.
    or: Option<Vec<VariantWhere>>,
    /// This filter must not match.
    not: Option<Box<VariantWhere>>,
    /// Filter by the name of the function with its parameters, without its class.
    name: Option<StringFilter>,
    /// File of the test, relative to pytest's rootdir.
    location: Option<StringFilter>,
    /// What is measured: `function` or `module`.
    kind: Option<StringFilter>,
    /// Filter by the name of the function.
    item: Option<StringFilter>,
    /// Filter by the dotted import path of the module.
    path: Option<StringFilter>,
    /// Filter by the name of the component.
    component: Option<StringFilter>,
}

impl Where for VariantWhere {
    type Filter = row::Filter;

    fn split(self) -> Result<(row::Filter, Connectives<Self>), Error> {
        let own = row::Filter {
            name: check!(self.name, "name"),
            location: check!(self.location, "location"),
            kind: check!(self.kind, "kind"),
            item: check!(self.item, "item"),
            path: check!(self.path, "path"),
            component: check!(self.component, "component"),
            among: None,
        };
        Ok((own, Connectives { and: self.and, or: self.or, not: self.not }))
    }
}

/// A variant, identified by its names.
#[derive(Debug, InputObject)]
pub struct VariantName {
    /// Exact name of the function with its parameters, without its class.
    name: String,
    /// Exact import path of its module. Default: any; of several variants with these names, the first.
    path: Option<String>,
    /// Exact file of the test, relative to pytest's rootdir. Default: any.
    location: Option<String>,
    /// Exact name of the component. Default: any.
    component: Option<String>,
}

impl From<VariantName> for row::Filter {
    fn from(VariantName { name, path, location, component }: VariantName) -> Self {
        let [path, location, component] = [path, location, component].map(|text| text.map(Text::equals));
        Self { name: Some(Text::equals(name)), path, location, component, ..Self::default() }
    }
}

/// What a variant is looked up by: one of these.
#[derive(Debug, OneofObject)]
pub enum VariantBy {
    /// The `id` of the variant.
    Id(ID),
    /// Its names.
    Named(VariantName),
}

#[derive(Default)]
pub struct VariantQuery;

graph_object! {
    impl VariantQuery {
        /// A variant. Null if there is none.
        async fn variant(
            &self,
            ctx: &Context<'_>,
            #[graphql(desc = "What to look it up by.")] by: VariantBy,
        ) -> Option<FieldResult<Variant>> {
            match by {
                VariantBy::Id(id) => find_by_id(ctx, &id).await,
                VariantBy::Named(name) => find_first(ctx, name.into()).await,
            }
        }
    }
    /// All variants.
    list variants: row::Entity = |_| Parent::Root;
}
