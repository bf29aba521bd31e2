//! The types of the graph: their fields, and a connection for each list that leads on from them.

/// Writes the fields of a type of the graph: its own as they stand, then a connection for each `list` line.
macro_rules! graph_object {
    (
        $(#[$meta:meta])*
        impl $Type:ident { $($own:tt)* }
        $( $(#[doc = $doc:literal])+ list $name:ident: $Node:ty = $of_whom:expr; )*
    ) => {
        $(#[$meta])*
        #[async_graphql::Object]
        impl $Type {
            $($own)*
            $(
                $(#[doc = $doc])+
                #[graphql(complexity = "crate::graphql::paging::cost(first, last, child_complexity)")]
                #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
                async fn $name(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "Give so many from the start: 0 to 500; 50 when neither this nor `last` is given.")]
                    first: Option<i64>,
                    #[graphql(desc = "Start behind this place, a cursor of a list in the same order.")]
                    after: Option<String>,
                    #[graphql(desc = "Give so many from the end: 0 to 500.")]
                    last: Option<i64>,
                    #[graphql(desc = "End ahead of this place, a cursor of a list in the same order.")]
                    before: Option<String>,
                    #[graphql(name = "where", desc = "Only those that match.")]
                    filter: Option<<$Node as crate::graphql::paging::Listed>::Where>,
                    #[graphql(desc = "The order of the list; that in which things came to be known when left out.")]
                    order_by: Option<<$Node as crate::graphql::paging::Listed>::OrderBy>,
                ) -> crate::graphql::Answer<crate::graphql::paging::Connection<$Node>> {
                    let of_whom: fn(&$Type) -> crate::graphql::paging::Of<<$Node as crate::graphql::paging::Listed>::Entity> =
                        $of_whom;
                    crate::graphql::paging::Arguments::<$Node> { first, after, last, before, filter, order_by }
                        .read(ctx, of_whom(self))
                        .await
                }
            )*
        }
    };
}
pub(super) use graph_object;
