//! Numbered pages of lists, as REST v1 returns them.

use std::borrow::Cow;

use async_graphql::{Context, Object, TypeName};
use entity::{
    announced::{self, Announced},
    filter::Tree,
    list::{self, Listable},
    query::Query as _,
};

use crate::{
    error::Error,
    graphql::{
        error::FieldResult,
        lists::{
            filter::Where,
            json_writer::Items,
            listed::{Listed, RowOf},
            page_number::{page_number, page_with_count},
        },
        response_budget::budget_of,
        scalars::Int,
        state::state_of,
    },
};

/// A numbered page of a list.
pub struct Page<T> {
    items: Items<T>,
    total_pages: u64,
    total_count: u64,
}

impl<T: Listed> TypeName for Page<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Page", T::type_name()).into()
    }
}

/// A numbered page of a list, for REST v1. New clients should use connections.
#[Object(name_type)]
impl<T: Listed> Page<T> {
    /// The items on the page.
    #[graphql(
        complexity = "crate::graphql::lists::cost::cost(Some(crate::graphql::limits::MAX_ROWS), None, child_complexity)"
    )]
    async fn items(&self) -> &Items<T> {
        &self.items
    }

    /// Number of pages.
    async fn total_pages(&self) -> Int {
        self.total_pages.into()
    }

    /// Number of items on all pages.
    async fn total_count(&self) -> Int {
        self.total_count.into()
    }
}

impl<T: Listed> Page<T> {
    /// Creates a page of a list with `total_count` rows.
    pub fn new(items: Vec<T>, total_count: u64, size: u64) -> Self {
        Self { items: items.into(), total_pages: total_count.div_ceil(size), total_count }
    }

    /// Reads page `number` of the rows that match `filter`.
    pub async fn read(ctx: &Context<'_>, filter: Option<T::Where>, number: Option<i64>) -> FieldResult<Self> {
        let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
        Self::of(ctx, &filter, number).await
    }

    /// Likewise, where the filter has been checked.
    pub async fn of(
        ctx: &Context<'_>,
        filter: &Tree<<T::Entity as Listable>::Filter>,
        number: Option<i64>,
    ) -> FieldResult<Self> {
        let size = state_of(ctx).page_size;
        let (rows, total) = T::page(ctx, filter, number, size).await?;
        Ok(Self::new(T::from_rows(ctx, rows).await?, total, size))
    }
}

/// A numbered page of a list of names.
pub struct NamePage {
    names: Vec<String>,
    total_pages: u64,
    total_count: u64,
}

/// A numbered page of a list of names.
#[Object]
impl NamePage {
    /// The names on the page; for sessions, the hashes.
    #[graphql(complexity = "crate::graphql::lists::cost::cost(Some(crate::graphql::limits::MAX_ROWS), None, 1)")]
    async fn names(&self, ctx: &Context<'_>) -> FieldResult<&[String]> {
        charge_names(ctx, &self.names)?;
        Ok(&self.names)
    }

    /// Number of pages.
    async fn total_pages(&self) -> Int {
        self.total_pages.into()
    }

    /// Number of names on all pages.
    async fn total_count(&self) -> Int {
        self.total_count.into()
    }
}

/// Charges a list of names to the response budget.
///
/// # Errors
/// Those of [`crate::graphql::response_budget::ResponseBudget::charge`].
pub fn charge_names(ctx: &Context<'_>, names: &[String]) -> Result<(), Error> {
    budget_of(ctx).charge(names.iter().map(String::len).sum())
}

impl NamePage {
    /// Creates a page of a list with `total_count` names.
    pub fn new(names: Vec<String>, total_count: u64, size: u64) -> Self {
        Self { names, total_pages: total_count.div_ceil(size), total_count }
    }

    /// Creates page `number` of `names`.
    pub fn from_names(names: Vec<String>, number: Option<i64>, size: u64) -> Result<Self, Error> {
        let total_count = names.len() as u64;
        let number = page_number(number, total_count, size)?;
        let skip = usize::try_from((number - 1) * size).unwrap_or(usize::MAX);
        let names = names.into_iter().skip(skip).take(usize::try_from(size).unwrap_or(usize::MAX)).collect();
        Ok(Self::new(names, total_count, size))
    }

    /// Converts a page of objects.
    pub fn from_page<T>(page: Page<T>, name: impl Fn(T) -> String) -> Self {
        let Page { items, total_pages, total_count } = page;
        Self { names: Vec::from(items).into_iter().map(name).collect(), total_pages, total_count }
    }
}

/// Implements [`Listed::page`] for types that are announced.
///
/// # Errors
/// Those of [`page_with_count`].
pub async fn announced_page<T: Listed<Entity: Announced>>(
    ctx: &Context<'_>,
    filter: &Tree<<T::Entity as Listable>::Filter>,
    number: Option<i64>,
    size: u64,
) -> Result<(Vec<RowOf<T>>, u64), Error> {
    let state = state_of(ctx);
    let db = &state.database.store;
    if *filter == Tree::default() {
        let page = async |number| Ok(announced::page::<T::Entity>(db, number, size).await?);
        return page_with_count(T::count(ctx, filter), page, number, size).await;
    }
    if !filter.all(&T::Entity::is_settled) {
        let page = async |number| Ok(T::Entity::page(db, filter, number, size).await?);
        return page_with_count(T::count(ctx, filter), page, number, size).await;
    }
    let ids = state.caches().lists.ids::<T::Entity>(db, filter).await?;
    let total = ids.len() as u64;
    let skip = usize::try_from((page_number(number, total, size)? - 1) * size).unwrap_or(usize::MAX);
    let on_page: Vec<i64> = ids.iter().skip(skip).take(usize::try_from(size).unwrap_or(usize::MAX)).copied().collect();
    let mut rows = list::by_ids::<T::Entity>(db, &on_page).await?;
    Ok((on_page.iter().filter_map(|id| rows.remove(id)).collect(), total))
}
