//! Lists: Relay connections with keyset cursors, which stay right while rows arrive.

use std::borrow::Cow;

use async_graphql::{Context, Object, SimpleObject, TypeName};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{
    filter::Tree,
    list::{self, Edge as Way, Noun, Order, Position, Slice},
};

use crate::{
    error::{Code, Error},
    graphql::{
        error::FieldResult,
        limits::DEFAULT_ROWS,
        lists::{
            dataloader::loaders_of,
            filter::Where,
            json_writer::Items,
            listed::{Listed, RowOf},
            loader_keys::{Counts, Lists},
        },
        scalars::Int,
        state::state_of,
    },
};

/// The order of a list of a type of the graph.
type OrderOf<T> = Order<<<T as Listed>::Entity as Noun>::Sort>;

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
    pub async fn read(self, ctx: &Context<'_>, of_whom: Of<T::Entity>) -> FieldResult<Connection<T>> {
        let slice = self.slice(state_of(ctx).max_rows)?;
        let asked = usize::try_from(slice.limit - 1).unwrap_or(usize::MAX);
        let mut rows = match &of_whom {
            Of::Everyone => list::rows(&state_of(ctx).database.reader, &slice).await.map_err(Error::from)?,
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
    async fn total_count(&self, ctx: &Context<'_>) -> FieldResult<Int> {
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
