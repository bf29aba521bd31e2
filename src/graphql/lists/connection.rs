//! Relay connections with keyset pagination: cursors stay valid while rows arrive.

use std::borrow::Cow;

use async_graphql::{Context, Object, SimpleObject, TypeName};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use entity::{
    filter::Tree,
    list::{Edge as TableEdge, Listable, Order, Position, Slice},
    query::Query as _,
};
use futures_util::future::BoxFuture;

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
            loader_keys::{ChildCount, ChildRows},
        },
        scalars::Int,
        state::state_of,
    },
};

/// The order of a list of `T`.
type OrderOf<T> = Order<<<T as Listed>::Entity as Listable>::Sort>;

/// Computes the filter of a list of a row with this key.
type FilterOf<E> = for<'a> fn(&'a Context<'_>, i64) -> BoxFuture<'a, Result<<E as Listable>::Filter, Error>>;

/// The parent object of a list.
#[derive(Debug)]
pub enum Parent<E: Listable> {
    /// A root field: the list has all objects of its type.
    Root,
    /// The row with this key, from which the edge leads to the rows of the list.
    Row(TableEdge<E>, i64),
    /// The row with this key, from which the filter of the rows of the list is computed.
    Computed(FilterOf<E>, i64),
}

/// The arguments of a connection.
pub struct ConnectionArguments<T: Listed> {
    pub first: Option<i64>,
    pub after: Option<String>,
    pub last: Option<i64>,
    pub before: Option<String>,
    pub filter: Option<Box<T::Where>>,
    pub order_by: Option<T::OrderBy>,
}

impl<T: Listed> ConnectionArguments<T> {
    /// Checks the arguments and converts them to a query. Its limit is one row more than requested: that row shows whether
    /// there is another window.
    fn slice(self, ctx: &Context<'_>, max_rows: u64) -> Result<Slice<T::Entity>, Error> {
        let Self { first, after, last, before, filter, order_by } = self;
        let (limit, from_end) = match (row_limit("first", first, max_rows)?, row_limit("last", last, max_rows)?) {
            (Some(_), Some(_)) => return Err(Error::bad_input("first, last: give one of them, not both")),
            (None, Some(last)) => (last, true),
            (first, None) => (first.unwrap_or(DEFAULT_ROWS.unsigned_abs().min(max_rows)), false),
        };
        let filter = filter.map(|filter| filter.check(ctx)).transpose()?.unwrap_or_default();
        let order = order_by.map(Into::into).unwrap_or_default();
        let list = ordered_list::<T>(&order);
        let position = |argument, cursor: Option<String>| {
            // Some clients write "" for the cursor that an empty list does not have.
            let cursor = cursor.filter(|cursor| !cursor.is_empty());
            cursor.map(|cursor| decode_cursor(argument, &list, &cursor)).transpose()
        };
        Ok(Slice {
            after: position("after", after)?,
            before: position("before", before)?,
            filter,
            order,
            limit: limit + 1,
            from_end,
        })
    }

    /// Reads the connection.
    pub async fn read(self, ctx: &Context<'_>, parent: Parent<T::Entity>) -> FieldResult<Connection<T>> {
        let mut slice = self.slice(ctx, state_of(ctx).max_rows)?;
        let requested = usize::try_from(slice.limit - 1).unwrap_or(usize::MAX);
        let mut rows = match &parent {
            Parent::Root => T::Entity::rows(&state_of(ctx).database.store, &slice).await.map_err(Error::from)?,
            Parent::Computed(own, id) => {
                let own = own(ctx, *id).await?;
                slice.filter = Tree { and: vec![slice.filter], ..own.into() };
                T::Entity::rows(&state_of(ctx).database.store, &slice).await.map_err(Error::from)?
            }
            Parent::Row(edge, id) => {
                loaders_of(ctx).load(ChildRows::key(*edge, *id, &slice)).await?.unwrap_or_default()
            }
        };
        let has_more = rows.len() > requested;
        if has_more {
            if slice.from_end {
                rows.remove(0);
            } else {
                rows.pop();
            }
        }
        let position =
            |row: &RowOf<T>| Position { key: T::Entity::sort_key(slice.order.by, row), id: T::Entity::id(row) };
        let positions = rows.iter().map(position).collect();
        Ok(Connection {
            has_next_page: if slice.from_end { slice.before.is_some() } else { has_more },
            has_previous_page: if slice.from_end { has_more } else { slice.after.is_some() },
            nodes: T::from_rows(ctx, rows).await?.into(),
            order: slice.order,
            positions,
            parent,
            filter: slice.filter,
        })
    }
}

/// Returns the number of rows that `argument` requests.
///
/// # Errors
/// [`Code::BadUserInput`] if `value` is negative, [`Code::LimitExceeded`] if it exceeds `max_rows`.
pub(crate) fn row_limit(argument: &str, value: Option<i64>, max_rows: u64) -> Result<Option<u64>, Error> {
    let Some(rows) = value else { return Ok(None) };
    let remedy = || format!("{argument}: give a number from 0 to {max_rows}, not {rows}");
    match u64::try_from(rows) {
        Ok(rows) if rows <= max_rows => Ok(Some(rows)),
        Ok(_) => Err(Error::new(Code::LimitExceeded, format!("{} (max-rows)", remedy()))),
        Err(_) => Err(Error::bad_input(remedy())),
    }
}

/// Returns the name of the list of `T` in this order. Cursors contain it, so that those of another list are rejected.
fn ordered_list<T: Listed>(order: &OrderOf<T>) -> String {
    format!("{} {:?}", T::type_name(), order.by)
}

/// Returns the cursor of a position in `list`.
fn encode_cursor(list: &str, Position { key, id }: Position) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{list}:{key}:{id}"))
}

/// Returns the position that `cursor` marks in `list`.
///
/// # Errors
/// [`Code::BadUserInput`] if it is no cursor of this list.
fn decode_cursor(argument: &str, list: &str, cursor: &str) -> Result<Position, Error> {
    let decode = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let mut parts = text.split(':');
        let (name, key, id) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (name == list && parts.next().is_none()).then_some(Position { key, id })
    };
    decode().ok_or_else(|| Error::bad_input(format!("{argument}: '{cursor}' is no cursor of a list in this order")))
}

/// A window of a list.
pub struct Connection<T: Listed> {
    nodes: Items<T>,
    order: OrderOf<T>,
    /// Positions of the nodes. Cursors are encoded only if they are selected.
    positions: Vec<Position>,
    has_next_page: bool,
    has_previous_page: bool,
    parent: Parent<T::Entity>,
    filter: Tree<<T::Entity as Listable>::Filter>,
}

impl<T: Listed> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

impl<T: Listed> Connection<T> {
    fn cursor(&self, position: &Position) -> String {
        encode_cursor(&ordered_list::<T>(&self.order), *position)
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
        let edge = |(node, position)| Edge { node, cursor: self.cursor(position) };
        self.nodes.iter().zip(&self.positions).map(edge).collect()
    }

    /// Information for fetching the next or previous items.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.has_next_page,
            has_previous_page: self.has_previous_page,
            start_cursor: self.positions.first().map(|position| self.cursor(position)),
            end_cursor: self.positions.last().map(|position| self.cursor(position)),
        }
    }

    /// Number of items in the whole list. Computed only when selected.
    async fn total_count(&self, ctx: &Context<'_>) -> FieldResult<Int> {
        match &self.parent {
            Parent::Root | Parent::Computed(..) => Ok(T::count(ctx, &self.filter).await?.into()),
            Parent::Row(edge, id) => {
                Ok(loaders_of(ctx).load(ChildCount::key(*edge, *id, &self.filter)).await?.unwrap_or(0).into())
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
    pub(crate) has_next_page: bool,
    /// Whether there are items before the first one. When paginating forwards: whether `after` was given.
    pub(crate) has_previous_page: bool,
    /// Cursor of the first item. Null if the window is empty.
    pub(crate) start_cursor: Option<String>,
    /// Cursor of the last item. Null if the window is empty.
    pub(crate) end_cursor: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use entity::list::Position;

    use crate::{
        error::Code,
        graphql::lists::connection::{decode_cursor, encode_cursor, row_limit},
    };

    #[test]
    fn a_cursor_marks_the_position_that_it_was_made_from() {
        for position in [Position { key: 0, id: 1 }, Position { key: -7, id: i64::MAX }] {
            let cursor = encode_cursor("Metric Inserted", position);
            assert_eq!(decode_cursor("after", "Metric Inserted", &cursor).unwrap(), position);
        }
    }

    #[test]
    fn a_cursor_of_another_list_or_no_cursor_is_bad_input() {
        let cursor = encode_cursor("Metric Inserted", Position { key: 1, id: 2 });
        let longer = encode_cursor("Metric Inserted:1", Position { key: 1, id: 2 });
        for (list, cursor) in
            [("Metric StartedAt", cursor.as_str()), ("Metric Inserted", &longer), ("Metric Inserted", "!")]
        {
            assert_eq!(decode_cursor("after", list, cursor).unwrap_err().code, Code::BadUserInput, "{cursor}");
        }
    }

    #[test]
    fn a_limit_is_between_zero_and_the_maximum() {
        assert_eq!(row_limit("first", None, 500).unwrap(), None);
        assert_eq!(row_limit("first", Some(0), 500).unwrap(), Some(0));
        assert_eq!(row_limit("first", Some(500), 500).unwrap(), Some(500));
        assert_eq!(row_limit("first", Some(501), 500).unwrap_err().code, Code::LimitExceeded);
        assert_eq!(row_limit("first", Some(-1), 500).unwrap_err().code, Code::BadUserInput);
    }
}
