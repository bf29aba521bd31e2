//! The types of the graph: their fields, and a connection for each list that leads on from them.

/// Writes the fields of a type of the graph: those in `plain`, whose values the object holds, so that lists can write them by
/// themselves ([`crate::graphql::lists::json_writer`]); then its other ones as they stand; then a field of at most
/// [`crate::graphql::limits::MAX_SHORT_LIST`] objects, if it has one; then a connection for each `list` line, which names the table that it lists.
macro_rules! graph_object {
    (
        $(#[$meta:meta])*
        impl $Type:ident {
            plain {
                $(
                    $(#[doc = $about:literal])+
                    $(#[graphql($($detail:tt)*)])?
                    fn $field:ident(&$this:ident) -> $Value:ty $body:block
                )*
            }
            $($own:tt)*
        }
        $($lists:tt)*
    ) => {
        const _: () = {
            /// The fields that the object holds.
            trait Plain {
                $( fn $field(&self) -> $Value; )*
            }

            impl Plain for $Type {
                $( fn $field(&$this) -> $Value $body )*
            }

            impl crate::graphql::lists::listed::Written for $Type {
                fn plain(field: &str) -> Option<crate::graphql::lists::listed::Write<Self>> {
                    $(
                        if crate::graphql::lists::object::is_name(field, stringify!($field)) {
                            return Some(|object, json| serde_json::to_writer(json, &Plain::$field(object)));
                        }
                    )*
                    None
                }
            }

            crate::graphql::lists::object::graph_object! {
                $(#[$meta])*
                impl $Type {
                    $(
                        $(#[doc = $about])+
                        $(#[graphql($($detail)*)])?
                        pub(crate) async fn $field(
                            &self,
                            ctx: &async_graphql::Context<'_>,
                        ) -> Result<$Value, crate::graphql::error::FieldError> {
                            let value = Plain::$field(self);
                            let bytes = crate::graphql::response_budget::ResponseSize::bytes(&value);
                            crate::graphql::response_budget::budget_of(ctx).charge(bytes)?;
                            Ok(value)
                        }
                    )*
                    $($own)*
                }
                $($lists)*
            }
        };
    };
    (
        $(#[$meta:meta])*
        impl $Type:ident { $($own:tt)* }
        $(short { $(#[doc = $about:literal])+ $($short:tt)* })?
        $( $(#[doc = $doc:literal])+ list $name:ident: $Table:ty = $of_whom:expr; )*
    ) => {
        $(#[$meta])*
        #[async_graphql::Object]
        impl $Type {
            $($own)*
            $(
                $(#[doc = $about])+
                #[graphql(
                    complexity = "crate::graphql::lists::cost::cost(
                        Some(crate::graphql::limits::MAX_SHORT_LIST.into()),
                        None,
                        child_complexity,
                    )"
                )]
                $($short)*
            )?
            $(
                $(#[doc = $doc])+
                #[graphql(
                    complexity = "crate::graphql::lists::cost::cost(first, last, child_complexity)",
                    directive = crate::graphql::directive::access::apply(crate::config::Scope::Read)
                )]
                #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
                async fn $name(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "Number of items to return from the start, 0 to 500. Default: 50, unless `last` is given.")]
                    first: Option<i64>,
                    #[graphql(desc = "Return items after this cursor. The cursor must come from a list in the same order.")]
                    after: Option<String>,
                    #[graphql(desc = "Number of items to return from the end, 0 to 500.")]
                    last: Option<i64>,
                    #[graphql(desc = "Return items before this cursor. The cursor must come from a list in the same order.")]
                    before: Option<String>,
                    #[graphql(name = "where", desc = "Filter: return only items that match.")]
                    filter: Option<Box<crate::graphql::lists::listed::WhereOf<$Table>>>,
                    #[graphql(desc = "Sort order. Default: order of arrival.")]
                    order_by: Option<crate::graphql::lists::listed::OrderByOf<$Table>>,
                ) -> crate::graphql::error::FieldResult<
                    crate::graphql::lists::connection::Connection<crate::graphql::lists::listed::ObjectOf<$Table>>,
                > {
                    type Arguments = crate::graphql::lists::connection::Arguments<
                        crate::graphql::lists::listed::ObjectOf<$Table>,
                    >;
                    let of_whom: fn(&$Type) -> crate::graphql::lists::connection::Of<$Table> = $of_whom;
                    let list = Arguments { first, after, last, before, filter, order_by };
                    // In a box of its own: the engine moves what any field of the type may take, whichever it resolves.
                    Box::pin(list.read(ctx, of_whom(self))).await
                }
            )*
        }
    };
}
pub(crate) use graph_object;

/// Whether `field` is how the schema spells `name`: asked of each field there is, so of most it is told by their first letter.
pub fn is_name(field: &str, name: &str) -> bool {
    let mut spelled = field.bytes();
    let mut begins_word = false;
    for letter in name.bytes() {
        if letter == b'_' {
            begins_word = true;
            continue;
        }
        let expected = if begins_word { letter.to_ascii_uppercase() } else { letter };
        if spelled.next() != Some(expected) {
            return false;
        }
        begins_word = false;
    }
    spelled.next().is_none()
}
