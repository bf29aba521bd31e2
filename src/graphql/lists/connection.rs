//! Lists: Relay connections with keyset cursors, which stay right while rows arrive.

use std::borrow::Cow;

use async_graphql::{Context, InputType, Object, OutputType, SimpleObject, TypeName};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{
    announced::{self, Announced},
    filter::Tree,
    list::{self, Edge as Way, Noun, Order, Position, Slice},
};
use sea_orm::EntityTrait;

use crate::{
    error::{Code, Error},
    graphql::{
        error::Answer,
        limits::DEFAULT_ROWS,
        lists::{
            dataloader::loaders_of,
            filter::Where,
            json_writer::{Items, Leads, Written},
            loader_keys::{Counts, Lists},
            page::page_number,
        },
        scalars::Int,
        state::served,
    },
};

/// The row behind a type of the graph.
pub type RowOf<T> = <<T as Listed>::Entity as EntityTrait>::Model;

/// The order of a list of a type of the graph.
type OrderOf<T> = Order<<<T as Listed>::Entity as Noun>::Sort>;

/// A type of the graph that lists are made of.
pub trait Listed: OutputType + Written {
    /// Its table.
    type Entity: Noun;
    /// Its `where`.
    type Where: InputType + Where<Filter = <Self::Entity as Noun>::Filter>;
    /// Its `orderBy`.
    type OrderBy: InputType + Into<Order<<Self::Entity as Noun>::Sort>>;

    /// Makes graph objects of rows, in their order.
    fn from_rows(ctx: &Context<'_>, rows: Vec<RowOf<Self>>) -> impl Future<Output = Result<Vec<Self>, Error>> + Send;

    /// How lists write the field of this name, where it leads to other objects.
    fn edge(_field: &str) -> Option<&'static dyn Leads<Self>> {
        None
    }

    /// The rows of the page that `number` names, see [`page_number`], of those that match, `size` each, in the order in which they
    /// came to be known; and how many match.
    fn page(
        ctx: &Context<'_>,
        filter: &Tree<<Self::Entity as Noun>::Filter>,
        number: Option<i64>,
        size: u64,
    ) -> impl Future<Output = Result<(Vec<RowOf<Self>>, u64), Error>> + Send {
        async move {
            let db = &served(ctx).database.reader;
            let page = async |number| Ok(list::page::<Self::Entity>(db, filter, number, size).await?);
            counted(Self::count(ctx, filter), page, number, size).await
        }
    }

    /// How many match.
    fn count(
        ctx: &Context<'_>,
        filter: &Tree<<Self::Entity as Noun>::Filter>,
    ) -> impl Future<Output = Result<u64, Error>> + Send;
}

/// The rows of the page that `number` names, and how many rows all pages have. Where the number can be taken as it stands, both
/// are asked for at once.
///
/// # Errors
/// Those of [`page_number`], `count` and `page`.
pub async fn counted<R>(
    count: impl Future<Output = Result<u64, Error>>,
    page: impl AsyncFnOnce(u64) -> Result<Vec<R>, Error>,
    number: Option<i64>,
    size: u64,
) -> Result<(Vec<R>, u64), Error> {
    match u64::try_from(number.unwrap_or(1)) {
        Ok(given @ 1..) if given.checked_mul(size).is_some_and(|rows| i64::try_from(rows).is_ok()) => {
            let (total, rows) = futures_util::try_join!(count, page(given))?;
            // What came to be known in between is on no page yet.
            let seen = (given - 1) * size + rows.len() as u64;
            let total = if (rows.len() as u64) < size { total.min(seen) } else { total };
            page_number(number, total, size)?;
            Ok((rows, total))
        }
        _ => {
            let total = count.await?;
            Ok((page(page_number(number, total, size)?).await?, total))
        }
    }
}

/// [`Listed::page`] of a type that is announced.
///
/// # Errors
/// Those of [`counted`].
pub async fn announced_page<T: Listed<Entity: Announced>>(
    ctx: &Context<'_>,
    filter: &Tree<<T::Entity as Noun>::Filter>,
    number: Option<i64>,
    size: u64,
) -> Result<(Vec<RowOf<T>>, u64), Error> {
    let served = served(ctx);
    let db = &served.database.reader;
    if *filter == Tree::default() {
        let page = async |number| Ok(announced::page::<T::Entity>(db, number, size).await?);
        return counted(T::count(ctx, filter), page, number, size).await;
    }
    let ids = served.known().lists.ids::<T::Entity>(db, filter).await?;
    let total = ids.len() as u64;
    let skip = usize::try_from((page_number(number, total, size)? - 1) * size).unwrap_or(usize::MAX);
    let on_page: Vec<i64> = ids.iter().skip(skip).take(usize::try_from(size).unwrap_or(usize::MAX)).copied().collect();
    let mut rows = list::by_ids::<T::Entity>(db, &on_page).await?;
    Ok((on_page.iter().filter_map(|id| rows.remove(id)).collect(), total))
}

/// What [`Listed`] says of a type that is its row and nothing else.
macro_rules! listed_as_row {
    ($Type:ident, $Where:ident) => {
        impl crate::graphql::lists::connection::Listed for $Type {
            type Entity = row::Entity;
            type Where = $Where;
            type OrderBy = crate::graphql::lists::filter::FirstSeenOrder;

            async fn from_rows(
                _: &async_graphql::Context<'_>,
                rows: Vec<row::Model>,
            ) -> Result<Vec<Self>, crate::error::Error> {
                Ok(rows.into_iter().map(|row| Self(row.into())).collect())
            }

            async fn count(
                ctx: &async_graphql::Context<'_>,
                filter: &entity::filter::Tree<row::Filter>,
            ) -> Result<u64, crate::error::Error> {
                let reader = &crate::graphql::state::served(ctx).database.reader;
                Ok(entity::list::count::<row::Entity>(reader, filter).await?)
            }
        }
    };
}
pub(crate) use listed_as_row;

/// Whose list it is.
#[derive(Debug)]
pub enum Of<E> {
    /// Nobody's: all there are.
    Everyone,
    /// That of the parent with this key.
    Parent(Way<E>, i64),
}

/// The arguments of a connection.
pub struct Arguments<T: Listed> {
    pub first: Option<i64>,
    pub after: Option<String>,
    pub last: Option<i64>,
    pub before: Option<String>,
    pub filter: Option<Box<T::Where>>,
    pub order_by: Option<T::OrderBy>,
}

impl<T: Listed> Arguments<T> {
    /// The stretch asked for, one row longer, so as to see whether there are more.
    fn slice(self, most: u64) -> Result<Slice<T::Entity>, Error> {
        let Self { first, after, last, before, filter, order_by } = self;
        let (limit, from_end) = match (limit("first", first, most)?, limit("last", last, most)?) {
            (Some(_), Some(_)) => return Err(Error::bad_input("first, last: give one of them, not both")),
            (None, Some(last)) => (last, true),
            (first, None) => (first.unwrap_or(DEFAULT_ROWS.unsigned_abs().min(most)), false),
        };
        let filter = filter.map(|filter| filter.check()).transpose()?.unwrap_or_default();
        let order = order_by.map(Into::into).unwrap_or_default();
        let place = |argument, cursor: Option<String>| {
            // Some clients write "" for the cursor that an empty list does not have.
            let cursor = cursor.filter(|cursor| !cursor.is_empty());
            cursor.map(|cursor| read_cursor::<T>(argument, &order, &cursor)).transpose()
        };
        Ok(Slice {
            after: place("after", after)?,
            before: place("before", before)?,
            filter,
            order,
            limit: limit + 1,
            from_end,
        })
    }

    /// Reads the connection.
    pub async fn read(self, ctx: &Context<'_>, of_whom: Of<T::Entity>) -> Answer<Connection<T>> {
        let slice = self.slice(served(ctx).most_rows)?;
        let asked = usize::try_from(slice.limit - 1).unwrap_or(usize::MAX);
        let mut rows = match &of_whom {
            Of::Everyone => list::rows(&served(ctx).database.reader, &slice).await.map_err(Error::from)?,
            Of::Parent(way, parent) => {
                loaders_of(ctx).load(Lists::key(*way, *parent, &slice)).await?.unwrap_or_default()
            }
        };
        let more = rows.len() > asked;
        if more {
            if slice.from_end {
                rows.remove(0);
            } else {
                rows.pop();
            }
        }
        let place = |row: &RowOf<T>| Position { key: T::Entity::sort_key(slice.order.by, row), id: T::Entity::id(row) };
        let places = rows.iter().map(place).collect();
        Ok(Connection {
            has_next_page: if slice.from_end { slice.before.is_some() } else { more },
            has_previous_page: if slice.from_end { more } else { slice.after.is_some() },
            nodes: T::from_rows(ctx, rows).await?.into(),
            order: slice.order,
            places,
            of_whom,
            filter: slice.filter,
        })
    }
}

/// How many rows an argument asks for, `most` at most.
///
/// # Errors
/// [`Code::BadUserInput`] for a negative number, [`Code::LimitExceeded`] for too large a one.
fn limit(argument: &str, given: Option<i64>, most: u64) -> Result<Option<u64>, Error> {
    let Some(rows) = given else { return Ok(None) };
    let remedy = || format!("{argument}: give a number from 0 to {most}, not {rows}");
    match u64::try_from(rows) {
        Ok(rows) if rows <= most => Ok(Some(rows)),
        Ok(_) => Err(Error::new(Code::LimitExceeded, format!("{} (max-rows)", remedy()))),
        Err(_) => Err(Error::bad_input(remedy())),
    }
}

/// A cursor holds the list it was made for, so that it is not taken for a place in another.
fn order_name<T: Listed>(order: &OrderOf<T>) -> String {
    format!("{} {:?}", T::type_name(), order.by)
}

fn write_cursor<T: Listed>(order: &OrderOf<T>, Position { key, id }: Position) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}:{key}:{id}", order_name::<T>(order)))
}

fn read_cursor<T: Listed>(argument: &str, order: &OrderOf<T>, cursor: &str) -> Result<Position, Error> {
    let read = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let mut parts = text.split(':');
        let (name, key, id) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (name == order_name::<T>(order) && parts.next().is_none()).then_some(Position { key, id })
    };
    read().ok_or_else(|| Error::bad_input(format!("{argument}: '{cursor}' is no cursor of a list in this order")))
}

/// A stretch of a list.
pub struct Connection<T: Listed> {
    nodes: Items<T>,
    order: OrderOf<T>,
    /// Those of the nodes: a cursor is written when it is asked for.
    places: Vec<Position>,
    has_next_page: bool,
    has_previous_page: bool,
    of_whom: Of<T::Entity>,
    filter: Tree<<T::Entity as Noun>::Filter>,
}

impl<T: Listed> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

impl<T: Listed> Connection<T> {
    fn cursor(&self, place: &Position) -> String {
        write_cursor::<T>(&self.order, *place)
    }
}

/// A window of a list, in the order of the list.
#[Object(name_type)]
impl<T: Listed> Connection<T> {
    /// The items, without their cursors.
    async fn nodes(&self) -> &Items<T> {
        &self.nodes
    }

    /// The items with their cursors.
    async fn edges(&self) -> Vec<Edge<'_, T>> {
        let edge = |(node, place)| Edge { node, cursor: self.cursor(place) };
        self.nodes.iter().zip(&self.places).map(edge).collect()
    }

    /// Information for fetching the next or previous items.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next_page,
            has_previous_page: self.has_previous_page,
            start_cursor: self.places.first().map(|place| self.cursor(place)),
            end_cursor: self.places.last().map(|place| self.cursor(place)),
        }
    }

    /// Number of items in the whole list. Computed only when selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Answer<Int> {
        match &self.of_whom {
            Of::Everyone => Ok(T::count(ctx, &self.filter).await?.into()),
            Of::Parent(way, parent) => {
                Ok(loaders_of(ctx).load(Counts::key(*way, *parent, &self.filter)).await?.unwrap_or(0).into())
            }
        }
    }
}

/// An item of a list with its cursor.
pub struct Edge<'a, T> {
    node: &'a T,
    cursor: String,
}

impl<T: Listed> TypeName for Edge<'_, T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

/// An item of a list with its cursor.
#[Object(name_type)]
impl<T: Listed> Edge<'_, T> {
    /// The item.
    async fn node(&self) -> &T {
        self.node
    }

    /// The cursor of the item, to be passed as `after` or `before`.
    async fn cursor(&self) -> &str {
        &self.cursor
    }
}

/// Pagination information of a connection.
#[derive(SimpleObject)]
pub struct PageInfo {
    /// Whether there are items after the last one. When paginating backwards: whether `before` was given.
    has_next_page: bool,
    /// Whether there are items before the first one. When paginating forwards: whether `after` was given.
    has_previous_page: bool,
    /// Cursor of the first item. Null if the window is empty.
    start_cursor: Option<String>,
    /// Cursor of the last item. Null if the window is empty.
    end_cursor: Option<String>,
}
