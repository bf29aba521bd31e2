//! The macro that defines object types: their scalars, which the JSON writer can write, and the fields that read lists of a table.

/// Defines the fields of an object type, in the order of the schema:
///
/// - `scalars`: values that the object holds, which [`crate::graphql::lists::json_writer`] can write without the engine;
/// - fields written out as functions;
/// - `ranking`: the metrics that used most or least of a resource;
/// - `stats`: statistics of its metrics, with the module that has their types;
/// - `history`: the history of a variant and its sparkline, with the module that has their types;
/// - `short`: a field with at most [`crate::graphql::limits::MAX_SHORT_LIST`] objects;
/// - lines for fields that read from a table: `count` (how many rows match), `page` (a numbered page), `names` (a numbered page of
///   names) and `list` (a connection; `for` another scope than READ).
macro_rules! graph_object {
    (
        $(#[$meta:meta])*
        impl $Type:ident {
            scalars {
                $(
                    $(#[doc = $about:literal])+
                    $(#[graphql($($detail:tt)*)])?
                    fn $field:ident(&$this:ident) -> $Value:ty $body:block
                )*
            }
            $($own:tt)*
        }
        $($lines:tt)*
    ) => {
        const _: () = {
            trait Scalars {
                $( fn $field(&self) -> $Value; )*
            }

            impl Scalars for $Type {
                $( fn $field(&$this) -> $Value $body )*
            }

            impl crate::graphql::lists::listed::WriteJson for $Type {
                fn scalar(field: &str) -> Option<crate::graphql::lists::listed::WriteField<Self>> {
                    $(
                        if crate::graphql::lists::object::is_camel_case_of(field, stringify!($field)) {
                            return Some(|object, json| serde_json::to_writer(json, &Scalars::$field(object)));
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
                            let value = Scalars::$field(self);
                            let bytes = crate::graphql::response_budget::ResponseSize::bytes(&value);
                            crate::graphql::response_budget::budget_of(ctx).charge(bytes)?;
                            Ok(value)
                        }
                    )*
                    $($own)*
                }
                $($lines)*
            }
        };
    };
    (
        $(#[$meta:meta])*
        impl $Type:ident { $($own:tt)* }
        $($lines:tt)*
    ) => {
        crate::graphql::lists::object::graph_object! { @fields [$(#[$meta])*] $Type { $($own)* } $($lines)* }
    };
    // Turns the lines into functions one by one, because `#[Object]` does not expand macros. The last rule has all fields whose
    // complexity refers to `child_complexity`: macro hygiene allows that only where `#[Object]` is written.
    (
        @fields [$($meta:tt)*] $Type:ident { $($done:tt)* }
        $(#[doc = $doc:literal])+ count $name:ident: $Table:ty;
        $($lines:tt)*
    ) => {
        crate::graphql::lists::object::graph_object! {
            @fields [$($meta)*] $Type {
                $($done)*
                $(#[doc = $doc])+
                async fn $name(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(name = "where", desc = "Filter: return only items that match.")]
                    filter: Option<crate::graphql::lists::listed::WhereOf<$Table>>,
                ) -> crate::graphql::error::FieldResult<crate::graphql::scalars::Int> {
                    crate::graphql::lists::listed::count::<$Table>(ctx, filter).await
                }
            }
            $($lines)*
        }
    };
    (
        @fields [$($meta:tt)*] $Type:ident { $($done:tt)* }
        $(#[doc = $doc:literal])+ page $name:ident: $Table:ty;
        $($lines:tt)*
    ) => {
        crate::graphql::lists::object::graph_object! {
            @fields [$($meta)*] $Type { $($done)* }
            $(#[doc = $doc])+ paged $name: $Table =>
                crate::graphql::lists::page::Page<crate::graphql::lists::listed::ObjectOf<$Table>>, |page| page;
            $($lines)*
        }
    };
    (
        @fields [$($meta:tt)*] $Type:ident { $($done:tt)* }
        $(#[doc = $doc:literal])+ names $name:ident: $Table:ty = $name_of:expr;
        $($lines:tt)*
    ) => {
        crate::graphql::lists::object::graph_object! {
            @fields [$($meta)*] $Type { $($done)* }
            $(#[doc = $doc])+ paged $name: $Table =>
                crate::graphql::lists::page::NamePage,
                |page| crate::graphql::lists::page::NamePage::from_page(page, $name_of);
            $($lines)*
        }
    };
    // What `page` and `names` have in common.
    (
        @fields [$($meta:tt)*] $Type:ident { $($done:tt)* }
        $(#[doc = $doc:literal])+ paged $name:ident: $Table:ty => $Page:ty, $convert:expr;
        $($lines:tt)*
    ) => {
        crate::graphql::lists::object::graph_object! {
            @fields [$($meta)*] $Type {
                $($done)*
                $(#[doc = $doc])+
                async fn $name(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(name = "where", desc = "Filter: return only items that match.")]
                    filter: Option<crate::graphql::lists::listed::WhereOf<$Table>>,
                    #[graphql(
                        desc = "Page number, from 1. Negative numbers count from the last page.",
                        default_with = "Some(1)"
                    )]
                    page: Option<i64>,
                ) -> crate::graphql::error::FieldResult<$Page> {
                    type Objects = crate::graphql::lists::page::Page<crate::graphql::lists::listed::ObjectOf<$Table>>;
                    let convert: fn(Objects) -> $Page = $convert;
                    crate::graphql::lists::page::Page::read(ctx, filter, page).await.map(convert)
                }
            }
            $($lines)*
        }
    };
    (
        @fields [$($meta:tt)*] $Type:ident { $($done:tt)* }
        $(ranking { $(#[doc = $top_doc:literal])+ $top:ident = $top_parent:expr; })?
        $(short { $(#[doc = $about:literal])+ $($short:tt)* })?
        $(stats $statistics:ident { $of:expr })?
        $(history $history:ident { $variant:expr })?
        $( $(#[doc = $doc:literal])+ list $name:ident: $Table:ty $(, for $scope:ident)? = $parent:expr; )*
    ) => {
        $($meta)*
        #[async_graphql::Object]
        impl $Type {
            $($done)*
            $(
                $(#[doc = $top_doc])+
                #[graphql(
                    complexity = "crate::graphql::lists::cost::cost(
                        Some(first.unwrap_or(crate::graphql::limits::DEFAULT_RANKING_ROWS)),
                        None,
                        child_complexity,
                    )",
                    directive = crate::graphql::directive::access::apply(crate::config::Scope::Read)
                )]
                #[allow(clippy::too_many_arguments, reason = "the arguments of a ranking")]
                async fn $top(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "The resource to rank by.")]
                    resource: crate::graphql::lists::resource::Resource,
                    #[graphql(
                        desc = "Whether the highest or the lowest values come first.",
                        default_with = "Some(crate::graphql::lists::ranking::TopDirection::Highest)"
                    )]
                    direction: Option<crate::graphql::lists::ranking::TopDirection>,
                    #[graphql(desc = "Of each of these, return only the first metric. Default: rank all metrics.")]
                    distinct: Option<crate::graphql::lists::ranking::DistinctBy>,
                    #[graphql(name = "where", desc = "Filter: return only items that match.")]
                    filter: Option<Box<crate::graphql::lists::listed::WhereOf<entity::table::metric::Entity>>>,
                    #[graphql(
                        desc = "Number of items to return, 0 to 500. Greater values are treated as 500.",
                        default_with = "Some(crate::graphql::limits::DEFAULT_RANKING_ROWS)"
                    )]
                    first: Option<i64>,
                ) -> crate::graphql::error::FieldResult<
                    crate::graphql::lists::json_writer::Items<
                        crate::graphql::lists::listed::ObjectOf<entity::table::metric::Entity>,
                    >,
                > {
                    let parent: fn(&$Type) -> crate::graphql::lists::connection::Parent<entity::table::metric::Entity> =
                        $top_parent;
                    let arguments = crate::graphql::lists::ranking::RankingArguments {
                        resource, direction, distinct, filter, first,
                    };
                    // Boxed for the same reason as below.
                    Box::pin(arguments.read(ctx, parent(self))).await
                }
            )?
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
                /// Statistics of a resource over its metrics. Computed for all objects of a list together.
                #[graphql(
                    complexity = "crate::graphql::limits::STATISTICS_COST + child_complexity",
                    directive = crate::graphql::directive::access::apply(crate::config::Scope::Read)
                )]
                async fn stats(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "The resource.")] resource: $statistics::Resource,
                    #[graphql(name = "where", desc = "Filter: only metrics that match.")]
                    filter: Option<Box<$statistics::MetricWhere>>,
                ) -> crate::graphql::error::FieldResult<$statistics::MetricStatistics> {
                    let of: fn(&$Type) -> $statistics::Source = $of;
                    Box::pin($statistics::MetricStatistics::of(ctx, of(self), resource, filter)).await
                }
            )?
            $(
                /// The history of the variant: a point for each run and machine class with metrics of it that match, from the earliest run
                /// to the latest, by start time. Metrics of sessions that are not announced yet are of no run. Computed for all variants of
                /// a list together.
                #[graphql(
                    complexity = "crate::graphql::limits::STATISTICS_COST + crate::graphql::lists::cost::cost(
                        None,
                        Some(last.unwrap_or(crate::graphql::limits::DEFAULT_HISTORY_RUNS)),
                        child_complexity,
                    )",
                    directive = crate::graphql::directive::access::apply(crate::config::Scope::Read)
                )]
                async fn history(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "The resource.")] resource: $history::Resource,
                    #[graphql(name = "where", desc = "Filter: only metrics that match.")]
                    filter: Option<Box<$history::MetricWhere>>,
                    #[graphql(
                        desc = "Number of runs, the latest ones: 0 to 500.",
                        default_with = "Some(crate::graphql::limits::DEFAULT_HISTORY_RUNS)"
                    )]
                    last: Option<i64>,
                ) -> crate::graphql::error::FieldResult<
                    crate::graphql::lists::json_writer::Items<$history::HistoryPoint>,
                > {
                    let variant: fn(&$Type) -> i64 = $variant;
                    let last = last.unwrap_or(crate::graphql::limits::DEFAULT_HISTORY_RUNS);
                    let arguments = $history::PointArguments { resource, filter, last };
                    Box::pin(arguments.history(ctx, variant(self))).await
                }

                /// The medians of its latest runs, from the earliest of these to the latest, by start time, in the unit of the resource. A
                /// median is that of all metrics of the run that match, on whatever machines; runs without have none. For a small curve:
                /// `history` says which runs these are.
                #[graphql(
                    complexity = "crate::graphql::limits::STATISTICS_COST",
                    directive = crate::graphql::directive::access::apply(crate::config::Scope::Read)
                )]
                async fn sparkline(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                    #[graphql(desc = "The resource.")] resource: $history::Resource,
                    #[graphql(name = "where", desc = "Filter: only metrics that match.")]
                    filter: Option<Box<$history::MetricWhere>>,
                    #[graphql(
                        desc = "Number of runs, the latest ones: 0 to 500.",
                        default_with = "Some(crate::graphql::limits::DEFAULT_SPARKLINE_RUNS)"
                    )]
                    last: Option<i64>,
                ) -> crate::graphql::error::FieldResult<Vec<f64>> {
                    let variant: fn(&$Type) -> i64 = $variant;
                    let last = last.unwrap_or(crate::graphql::limits::DEFAULT_SPARKLINE_RUNS);
                    let arguments = $history::PointArguments { resource, filter, last };
                    Box::pin(arguments.medians(ctx, variant(self))).await
                }

                /// Whether a session of its latest run has several metrics of it: of methods of the same name in several classes, or of
                /// repetitions. `history` says so of each run.
                #[graphql(
                    complexity = "crate::graphql::limits::STATISTICS_COST",
                    directive = crate::graphql::directive::access::apply(crate::config::Scope::Read)
                )]
                async fn is_ambiguous(
                    &self,
                    ctx: &async_graphql::Context<'_>,
                ) -> crate::graphql::error::FieldResult<bool> {
                    let variant: fn(&$Type) -> i64 = $variant;
                    Box::pin($history::is_ambiguous(ctx, variant(self))).await
                }
            )?
            $(
                $(#[doc = $doc])+
                #[graphql(
                    complexity = "crate::graphql::lists::cost::cost(first, last, child_complexity)",
                    directive = crate::graphql::directive::access::apply(
                        crate::graphql::lists::object::scope_of_list!($($scope)?)
                    )
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
                    #[graphql(desc = "Sort order. Default: order of arrival; of runs and branches, that of run dates.")]
                    order_by: Option<crate::graphql::lists::listed::OrderByOf<$Table>>,
                ) -> crate::graphql::error::FieldResult<
                    crate::graphql::lists::connection::Connection<crate::graphql::lists::listed::ObjectOf<$Table>>,
                > {
                    type Arguments = crate::graphql::lists::connection::ConnectionArguments<
                        crate::graphql::lists::listed::ObjectOf<$Table>,
                    >;
                    let parent: fn(&$Type) -> crate::graphql::lists::connection::Parent<$Table> = $parent;
                    let arguments = Arguments { first, after, last, before, filter, order_by };
                    // Boxed to keep the future of the type small: the engine moves a future as large as the largest of its fields.
                    Box::pin(arguments.read(ctx, parent(self))).await
                }
            )*
        }
    };
}
pub(crate) use graph_object;

/// The scope that a list takes.
macro_rules! scope_of_list {
    () => {
        crate::config::Scope::Read
    };
    ($scope:ident) => {
        crate::config::Scope::$scope
    };
}
pub(crate) use scope_of_list;

/// Whether `field` is `name`, which is in snake case, in camel case. Compares byte by byte without allocating: the JSON writer asks
/// for each scalar of a type.
pub fn is_camel_case_of(field: &str, name: &str) -> bool {
    let mut field = field.bytes();
    let mut begins_word = false;
    for letter in name.bytes() {
        if letter == b'_' {
            begins_word = true;
            continue;
        }
        let expected = if begins_word { letter.to_ascii_uppercase() } else { letter };
        if field.next() != Some(expected) {
            return false;
        }
        begins_word = false;
    }
    field.next().is_none()
}

#[cfg(test)]
mod tests {
    use crate::graphql::lists::object::is_camel_case_of;

    #[test]
    fn names_are_compared_in_camel_case() {
        assert!(is_camel_case_of("cpuFrequencyMhz", "cpu_frequency_mhz"));
        assert!(is_camel_case_of("id", "id"));
        for other in ["cpu_frequency_mhz", "cpuFrequency", "cpuFrequencyMhzs", "CpuFrequencyMhz", ""] {
            assert!(!is_camel_case_of(other, "cpu_frequency_mhz"), "{other}");
        }
    }
}
